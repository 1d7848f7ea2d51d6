import { createHash } from "node:crypto";

/** Seeded random numbers; equal keys give equal streams on every machine. */
export interface Random {
  /** 32 uniform bits: the upper half of one output of the generator. */
  bits32(): number;
  /** A whole number from 0 to `bound` - 1, without bias; `bound` at most 2^21: the product with 32 bits is exact. */
  below(bound: number): number;
  pick<T>(items: readonly T[]): T;
  /** In place (Fisher-Yates); returns the same array. */
  shuffle<T>(items: T[]): T[];
  /** `count` different whole numbers below `bound`, in random order. */
  distinct(count: number, bound: number): number[];
}

/** A stream of its own for a key such as `{suite}|{task}|{length}|{sample}|{seed}`. */
export function randomOf(key: string): Random {
  const digest = createHash("sha256").update(key).digest();
  return createRandom(Uint32Array.from({ length: 8 }, (_, i) => digest.readUInt32LE(4 * i)));
}

/** Where the lower halves of the state's words lie; the upper ones follow them. */
const [S0, S1, S2, S3] = [0, 2, 4, 6];

/**
 * xoshiro256** (Blackman and Vigna, 2018). `seed` holds the four 64-bit words of the state, each as its lower and upper
 * half: whole numbers of 64 bits would cost ten times as much as halves do.
 */
export function createRandom(seed: Uint32Array): Random {
  const state = Uint32Array.from(seed);
  /** The upper half of rotl(s1 * 5, 7) * 9. */
  const scrambled = (): number => {
    const low5 = 5 * state[S1];
    const low = low5 >>> 0;
    const high = (Math.imul(state[S1 + 1], 5) + Math.floor(low5 / 2 ** 32)) >>> 0;
    const rotatedLow = ((low << 7) | (high >>> 25)) >>> 0;
    const rotatedHigh = (high << 7) | (low >>> 25);
    return (Math.imul(rotatedHigh, 9) + Math.floor((9 * rotatedLow) / 2 ** 32)) >>> 0;
  };
  const bits32 = (): number => {
    const result = scrambled();
    const shiftedLow = state[S1] << 17;
    const shiftedHigh = (state[S1 + 1] << 17) | (state[S1] >>> 15);
    for (let half = 0; half < 2; half++) {
      state[S2 + half] ^= state[S0 + half];
      state[S3 + half] ^= state[S1 + half];
      state[S1 + half] ^= state[S2 + half];
      state[S0 + half] ^= state[S3 + half];
    }
    state[S2] ^= shiftedLow;
    state[S2 + 1] ^= shiftedHigh;
    // rotl by 45 is a swap of the halves and rotl by 13.
    const low = state[S3];
    const high = state[S3 + 1];
    state[S3] = (high << 13) | (low >>> 19);
    state[S3 + 1] = (low << 13) | (high >>> 19);
    return result;
  };
  /** Lemire's way (2019): the upper half of a product, drawn again in the few cases that would be too many. */
  const below = (bound: number): number => {
    for (;;) {
      const product = bits32() * bound;
      const drawn = Math.floor(product / 2 ** 32);
      const rest = product - drawn * 2 ** 32;
      if (rest >= bound || rest >= 2 ** 32 % bound) return drawn;
    }
  };
  return {
    bits32,
    below,
    pick: (items) => items[below(items.length)],
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [items[i], items[j]] = [items[j], items[i]];
      }
      return items;
    },
    distinct(count, bound) {
      if (count > bound) throw new RangeError(`${count} different numbers below ${bound}`);
      // Floyd's way would need no table, but an order that is random has to be made anyway.
      const moved = new Map<number, number>();
      return Array.from({ length: count }, (_, i) => {
        const j = i + below(bound - i);
        const drawn = moved.get(j) ?? j;
        moved.set(j, moved.get(i) ?? i);
        return drawn;
      });
    },
  };
}
