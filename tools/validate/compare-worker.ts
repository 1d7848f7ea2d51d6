import type { Comparison } from "../../kernels/kernels.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { type Fault, V4Error } from "../lib/errors.ts";
import { type CensusEntry, takeCensus } from "../model/census.ts";
import { compareRows, type TensorPlace } from "./compare-rows.ts";

/** Some rows of one tensor, by its official name. */
export interface CompareTask {
  readonly reference: string;
  readonly artefact: string;
  readonly name: string;
  readonly first: number;
  readonly count: number;
}

const kernels = loadKernels();
const opened = new Map<string, Promise<(name: string) => TensorPlace>>();

/** Every worker opens the checkpoints itself, once: their files stay open as long as the worker lives. */
function placesIn(location: string): Promise<(name: string) => TensorPlace> {
  const known = opened.get(location) ?? open(location);
  opened.set(location, known);
  return known;
}

async function open(location: string): Promise<(name: string) => TensorPlace> {
  const source = await openCheckpoint(location);
  const { entries } = takeCensus(source.config, source.tensors, location);
  const byName = new Map(entries.map((entry) => [entry.spec.name, entry]));
  return (name) => ({ source, entry: byName.get(name) as CensusEntry });
}

/** The sums, or what is wrong with a tensor: an error of ours would lose its kind on the way out of the thread. */
export type CompareOutcome =
  | { readonly sums: Comparison }
  | { readonly kind: V4Error["kind"]; readonly fault: Fault };

/** The entry of every worker thread. */
export async function run({ reference, artefact, name, first, count }: CompareTask): Promise<CompareOutcome> {
  try {
    const [x, y] = await Promise.all([placesIn(reference), placesIn(artefact)]);
    return { sums: await compareRows(kernels, x(name), y(name), { first, count }) };
  } catch (error) {
    if (!(error instanceof V4Error)) throw error;
    return { kind: error.kind, fault: error.fault };
  }
}
