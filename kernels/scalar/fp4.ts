/** E2M1 values by code, sign in bit 3 (OCP MXFP4). */
export const E2M1 = new Float32Array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6]);

/** E8M0 byte to f32: 2^(byte - 127); byte 0 is the subnormal 2^-127. 255 (NaN) is for the caller to refuse. */
export const E8M0 = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === 255 ? Number.NaN : 2 ** (byte - 127),
);

/** Packed FP4 with E8M0 group scales to f32. See `Kernels.decodeFp4`. */
export function decodeFp4(codes: Uint8Array, scales: Uint8Array, dst: Float32Array): number {
  const group = (2 * codes.length) / scales.length;
  if (!Number.isInteger(group) || group % 2 !== 0 || dst.length !== 2 * codes.length)
    throw new RangeError(
      `decodeFp4: ${codes.length} code bytes, ${scales.length} scales, ${dst.length} values`,
    );
  for (let g = 0, from = 0, to = 0; g < scales.length; g++) {
    if (scales[g] === 255) return g;
    const scale = E8M0[scales[g]];
    for (let i = 0; i < group; i += 2, from++, to += 2) {
      dst[to] = E2M1[codes[from] & 15] * scale;
      dst[to + 1] = E2M1[codes[from] >> 4] * scale;
    }
  }
  return -1;
}
