import { join } from "node:path";
import type { Piscina } from "piscina";
import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import { openNameless } from "../lib/disk.ts";
import { silentProgress } from "../lib/progress.ts";
import type { PlannedTensor } from "../plan/output-plan.ts";
import { tensorBytes } from "../plan/storage.ts";
import { allPieces, convertPlan } from "../quantize/convert-plan.ts";
import type { Journal } from "../quantize/journal.ts";
import type { LaidOutFile } from "../quantize/layout-files.ts";

export interface BenchmarkOptions {
  readonly source: TensorSource;
  readonly importance: ImportanceFile | undefined;
  /** Where the output will be: what is written here is gone when the benchmark ends, however it ends. */
  readonly folder: string;
  readonly workers: number;
}

interface GroupTimes {
  /** When the very first piece was finished. */
  readonly firstMs: number;
  /** By group. */
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
}

/** Converts groups of matrices one after the other; a group's time ends with its last piece. */
export async function timeGroups(
  groups: readonly (readonly PlannedTensor[])[],
  { source, importance, folder, workers }: BenchmarkOptions,
  pool: Piscina,
): Promise<GroupTimes> {
  const tensors = groups.flat();
  const file = layOut(tensors);
  await readAhead(tensors, source);
  const path = join(folder, `.v4kit-plan-${process.pid}.partial`);
  const output = await openNameless(path);
  const [started, clocks]: [Clock, Clock[]] = [readClock(), []];
  try {
    await convertPlan({
      source,
      importance,
      files: [file],
      outputs: [output],
      journal: timekeeper(clocks),
      finished: new Map(),
      workers,
      progress: silentProgress,
      pool,
    });
  } finally {
    await output.close();
  }
  const ends = endsOf(groups, file, clocks);
  const between = (clock: keyof Clock) =>
    ends.map((end, i) => Math.max(1e-6, (end[clock] - (ends[i - 1] ?? started)[clock]) / 1000));
  return {
    firstMs: clocks.reduce((first, { wallMs }) => Math.min(first, wallMs), Number.POSITIVE_INFINITY),
    seconds: between("wallMs"),
    cpuSeconds: between("cpuMs"),
  };
}

interface Clock {
  readonly wallMs: number;
  /** Of all threads of this process. */
  readonly cpuMs: number;
}

function readClock(): Clock {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1000 };
}

/** When the last piece of every group, and of those before it, was finished. */
function endsOf(
  groups: readonly (readonly PlannedTensor[])[],
  file: LaidOutFile,
  clocks: readonly Clock[],
): Clock[] {
  const groupOf = new Map(groups.flatMap((group, i) => group.map((tensor) => [tensor, i] as const)));
  const ends = groups.map((): Clock => ({ wallMs: 0, cpuMs: 0 }));
  for (const { number, piece } of allPieces([file]))
    for (let i = groupOf.get(piece.tensor) as number; i < groups.length; i++)
      if (clocks[number].wallMs > ends[i].wallMs) ends[i] = clocks[number];
  return ends;
}

function layOut(tensors: readonly PlannedTensor[]): LaidOutFile {
  let end = 0;
  const offsets = tensors.map(({ outputs }) =>
    outputs.map((output) => {
      const at = end;
      end += tensorBytes(output);
      return at;
    }),
  );
  const file = { kind: "model", name: "sample", tensors } as const;
  return { file, offsets, byteLength: end, prefix: () => new Uint8Array(0) };
}

/** A journal that keeps nothing but the time at which each piece was finished. */
const timekeeper = (clocks: Clock[]): Journal => ({
  finished: new Map(),
  count: () => 0,
  async record({ piece }) {
    clocks[piece] = readClock();
  },
  async flush() {},
  async close() {},
  async remove() {},
});

/** Brings what a sample reads into the page cache. */
async function readAhead(tensors: readonly PlannedTensor[], source: TensorSource): Promise<void> {
  for (const { parts } of tensors)
    for (const { entry } of parts)
      for (const tensor of entry.scale ? [entry.weight, entry.scale.tensor] : [entry.weight])
        await source.read(tensor, 0, new Uint8Array(tensor.byteLength));
}
