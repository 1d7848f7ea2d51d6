import { createRangedOutput, type RangedOutput } from "../lib/disk.ts";
import type { LogitTile } from "./stream-logits.ts";

/** Logits of a whole run as a NumPy file, float32 [positions, vocab], written tile by tile. */
export interface LogitDump {
  write(tile: LogitTile): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

export async function createLogitDump(
  path: string,
  positions: number,
  vocabSize: number,
): Promise<LogitDump> {
  const header = npyHeader(positions, vocabSize);
  const output: RangedOutput = await createRangedOutput(path, {
    byteLength: header.length + 4 * positions * vocabSize,
    force: true,
  });
  await output.write(header, 0);
  return {
    async write({ first, from, width, logits }) {
      for (let i = 0; i * width < logits.length; i++) {
        const row = new Uint8Array(logits.buffer, logits.byteOffset + 4 * i * width, 4 * width);
        await output.write(row, header.length + 4 * ((first + i) * vocabSize + from));
      }
    },
    commit: () => output.commit(),
    discard: () => output.discard(),
  };
}

/** Version 1.0: magic, version, header length, a Python literal padded so that the data begin at a multiple of 64. */
function npyHeader(rows: number, cols: number): Uint8Array {
  const literal = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  const padded = `${literal.padEnd(64 * Math.ceil((10 + literal.length + 1) / 64) - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  return bytes;
}
