import type { Kernels } from "../../kernels/kernels.ts";
import { EMPTY_SPAN } from "../../kernels/safetensors.ts";
import { decodeRows } from "../checkpoint/decode-rows.ts";
import { decodeInput } from "./convert-rows.ts";
import { type RowsInput, type RowsResult, storedRows } from "./rows-task.ts";
import { scratch } from "./scratch.ts";

/**
 * What must be known of a whole tensor before its first row is encoded. `energy`: the sum of squares of every column,
 * carried in the slab from task to task. `span`: least and greatest scale of FP4 groups that hold something. `peak`:
 * the greatest magnitude.
 */
export interface ScanTask {
  readonly scan: "energy" | "span" | "peak";
  readonly rows: number;
  readonly rowLength: number;
  readonly input: RowsInput;
  /** Position of f64 sums, one per column; `energy` only. */
  readonly sumsAt: number;
}

export interface ScanResult {
  readonly workedMs?: number;
  readonly fault?: RowsResult["fault"];
  readonly span?: readonly [number, number];
  readonly peak?: number;
}

export function scanRows(kernels: Kernels, slab: Uint8Array, task: ScanTask): ScanResult {
  const { scan, input, rows, rowLength } = task;
  if (scan === "span") {
    const { weight, scale } = storedRows(slab, input);
    const span = Uint8Array.from(EMPTY_SPAN);
    const index = kernels.scanFp4(weight, (scale as NonNullable<typeof scale>).bytes, span);
    return index < 0 ? { span: [span[0], span[1]] } : { fault: { input: 0, kind: "reserved-scale", index } };
  }
  const values = scratch("values", rows * rowLength);
  const { fault } =
    input.cols === rowLength
      ? decodeRows(kernels, storedRows(slab, input), values)
      : decodeInput(kernels, slab, task, input, values);
  if (fault) return { fault: { ...fault, input: 0 } };
  if (scan === "peak") return { peak: values.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0) };
  kernels.columnEnergy(values, new Float64Array(slab.buffer, slab.byteOffset + task.sumsAt, rowLength));
  return {};
}
