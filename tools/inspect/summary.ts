import type { TensorSource } from "../checkpoint/source.ts";
import { type Census, type CensusEntry, type SourceFormat, storedTensors } from "../model/census.ts";
import { attentionKind } from "../model/config.ts";
import { releaseName } from "../model/identify.ts";
import type { TensorRole } from "../model/inventory.ts";

/** Tensors of one role and storage, added up. */
export interface ClassSummary {
  readonly role: TensorRole;
  /** `layer` counts the trunk and the root tensors, `mtp` the drafter. */
  readonly where: "model" | "drafter";
  readonly format: SourceFormat;
  readonly scale: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly byteLength: number;
}

export interface CensusSummary {
  readonly name: string;
  readonly location: string;
  readonly layout: TensorSource["layout"];
  readonly files: number;
  readonly tensors: number;
  readonly parameters: number;
  readonly byteLength: number;
  readonly layers: {
    readonly swa: number;
    readonly csa: number;
    readonly hca: number;
    readonly hash: number;
  };
  readonly experts: { readonly routed: number; readonly active: number; readonly width: number };
  readonly drafter: Census["drafter"];
  readonly unrecognised: readonly string[];
  readonly classes: readonly ClassSummary[];
}

/** Adds a census up by role and storage. */
export function summarise(source: TensorSource, census: Census): CensusSummary {
  const { config, entries } = census;
  const classes = new Map<
    string,
    { first: CensusEntry; tensors: number; parameters: number; byteLength: number }
  >();
  for (const entry of entries) {
    const key = [entry.spec.role, whereOf(entry), entry.format, scaleOf(entry)].join("/");
    const sum = classes.get(key) ?? { first: entry, tensors: 0, parameters: 0, byteLength: 0 };
    sum.tensors += storedTensors(entry).length;
    sum.parameters += parametersOf(entry);
    sum.byteLength += bytesOf(entry);
    classes.set(key, sum);
  }
  const kinds = config.compressRatios.slice(0, config.layerCount).map(attentionKind);
  const count = (kind: string): number => kinds.filter((candidate) => candidate === kind).length;
  const extra = census.unrecognised.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return {
    name: releaseName(census),
    location: source.location,
    layout: source.layout,
    files: source.files.length,
    tensors: source.tensors.size,
    parameters: entries.reduce((sum, entry) => sum + parametersOf(entry), 0),
    byteLength: entries.reduce((sum, entry) => sum + bytesOf(entry), extra),
    layers: { swa: count("swa"), csa: count("csa"), hca: count("hca"), hash: config.hashLayerCount },
    experts: { routed: config.expertCount, active: config.expertsPerToken, width: config.expertWidth },
    drafter: census.drafter,
    unrecognised: census.unrecognised.map(({ name }) => name),
    classes: [...classes.values()].map(({ first, ...sums }) => ({
      role: first.spec.role,
      where: whereOf(first),
      format: first.format,
      scale: scaleOf(first),
      ...sums,
    })),
  };
}

const whereOf = ({ spec }: CensusEntry): ClassSummary["where"] =>
  spec.block.kind === "mtp" ? "drafter" : "model";

/** `e8m0 1x32`: kind and block of the scale. */
function scaleOf({ scale }: CensusEntry): string {
  return scale ? `${scale.kind} ${scale.blockRows}x${scale.blockCols}` : "";
}

function parametersOf({ spec }: CensusEntry): number {
  return spec.role === "tid2eid" ? 0 : spec.shape.reduce((product, dimension) => product * dimension, 1);
}

/** Of a tensor with its scales and whatever else is stored with it. */
export const bytesOf = (entry: CensusEntry): number =>
  storedTensors(entry).reduce((sum, { byteLength }) => sum + byteLength, 0);
