import { Piscina } from "piscina";
import type { Comparison } from "../../kernels/kernels.ts";
import type { TensorRow } from "../../reports/schemas/validation.ts";
import { rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { V4Error } from "../lib/errors.ts";
import { TASK_VALUES } from "../lib/limits.ts";
import { distModule } from "../lib/package-root.ts";
import { createProgress, silentProgress } from "../lib/progress.ts";
import { type CensusEntry, takeCensus } from "../model/census.ts";
import { addComparisons } from "./compare-rows.ts";
import type { CompareOutcome, CompareTask } from "./compare-worker.ts";
import { promisesExact } from "./exactness.ts";

export interface CompareOptions {
  readonly reference: TensorSource;
  readonly artefact: TensorSource;
  readonly workers: number;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
  /** Rows that an earlier run has made. */
  readonly finished: readonly TensorRow[];
  /** Hears of finished tensors, some at a time, in the order of the inventory. */
  readonly onRows: (rows: readonly TensorRow[]) => Promise<void>;
}

/** Tensors between two records of progress: a record is synced to disk. */
const RECORDED_TOGETHER = 256;

/**
 * Compares every tensor of the artefact with its source, in parallel. Sums are made over fixed runs of rows and added
 * in their order, so the figures do not depend on the workers. Returns all rows, and the tensors the artefact lacks.
 */
export async function compareTensors(options: CompareOptions) {
  const { reference, artefact, workers, quiet, signal, onRows } = options;
  const [x, y] = [reference, artefact].map(({ config, tensors, location }) =>
    takeCensus(config, tensors, location),
  );
  const stored = new Map(y.entries.map((entry) => [entry.spec.name, entry]));
  const known = new Map(options.finished.map((row) => [row.name, row]));
  const pairs = x.entries.flatMap((entry) => {
    const twin = stored.get(entry.spec.name);
    return twin ? [{ entry, twin }] : [];
  });
  const absent = x.entries.filter(({ spec }) => !stored.has(spec.name)).map(({ spec }) => spec.name);
  const left = pairs.filter(({ entry }) => !known.has(entry.spec.name));
  const bytes = left.reduce(
    (sum, { entry, twin }) => sum + entry.weight.byteLength + twin.weight.byteLength,
    0,
  );
  const progress = quiet ? silentProgress : createProgress("tensors", bytes);
  const pool = new Piscina({
    filename: distModule("tools/validate/compare-worker"),
    name: "run",
    minThreads: workers,
    maxThreads: workers,
  });
  const rows: TensorRow[] = [];
  const window: { readonly pair: (typeof pairs)[number]; readonly sums: Promise<Comparison>[] }[] = [];
  let fresh: TensorRow[] = [];
  const settle = async (): Promise<void> => {
    const [oldest] = window;
    if (!oldest) return;
    const row = tensorRow(oldest.pair.entry, oldest.pair.twin, await Promise.all(oldest.sums));
    window.shift();
    rows.push(row);
    fresh.push(row);
    progress.advance(oldest.pair.entry.weight.byteLength + oldest.pair.twin.weight.byteLength);
    if (fresh.length < RECORDED_TOGETHER) return;
    await onRows(fresh);
    fresh = [];
  };
  try {
    let queued = 0;
    for (const pair of pairs) {
      signal?.throwIfAborted();
      const done = known.get(pair.entry.spec.name);
      if (done) {
        rows.push(done);
        continue;
      }
      const sums = tasksOf(pair.entry).map((range) =>
        runTask(pool, {
          reference: reference.location,
          artefact: artefact.location,
          name: pair.entry.spec.name,
          ...range,
        }),
      );
      for (const sum of sums) sum.catch(() => {});
      window.push({ pair, sums });
      queued += sums.length;
      while (queued > 4 * workers && window.length > 1) {
        queued -= window[0].sums.length;
        await settle();
      }
    }
    while (window.length > 0) await settle();
    if (fresh.length > 0) await onRows(fresh);
  } finally {
    progress.stop();
    // After an error: a worker that answers a pool that is being destroyed ends the process.
    await Promise.allSettled(window.flatMap(({ sums }) => sums));
    await pool.destroy();
  }
  return { rows, absent };
}

async function runTask(pool: Piscina, task: CompareTask): Promise<Comparison> {
  const outcome = (await pool.run(task)) as CompareOutcome;
  if ("fault" in outcome) throw new V4Error(outcome.kind, outcome.fault);
  return outcome.sums;
}

function tasksOf(entry: CensusEntry): { readonly first: number; readonly count: number }[] {
  const total = rowCount(entry);
  const step = Math.max(1, Math.min(total, Math.floor(TASK_VALUES / rowLength(entry))));
  return Array.from({ length: Math.ceil(total / step) }, (_, i) => ({
    first: i * step,
    count: Math.min(step, total - i * step),
  }));
}

/** The figures of a tensor from the sums of its runs of rows. */
function tensorRow(entry: CensusEntry, twin: CensusEntry, parts: readonly Comparison[]): TensorRow {
  const total = addComparisons(parts);
  const [error, reference, candidate] = [total.squaredError, total.squaredReference, total.squaredCandidate];
  const { spec } = entry;
  return {
    name: spec.name,
    role: spec.role,
    layer: spec.block.kind === "layer" ? spec.block.index : -1,
    from: entry.format,
    to: twin.format,
    values: spec.shape.reduce((a, b) => a * b, 1),
    promised: promisesExact(entry, twin.format),
    unequal: total.unequal,
    // An all-zero tensor that is kept has no error, though it has no signal either.
    relativeRmse: error === 0 ? 0 : Math.sqrt(error / reference),
    maxDifference: total.maxDifference,
    cosine: error === 0 ? 1 : total.product / Math.sqrt(reference * candidate),
    sqnr: error === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(reference / error),
  };
}
