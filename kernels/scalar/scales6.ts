/**
 * The 12 bytes in which q4_K and q5_K keep eight 6-bit scales and eight 6-bit mins: bytes 0-3 and 4-7 hold the
 * first four scales and mins, with the top two bits of the last four above them; bytes 8-11 hold the low nibbles
 * of the last four (scale low, min high).
 */
export function packScales6(scales: Uint8Array, mins: Uint8Array, dst: Uint8Array, at: number): void {
  for (let j = 0; j < 4; j++) {
    dst[at + j] = scales[j] | ((scales[j + 4] >> 4) << 6);
    dst[at + 4 + j] = mins[j] | ((mins[j + 4] >> 4) << 6);
    dst[at + 8 + j] = (scales[j + 4] & 15) | ((mins[j + 4] & 15) << 4);
  }
}

export function unpackScales6(src: Uint8Array, at: number, scales: Uint8Array, mins: Uint8Array): void {
  for (let j = 0; j < 4; j++) {
    scales[j] = src[at + j] & 63;
    mins[j] = src[at + 4 + j] & 63;
    scales[j + 4] = (src[at + 8 + j] & 15) | ((src[at + j] >> 6) << 4);
    mins[j + 4] = (src[at + 8 + j] >> 4) | ((src[at + 4 + j] >> 6) << 4);
  }
}
