import { PIECE_BYTES } from "../lib/limits.ts";

/** Gathers what a connection receives into pieces of about a MiB and hands them on in order. */
export interface PieceWriter {
  /** Takes bytes that follow those before; copies them. Waits only while both buffers are full. */
  add(bytes: Uint8Array): Promise<void> | undefined;
  /** Hands on what is left, and waits until all of it is written. */
  flush(): Promise<void>;
}

/** What came is written after this time at the latest, so that a kill costs little on a slow line too. */
const PIECE_MS = 50;

export interface PieceWriterOptions {
  /** Where the first byte belongs. */
  readonly start: number;
  /** Two buffers: one is being filled while the other is being written. */
  readonly buffers: readonly [Uint8Array, Uint8Array];
  readonly write: (piece: Uint8Array, position: number) => Promise<void>;
}

/** Buffers for one connection. */
export const pieceBuffers = (): [Uint8Array, Uint8Array] => [
  new Uint8Array(PIECE_BYTES),
  new Uint8Array(PIECE_BYTES),
];

export function createPieceWriter({ start, buffers, write }: PieceWriterOptions): PieceWriter {
  let [filling, spare] = buffers;
  let position = start;
  let filled = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const handOn = async (): Promise<void> => {
    // The timer and the connection may both wait here: whoever comes second finds another write under way.
    for (let before: Promise<void> | undefined; before !== writing; ) {
      before = writing;
      await before;
    }
    clearTimeout(timer);
    timer = undefined;
    if (filled === 0) return;
    writing = write(filling.subarray(0, filled), position);
    // Whoever waits next hears of it; until then it is no unhandled rejection.
    writing.catch(() => {});
    position += filled;
    filled = 0;
    [filling, spare] = [spare, filling];
  };

  const addSlowly = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + filling.length - filled);
      filling.set(part, filled);
      filled += part.length;
      done += part.length;
      if (filled === filling.length) await handOn();
    }
  };

  return {
    add(bytes) {
      if (filled + bytes.length >= filling.length) return addSlowly(bytes);
      timer ??= setTimeout(() => handOn().catch(() => {}), PIECE_MS);
      filling.set(bytes, filled);
      filled += bytes.length;
      return undefined;
    },
    async flush() {
      await handOn();
      await writing;
    },
  };
}
