import { chooseKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { readRows, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import { DEMO_CHECKPOINT } from "../demo/embedded.ts";
import { takeCensus } from "../model/census.ts";

/** Weights of the embedded trained checkpoint, all its matrices one after the other, cut into `rows` rows of `length`. */
export async function trainedRows(rows: number, length: number): Promise<Float32Array> {
  const source = await openCheckpoint(DEMO_CHECKPOINT);
  try {
    const { kernels } = chooseKernels();
    const { entries } = takeCensus(source.config, source.tensors, source.location);
    const matrices = entries.filter(
      ({ spec }) => spec.shape.length === 2 && spec.storage !== "table" && spec.storage !== "f32",
    );
    const values = new Float32Array(rows * length);
    let filled = 0;
    for (const entry of matrices) {
      const matrix = new Float32Array(rowCount(entry) * rowLength(entry));
      await readRows(source, kernels, entry, 0, matrix);
      const part = matrix.subarray(0, values.length - filled);
      values.set(part, filled);
      filled += part.length;
    }
    return values.subarray(0, Math.floor(filled / length) * length);
  } finally {
    await source.close();
  }
}
