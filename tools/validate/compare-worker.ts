import type { Comparison } from "../../kernels/kernels.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
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

/** The entry of every worker thread. */
export async function run({ reference, artefact, name, first, count }: CompareTask): Promise<Comparison> {
  const [x, y] = await Promise.all([placesIn(reference), placesIn(artefact)]);
  return compareRows(kernels, x(name), y(name), { first, count });
}
