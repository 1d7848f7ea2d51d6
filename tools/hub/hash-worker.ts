import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { HASH_BYTES } from "../lib/limits.ts";
import type { Piece } from "./range-journal.ts";

/** Hashes a file while others still write it: never past what `progress` says is there. */
export interface HashTask {
  readonly path: string;
  readonly byteLength: number;
  readonly algorithm: "sha256" | "git";
  /** A 64-bit number: how many bytes from the beginning are there, or `GIVEN_UP`. */
  readonly progress: SharedArrayBuffer;
}

/** Reads pieces back. */
export interface CheckTask {
  readonly path: string;
  readonly pieces: readonly Piece[];
}

export const GIVEN_UP = -1n;

/** The hash in hex; undefined when given up. What is hashed is what the file holds, not what went into it. */
export function hash({ path, byteLength, algorithm, progress }: HashTask): string | undefined {
  const state = new BigInt64Array(progress);
  const hasher = createHash(algorithm === "git" ? "sha1" : "sha256");
  if (algorithm === "git") hasher.update(`blob ${byteLength}\0`);
  const buffer = new Uint8Array(HASH_BYTES / 4);
  const file = openSync(path, "r");
  try {
    for (let position = 0; position < byteLength; ) {
      Atomics.wait(state, 0, BigInt(position));
      const ready = Atomics.load(state, 0);
      if (ready === GIVEN_UP) return undefined;
      // Woken by bytes that came further on.
      if (Number(ready) === position) continue;
      const count = readSync(file, buffer, 0, Math.min(buffer.length, Number(ready) - position), position);
      // The file is shorter than was said: that hash is of something else, as it should be.
      if (count === 0) break;
      hasher.update(buffer.subarray(0, count));
      position += count;
    }
    return hasher.digest("hex");
  } finally {
    closeSync(file);
  }
}

/** The pieces whose bytes are not what was written, by index. */
export function damaged({ path, pieces }: CheckTask): number[] {
  const buffer = new Uint8Array(HASH_BYTES / 4);
  const file = openSync(path, "r");
  try {
    return pieces.flatMap(({ start, end, crc32: expected }, i) => {
      let crc = 0;
      for (let position = start; position < end; ) {
        const count = readSync(file, buffer, 0, Math.min(buffer.length, end - position), position);
        if (count === 0) return [i];
        crc = crc32(buffer.subarray(0, count), crc);
        position += count;
      }
      return crc === expected ? [] : [i];
    });
  } finally {
    closeSync(file);
  }
}
