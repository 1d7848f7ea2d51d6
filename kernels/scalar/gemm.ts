import type { GemmOptions, Weights } from "../forward.ts";
import type { DecodableFormat } from "../kernels.ts";
import type { BlockCodec } from "./block-codec.ts";
import { decodeFp4 } from "./fp4.ts";
import { decodeF8 } from "./fp8.ts";

const fround = Math.fround;

/** Columns whose products are added one after another before the run's sum joins the total. */
const RUN = 256;

/** Throws unless `length` values hold `rows` rows of `cols`, `stride` apart; the last row may stop at its end. */
function checkRows(what: string, length: number, rows: number, cols: number, stride: number): void {
  const most = rows * stride;
  const least = rows > 0 ? most - stride + cols : 0;
  if (!(Number.isInteger(rows) && rows >= 0 && Number.isInteger(stride) && stride >= cols))
    throw new RangeError(`gemm: ${what} of ${rows} rows of ${cols}, ${stride} apart`);
  if (length < least || length > most)
    throw new RangeError(`gemm: ${what} has ${length} values for ${rows} rows of ${cols}, ${stride} apart`);
}

/** A function that decodes row `n` of the matrix into a buffer of `cols`; it returns OK or something else. */
function rowDecoder(
  weights: Weights,
  outRows: number,
  cols: number,
  codecs: Partial<Record<DecodableFormat, BlockCodec>>,
): (n: number, dst: Float32Array) => number {
  if (weights.format === "f8") {
    const { codes, scales } = weights;
    const { values, blockRows, blockCols, firstRow } = scales;
    const needed = Math.ceil((firstRow + outRows) / blockRows) * Math.ceil(cols / blockCols);
    if (codes.length !== outRows * cols || values.length < (outRows > 0 ? needed : 0))
      throw new RangeError(`gemm: ${codes.length} codes, ${values.length} scales for ${outRows} x ${cols}`);
    return (n, dst) =>
      decodeF8(codes.subarray(n * cols, (n + 1) * cols), cols, { ...scales, firstRow: firstRow + n }, dst);
  }
  if (weights.format === "fp4") {
    const { codes, scales } = weights;
    const groups = outRows > 0 ? scales.length / outRows : 1;
    const group = cols / groups;
    if (codes.length !== (outRows * cols) / 2 || !Number.isInteger(groups) || !Number.isInteger(group / 2))
      throw new RangeError(
        `gemm: ${codes.length} FP4 bytes, ${scales.length} scales for ${outRows} x ${cols}`,
      );
    return (n, dst) =>
      decodeFp4(
        codes.subarray((n * cols) / 2, ((n + 1) * cols) / 2),
        scales.subarray(n * groups, (n + 1) * groups),
        dst,
      );
  }
  const { format, bytes } = weights;
  const codec = codecs[format];
  if (!codec) throw new RangeError(`no ${format} kernel`);
  const { blockLength, blockBytes, decodeBlock } = codec;
  const blocks = cols / blockLength;
  if (!Number.isInteger(blocks) || bytes.length !== outRows * blocks * blockBytes)
    throw new RangeError(`gemm: ${bytes.length} bytes of ${format} for ${outRows} x ${cols}`);
  return (n, dst) => {
    for (let b = 0; b < blocks; b++)
      if (!decodeBlock(bytes, (n * blocks + b) * blockBytes, dst, b * blockLength)) return b;
    return -1;
  };
}

/** out = x . W^T, a row of W at a time. See `ForwardKernels.gemm`. */
export function gemm(options: GemmOptions, codecs: Partial<Record<DecodableFormat, BlockCodec>>): number {
  const { x, rows, cols, xStride = cols, weights, out, outRows, outStride = outRows } = options;
  if (!(Number.isInteger(cols) && cols >= 1 && Number.isInteger(outRows) && outRows >= 0))
    throw new RangeError(`gemm: a matrix of ${outRows} x ${cols}`);
  const decodeRow = rowDecoder(weights, outRows, cols, codecs);
  checkRows("x", x.length, rows, cols, xStride);
  checkRows("out", out.length, rows, outRows, outStride);
  const w = new Float32Array(cols);
  for (let n = 0; n < outRows; n++) {
    if (decodeRow(n, w) !== -1) return n;
    for (let m = 0; m < rows; m++) {
      let total = 0;
      for (let from = 0; from < cols; from += RUN) {
        let sum = 0;
        const end = Math.min(cols, from + RUN);
        for (let k = from; k < end; k++) sum = fround(sum + fround(x[m * xStride + k] * w[k]));
        total = fround(total + sum);
      }
      out[m * outStride + n] = total;
    }
  }
  return -1;
}
