/** f32 scratch of this thread by purpose, grown to the largest task and kept. */
const buffers = new Map<string, Float32Array<ArrayBuffer>>();

export function scratch(purpose: "values" | "narrow" | "back", length: number): Float32Array<ArrayBuffer> {
  let buffer = buffers.get(purpose);
  if (!buffer || buffer.length < length) {
    buffer = new Float32Array(length);
    buffers.set(purpose, buffer);
  }
  return buffer.subarray(0, length);
}
