import { availableParallelism } from "node:os";
import { startWorkers } from "../quantize/convert-plan.ts";
import { sampleOf } from "./sample.ts";
import { type BenchmarkOptions, timeGroups } from "./time-groups.ts";
import { valuesOf, type WorkClass } from "./work.ts";

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
  /** Processor seconds that passed in a second: below the number of workers where others want the processors too. */
  readonly concurrency: number;
  readonly classes: readonly ClassRate[];
}

/** Classes beyond this share of all values are not measured. */
const COVERED = 0.995;
const MAX_CLASSES = 6;
/** Processor time, per worker, that all classes together take about; a sample that took less than half was too small. */
const BUDGET_SECONDS = 1;
/** At least this share of it for every class: a short measurement is mostly noise. */
const MIN_SHARE = 0.08;
/** On a machine that is busy with other things the samples end here, whatever they got. */
const MAX_SECONDS = 8;
/** A first sample, and how much larger the next may be: the first says little. */
const PILOT_VALUES = 1 << 17;
const MAX_GROWTH = 16;
/** What one class reads at most. */
const MAX_SAMPLE_VALUES = 1 << 27;
/** Pieces of a sample per worker: the last one's wait for the others is then a small part of the time. */
const PIECES_PER_WORKER = 8;

/**
 * Runs the conversion itself, workers, slabs, checks and writes, on some rows of every class of a plan, on more and more
 * of them until the time can be trusted. Their source was read before, and nothing is synced: this is what processor
 * and memory take; what the disk takes is measured apart.
 *
 * What a class costs is counted in processor time, which other processes disturb little; how much of it passes in a
 * second comes from all classes together.
 */
export async function measureConversion(
  classes: readonly WorkClass[],
  options: BenchmarkOptions,
): Promise<ConversionRates> {
  const chosen = worthMeasuring(classes);
  const pieces = PIECES_PER_WORKER * options.workers;
  const budget = BUDGET_SECONDS * Math.min(options.workers, availableParallelism());
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
      const values = samples.map((sample) => sample.reduce((sum, tensor) => sum + valuesOf(tensor), 0));
      const perValue = times.cpuSeconds.slice(1).map((seconds, i) => seconds / values[i]);
      const spent = times.cpuSeconds.slice(1).reduce((sum, each) => sum + each, 0);
      const next = nextSizes({ chosen, perValue, measured: values, budget });
      const late = performance.now() - startedMs > 1000 * MAX_SECONDS;
      if (late || spent >= budget / 2 || next.every((size, i) => size <= values[i])) {
        const concurrency = spent / times.seconds.slice(1).reduce((sum, each) => sum + each, 0);
        return { startSeconds, concurrency, classes: ratesOf({ classes, chosen, perValue, concurrency }) };
      }
      sizes = next;
    }
  } finally {
    await pool.destroy();
  }
}

interface Measured {
  readonly chosen: readonly WorkClass[];
  /** Processor seconds of a value, by chosen class. */
  readonly perValue: readonly number[];
}

/** Sizes of samples that share the budget out as the whole conversion would its time. */
function nextSizes({
  chosen,
  perValue,
  measured,
  budget,
}: Measured & { readonly measured: readonly number[]; readonly budget: number }): number[] {
  const seconds = chosen.map(({ values }, i) => values * perValue[i]);
  const total = seconds.reduce((sum, each) => sum + each, 0);
  return chosen.map(({ values }, i) => {
    const wanted = Math.round((budget * Math.max(MIN_SHARE, seconds[i] / total)) / perValue[i]);
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

function ratesOf({
  classes,
  chosen,
  perValue,
  concurrency,
}: Measured & { readonly classes: readonly WorkClass[]; readonly concurrency: number }): ClassRate[] {
  const values = chosen.reduce((sum, work) => sum + work.values, 0);
  const mean = chosen.reduce((sum, work, i) => sum + work.values * perValue[i], 0) / values;
  return classes.map((work) => {
    const at = chosen.indexOf(work);
    const valuesPerSecond = concurrency / (at < 0 ? mean : perValue[at]);
    return { name: work.name, values: work.values, valuesPerSecond, measured: at >= 0 };
  });
}
