import type { TensorSource } from "../checkpoint/source.ts";
import type { Dtype } from "../formats/dtypes.ts";

/**
 * A source of the same tensors with made-up values, for measuring what a conversion costs where the real ones lie behind
 * a network. Encoders take about as long for these as for others.
 */
export const standIn = (source: TensorSource): TensorSource => ({
  ...source,
  read: async ({ dtype }, _byteOffset, into) => fill(dtype, into),
});

/** Values that may be there: finite, scales above zero, ids of an expert that exists. Blocks of GGUF are zeros. */
function fill(dtype: Dtype, into: Uint8Array): void {
  const byte = BYTES[dtype];
  const word = WORDS[dtype];
  let state = 0x9e3779b9;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
  if (byte) for (let i = 0; i < into.length; i++) into[i] = byte(next() >>> 24);
  else if (word) {
    const view = new DataView(into.buffer, into.byteOffset, into.length);
    const [bytes, of] = word;
    for (let i = 0; i < into.length; i += bytes)
      if (bytes === 2) view.setUint16(i, of(next()) & 0xffff, true);
      else view.setUint32(i, of(next()), true);
  } else into.fill(0);
}

/** Of a random byte. */
const BYTES: { readonly [K in Dtype]?: (random: number) => number } = {
  i8: (random) => random,
  u8: (random) => random,
  F8_E8M0: (random) => 120 + (random & 7),
  F8_E4M3: (random) => random & 0xbf,
};

/** Bytes of a value, and its bits from 32 random ones: magnitudes of 2^-6. */
const WORDS: { readonly [K in Dtype]?: readonly [2 | 4, (random: number) => number] } = {
  bf16: [2, (random) => (random & 0x807f) | 0x3c80],
  f16: [2, (random) => (random & 0x83ff) | 0x2400],
  f32: [4, (random) => (random & 0x007f_ffff) | 0x3c80_0000],
};
