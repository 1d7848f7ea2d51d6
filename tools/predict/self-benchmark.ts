import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Piscina } from "piscina";
import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import { openUnfinished } from "../lib/disk.ts";
import { silentProgress } from "../lib/progress.ts";
import type { PlannedTensor } from "../plan/output-plan.ts";
import { tensorBytes } from "../plan/storage.ts";
import { allPieces, convertPlan, startWorkers } from "../quantize/convert-plan.ts";
import type { Journal } from "../quantize/journal.ts";
import type { LaidOutFile } from "../quantize/layout-files.ts";
import { sampleOf } from "./sample.ts";
import { valuesOf, type WorkClass } from "./work.ts";

export interface BenchmarkOptions {
  readonly source: TensorSource;
  readonly importance: ImportanceFile | undefined;
  /** Where the output will be: what is written here is gone when the benchmark ends, however it ends. */
  readonly folder: string;
  readonly workers: number;
}

/** What a class costs on this machine with all workers at work. */
export interface ClassRate {
  readonly name: string;
  readonly values: number;
  readonly valuesPerSecond: number;
  /** False where it was taken from the others: a class too small to matter. */
  readonly measured: boolean;
}

export interface ConversionRates {
  /** Until the workers had their first task. */
  readonly startSeconds: number;
  readonly classes: readonly ClassRate[];
}

/** Classes beyond this share of all values are not measured. */
const COVERED = 0.995;
const MAX_CLASSES = 6;
/** All classes together take about so long; a sample that took less than half was too small. */
const BUDGET_SECONDS = 1.5;
/** At least this share of it for every class: a short measurement is mostly noise. */
const MIN_SHARE = 0.08;
/** A first sample, and how much larger the next may be: the first says little. */
const PILOT_VALUES = 1 << 17;
const MAX_GROWTH = 16;
/** What one class reads at most. */
const MAX_SAMPLE_VALUES = 1 << 28;
/** Pieces of a sample per worker: the last one's wait for the others is then a small part of the time. */
const PIECES_PER_WORKER = 8;

/**
 * Runs the conversion itself, workers, slabs, checks and writes, on some rows of every class of a plan, on more and more
 * of them until the time can be trusted. Their source was read before, and nothing is synced: this is what processor
 * and memory take; what the disk takes is measured apart.
 */
export async function measureConversion(
  classes: readonly WorkClass[],
  options: BenchmarkOptions,
): Promise<ConversionRates> {
  const chosen = worthMeasuring(classes);
  const pieces = PIECES_PER_WORKER * options.workers;
  const pool = startWorkers(options.workers);
  try {
    const startedMs = performance.now();
    let startSeconds: number | undefined;
    let sizes = chosen.map(() => PILOT_VALUES);
    for (;;) {
      const samples = chosen.map((work, i) => sampleOf(work, { values: sizes[i], pieces }));
      // The first matrices pay for fresh threads and slabs: they are not counted.
      const warmUp = sampleOf(chosen[0], { values: PILOT_VALUES, pieces: options.workers });
      const times = await timeGroups([warmUp, ...samples], options, pool);
      startSeconds ??= (times.firstMs - startedMs) / 1000;
      const seconds = times.seconds.slice(1);
      const values = samples.map((sample) => sample.reduce((sum, tensor) => sum + valuesOf(tensor), 0));
      const perValue = seconds.map((each, i) => each / values[i]);
      const next = nextSizes(chosen, perValue, values);
      const spent = seconds.reduce((sum, each) => sum + each, 0);
      if (spent >= BUDGET_SECONDS / 2 || next.every((size, i) => size <= values[i]))
        return { startSeconds, classes: ratesOf(classes, chosen, perValue) };
      sizes = next;
    }
  } finally {
    await pool.destroy();
  }
}

/** Sizes of samples that share the budget out as the whole conversion would its time. */
function nextSizes(
  chosen: readonly WorkClass[],
  secondsPerValue: readonly number[],
  measured: readonly number[],
): number[] {
  const seconds = chosen.map(({ values }, i) => values * secondsPerValue[i]);
  const total = seconds.reduce((sum, each) => sum + each, 0);
  return chosen.map(({ values }, i) => {
    const budget = BUDGET_SECONDS * Math.max(MIN_SHARE, seconds[i] / total);
    const wanted = Math.round(budget / secondsPerValue[i]);
    return Math.min(values, MAX_SAMPLE_VALUES, MAX_GROWTH * measured[i], wanted);
  });
}

function worthMeasuring(classes: readonly WorkClass[]): WorkClass[] {
  const total = classes.reduce((sum, { values }) => sum + values, 0);
  const chosen: WorkClass[] = [];
  let covered = 0;
  for (const work of classes) {
    if (chosen.length === MAX_CLASSES || covered >= COVERED * total) break;
    chosen.push(work);
    covered += work.values;
  }
  return chosen;
}

function ratesOf(
  classes: readonly WorkClass[],
  chosen: readonly WorkClass[],
  secondsPerValue: readonly number[],
): ClassRate[] {
  const values = chosen.reduce((sum, work) => sum + work.values, 0);
  const mean = chosen.reduce((sum, work, i) => sum + work.values * secondsPerValue[i], 0) / values;
  return classes.map((work) => {
    const at = chosen.indexOf(work);
    const seconds = at < 0 ? mean : secondsPerValue[at];
    return { name: work.name, values: work.values, valuesPerSecond: 1 / seconds, measured: at >= 0 };
  });
}

/** Converts groups of matrices one after the other; a group's time ends with its last piece. */
async function timeGroups(
  groups: readonly (readonly PlannedTensor[])[],
  { source, importance, folder, workers }: BenchmarkOptions,
  pool: Piscina,
): Promise<{ firstMs: number; seconds: number[] }> {
  const tensors = groups.flat();
  const file = layOut(tensors);
  await readAhead(tensors, source);
  const path = join(folder, `.v4kit-plan-${process.pid}.partial`);
  const output = await openUnfinished(path);
  // Without a name it goes when it is closed, and with this process at the latest.
  await rm(path);
  const finishedMs: number[] = [];
  const startedMs = performance.now();
  try {
    const journal = timekeeper(finishedMs);
    const finished = new Map();
    const outputs = [output];
    await convertPlan({
      source,
      importance,
      files: [file],
      outputs,
      journal,
      finished,
      workers,
      progress: silentProgress,
      pool,
    });
  } finally {
    await output.close();
  }
  const ends = endsOf(groups, file, finishedMs);
  return {
    firstMs: Math.min(...finishedMs),
    seconds: ends.map((end, i) => Math.max(1e-5, (end - (i === 0 ? startedMs : ends[i - 1])) / 1000)),
  };
}

/** When the last piece of every group, and of those before it, was finished. */
function endsOf(
  groups: readonly (readonly PlannedTensor[])[],
  file: LaidOutFile,
  finishedMs: readonly number[],
): number[] {
  const groupOf = new Map(groups.flatMap((group, i) => group.map((tensor) => [tensor, i] as const)));
  const ends = groups.map(() => 0);
  for (const { number, piece } of allPieces([file])) {
    const group = groupOf.get(piece.tensor) as number;
    ends[group] = Math.max(ends[group], finishedMs[number]);
  }
  return ends.map((_, i) => Math.max(...ends.slice(0, i + 1)));
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
const timekeeper = (finishedMs: number[]): Journal => ({
  finished: new Map(),
  count: () => 0,
  async record({ piece }) {
    finishedMs[piece] = performance.now();
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
