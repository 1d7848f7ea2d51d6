import { Piscina } from "piscina";
import { paired } from "../../tools/bench/measure.ts";
import { makeRows } from "../../tools/bench/rows.ts";
import { byteLengthOf, type Dtype } from "../../tools/formats/dtypes.ts";
import { distModule } from "../../tools/lib/package-root.ts";
import type { WorkerJob } from "../../tools/quantize/worker.ts";

/**
 * How much faster two worker threads encode than one: the same tasks through pools of both sizes, in turn.
 * Prints CSV: format, ratio.
 */
const ROWS = 64;
const COLS = 4096;
const TASKS = 24;

function jobFor(format: Dtype): WorkerJob {
  const weightBytes = 4 * ROWS * COLS;
  const outBytes = byteLengthOf(format, ROWS * COLS);
  const slab = new SharedArrayBuffer(weightBytes + outBytes);
  new Float32Array(slab, 0, ROWS * COLS).set(makeRows("normal", ROWS, COLS));
  const input = { format: "f32", cols: COLS, columnStart: 0, weightAt: 0, weightBytes } as const;
  return {
    slab,
    task: {
      rows: ROWS,
      rowLength: COLS,
      storage: format,
      inputs: [input],
      outs: [{ at: weightBytes, bytes: outBytes }],
      expertCount: 1,
    },
  };
}

const pools = [1, 2].map(
  (threads) =>
    new Piscina({
      filename: distModule("tools/quantize/worker"),
      name: "run",
      minThreads: threads,
      maxThreads: threads,
    }),
);
console.log("format,two_workers_over_one");
for (const format of ["q2_K", "q4_K", "iq2_xxs", "iq3_s"] as const) {
  const jobs = Array.from({ length: TASKS }, () => jobFor(format));
  const contenders = pools.map((pool) => async () => {
    const startMs = performance.now();
    await Promise.all(jobs.map((job) => pool.run(job)));
    return (performance.now() - startMs) / 1000;
  });
  for (const run of contenders) await run();
  const [, two] = await paired(contenders, 7);
  console.log(`${format},${(1 / two.ratio).toFixed(2)}`);
}
await Promise.all(pools.map((pool) => pool.destroy()));
