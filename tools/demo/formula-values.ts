/**
 * Deterministic weights: the value of element `i` of the tensor named `s` is a hash of both, so a checkpoint can be
 * made, or any element checked, without a generator's state. SplitMix64 seeded by FNV-1a, in 32-bit halves because
 * JavaScript has no fast 64-bit integers.
 */

/** FNV-1a-64 of a UTF-8 name as [high, low] words, moved by a seed. */
function seedOf(name: string, seed: number): [number, number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  hash = BigInt.asUintN(64, hash + BigInt(seed) * 0xd1342543de82ef95n);
  return [Number(hash >> 32n), Number(hash & 0xffffffffn)];
}

/** High word of the 64-bit product of two unsigned 32-bit words. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536);
}

/** How values spread: `center + amplitude (2u - 1)`, u uniform in [0, 1). */
export interface Spread {
  readonly amplitude: number;
  readonly center: number;
}

/** Fills `into` with elements `first ...` of a tensor. */
export function formulaValues(
  name: string,
  seed: number,
  spread: Spread,
  first: number,
  into: Float32Array,
): void {
  const [baseHigh, baseLow] = seedOf(name, seed);
  const { amplitude, center } = spread;
  for (let k = 0; k < into.length; k++) {
    const i = first + k;
    // z = base + i * 0x9E3779B97F4A7C15, i below 2^53
    const iLow = i >>> 0;
    const iHigh = Math.floor(i / 2 ** 32);
    const productLow = Math.imul(iLow, 0x7f4a7c15) >>> 0;
    const productHigh =
      (mulHigh(iLow, 0x7f4a7c15) + Math.imul(iLow, 0x9e3779b9) + Math.imul(iHigh, 0x7f4a7c15)) >>> 0;
    let low = (baseLow + productLow) >>> 0;
    let high = (baseHigh + productHigh + (low < productLow ? 1 : 0)) >>> 0;
    // z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    let xLow = (low ^ ((low >>> 30) | (high << 2))) >>> 0;
    let xHigh = (high ^ (high >>> 30)) >>> 0;
    low = Math.imul(xLow, 0x1ce4e5b9) >>> 0;
    high = (mulHigh(xLow, 0x1ce4e5b9) + Math.imul(xLow, 0xbf58476d) + Math.imul(xHigh, 0x1ce4e5b9)) >>> 0;
    // z = (z ^ z >> 27) * 0x94D049BB133111EB
    xLow = (low ^ ((low >>> 27) | (high << 5))) >>> 0;
    xHigh = (high ^ (high >>> 27)) >>> 0;
    low = Math.imul(xLow, 0x133111eb) >>> 0;
    high = (mulHigh(xLow, 0x133111eb) + Math.imul(xLow, 0x94d049bb) + Math.imul(xHigh, 0x133111eb)) >>> 0;
    // z ^= z >> 31; the upper 24 of its 40 upper bits make u
    high = (high ^ (high >>> 31)) >>> 0;
    const u = (high >>> 8) / 2 ** 24;
    into[k] = center + amplitude * (2 * u - 1);
  }
}
