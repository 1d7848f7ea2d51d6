import { Piscina } from "piscina";
import type { TensorSource } from "../checkpoint/source.ts";
import { type GgufLayout, layoutGguf } from "../formats/gguf/layout.ts";
import { checkFreeSpace, checkOutputPath, createRangedOutput, type RangedOutput } from "../lib/disk.ts";
import { distModule } from "../lib/package-root.ts";
import type { ProgressReporter } from "../lib/progress.ts";
import type { Census } from "../model/census.ts";
import type { GgufPlan, PlannedFile } from "../plan/gguf-plan.ts";
import type { RowsResult } from "./convert-rows.ts";
import { faultError } from "./faults.ts";
import { ggufMetadata } from "./gguf-metadata.ts";
import { createSlabPool, type SlabPool } from "./slab-pool.ts";
import { type PlannedTask, splitTasks } from "./split-tasks.ts";
import type { WorkerJob } from "./worker.ts";

export interface RunOptions {
  readonly workers: number;
  readonly force: boolean;
  readonly progress: ProgressReporter;
  /** Aborting it stops the run and removes what was written. */
  readonly signal?: AbortSignal;
}

/** A planned file with its place on disk and its byte layout. */
export interface OutputFile {
  readonly file: PlannedFile;
  readonly path: string;
  readonly layout: GgufLayout;
}

/** Lays out every file of a plan. `paths` are in the order of `plan.files`. */
export async function layoutFiles(
  source: TensorSource,
  census: Census,
  plan: GgufPlan,
  paths: readonly string[],
): Promise<OutputFile[]> {
  return Promise.all(
    plan.files.map(async (file, i) => ({
      file,
      path: paths[i],
      layout: layoutGguf(await ggufMetadata(source, census, plan, file), file.tensors),
    })),
  );
}

/**
 * Converts a checkpoint: tensors go disk → slab → worker → slab → disk, in bounded memory, to files that appear under
 * their names only when all are complete. Returns, by source tensor, how many values its output could not hold exactly.
 */
export async function runPlan(
  source: TensorSource,
  files: readonly OutputFile[],
  options: RunOptions,
): Promise<ReadonlyMap<string, number>> {
  const outputs: RangedOutput[] = [];
  const pool = new Piscina({
    filename: distModule("tools/quantize/worker"),
    name: "run",
    minThreads: options.workers,
    maxThreads: options.workers,
  });
  try {
    for (const { path } of files) await checkOutputPath(path, options.force);
    await checkFreeSpace(
      files[0].path,
      files.reduce((sum, { layout }) => sum + layout.byteLength, 0),
    );
    for (const { path, layout } of files)
      outputs.push(await createRangedOutput(path, { byteLength: layout.byteLength, force: options.force }));
    const inexact = await convertAll(source, files, outputs, pool, options);
    // The model is named last: where it exists, its sidecar does too.
    for (const output of [...outputs].reverse()) await output.commit();
    return inexact;
  } finally {
    await pool.destroy();
    for (const output of outputs) await output.discard();
  }
}

async function convertAll(
  source: TensorSource,
  files: readonly OutputFile[],
  outputs: readonly RangedOutput[],
  pool: Piscina,
  { workers, progress, signal }: RunOptions,
): Promise<ReadonlyMap<string, number>> {
  const slabs = slabsFor(source, files, workers);
  const inexact = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let failure: unknown;
  for (const [i, { layout }] of files.entries()) await outputs[i].write(layout.prefix, 0);
  for (const { fileIndex, tensorIndex, planned } of allTasks(source, files)) {
    const slab = await slabs.acquire();
    if (signal?.aborted) failure ??= signal.reason;
    if (failure !== undefined) break;
    const tensorOffset = files[fileIndex].layout.offsets[tensorIndex];
    const job = convertOne(source, planned, slab, pool, outputs[fileIndex], tensorOffset)
      .then((result) => {
        progress.advance(planned.task.outBytes);
        const { name } = planned.parts[0].entry.weight;
        if (result.inexact > 0) inexact.set(name, (inexact.get(name) ?? 0) + result.inexact);
      })
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        slabs.release(slab);
        running.delete(job);
      });
    running.add(job);
  }
  await Promise.all(running);
  if (signal?.aborted) failure ??= signal.reason;
  if (failure !== undefined) throw failure;
  return inexact;
}

interface FileTask {
  readonly fileIndex: number;
  readonly tensorIndex: number;
  readonly planned: PlannedTask;
}

/** Every task of a run, in file order. */
function* allTasks(source: TensorSource, files: readonly OutputFile[]): Generator<FileTask> {
  for (const [fileIndex, { file }] of files.entries())
    for (const [tensorIndex, tensor] of file.tensors.entries())
      for (const planned of splitTasks(tensor, source.config.expertCount))
        yield { fileIndex, tensorIndex, planned };
}

/** One slab per worker in work, one each being read, and one being written. */
function slabsFor(source: TensorSource, files: readonly OutputFile[], workers: number): SlabPool {
  let largest = 0;
  for (const { planned } of allTasks(source, files)) largest = Math.max(largest, planned.slabBytes);
  return createSlabPool(2 * workers + 1, largest);
}

async function convertOne(
  source: TensorSource,
  planned: PlannedTask,
  slab: SharedArrayBuffer,
  pool: Piscina,
  output: RangedOutput,
  tensorOffset: number,
): Promise<RowsResult> {
  const bytes = new Uint8Array(slab);
  await Promise.all(
    planned.reads.map(({ tensor, byteOffset, byteLength, at }) =>
      source.read(tensor, byteOffset, bytes.subarray(at, at + byteLength)),
    ),
  );
  const result = (await pool.run({ slab, task: planned.task } satisfies WorkerJob)) as RowsResult;
  if (result.fault) throw faultError(planned, result.fault);
  const { outAt, outBytes } = planned.task;
  await output.write(bytes.subarray(outAt, outAt + outBytes), tensorOffset + planned.outOffset);
  return result;
}
