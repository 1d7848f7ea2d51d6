import { loadKernels } from "../../kernels/load.ts";
import { convertRows, type RowsResult, type RowsTask } from "./convert-rows.ts";

/** What a piscina worker is handed: the slab (shared, not copied) and positions inside it. */
export interface WorkerJob {
  readonly slab: SharedArrayBuffer;
  readonly task: RowsTask;
}

const kernels = loadKernels();

/** The entry of every worker thread. */
export const run = ({ slab, task }: WorkerJob): RowsResult =>
  convertRows(kernels, new Uint8Array(slab), task);
