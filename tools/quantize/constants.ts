import { crc32 } from "node:zlib";
import type { PlannedTensor } from "../plan/output-plan.ts";
import type { OutputTensor } from "../plan/storage.ts";

/**
 * ModelOpt's input_scale where nothing was calibrated: activations up to 448 * 6 * 2^-5 = 84 fit, and groups down to
 * 6 * 2^-9 * 2^-5. Weight-only kernels do not read it.
 */
const INPUT_SCALE = 2 ** -5;

/** The bytes of a stored tensor that is no function of rows: a scale over the whole matrix, a shape, a default. */
export function constantBytes(output: OutputTensor, tensor: PlannedTensor, global: number | undefined) {
  const bytes = contentOf(output, tensor, global);
  return { bytes, crc: crc32(bytes) };
}

function contentOf({ name, dtype, piece }: OutputTensor, tensor: PlannedTensor, global: number | undefined) {
  if (piece === "global") return new Uint8Array(new Float32Array([global as number]).buffer);
  if (dtype === "i64")
    return new Uint8Array(new BigInt64Array([tensor.rows, tensor.rowLength].map(BigInt)).buffer);
  if (name.endsWith(".input_scale")) return new Uint8Array(new Float32Array([INPUT_SCALE]).buffer);
  throw new Error(`no constant for ${name}`);
}
