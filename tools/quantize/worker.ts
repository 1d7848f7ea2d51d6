import { loadKernels } from "../../kernels/load.ts";
import { convertRows } from "./convert-rows.ts";
import type { RowsResult, RowsTask } from "./rows-task.ts";
import { type ScanResult, type ScanTask, scanRows } from "./scan-rows.ts";

/** What a piscina worker is handed: the slab (shared, not copied) and positions inside it. */
export interface WorkerJob {
  readonly slab: SharedArrayBuffer;
  readonly task: RowsTask | ScanTask;
}

const kernels = loadKernels();

/** The entry of every worker thread. */
export function run({ slab, task }: WorkerJob): RowsResult | ScanResult {
  const startedMs = performance.now();
  const bytes = new Uint8Array(slab);
  const result = "scan" in task ? scanRows(kernels, bytes, task) : convertRows(kernels, bytes, task);
  return { ...result, workedMs: performance.now() - startedMs };
}
