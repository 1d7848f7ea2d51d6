import { type FileHandle, open } from "node:fs/promises";
import { systemError } from "./errors.ts";

/** A file of f32 values that a run keeps for itself: what does not fit in memory, and what a later run goes on from. */
export interface ScratchFile {
  /** Positions count values. */
  write(values: Float32Array, position: number): Promise<void>;
  /** Fills `into`; a file that ends earlier is an error. */
  read(into: Float32Array, position: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a scratch file, keeping what it holds, or creates it. */
export async function openScratchFile(path: string): Promise<ScratchFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, "a").then(async (created) => {
      await created.close();
      return open(path, "r+");
    });
  } catch (error) {
    throw systemError(error, path);
  }
  const bytesOf = (values: Float32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const all = async (
    values: Float32Array,
    position: number,
    step: (bytes: Uint8Array, done: number, at: number) => Promise<number>,
  ): Promise<void> => {
    const bytes = bytesOf(values);
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = await step(bytes, done, 4 * position + done);
        if (count === 0) throw Object.assign(new Error("the scratch file ends too early"), { code: "EIO" });
        done += count;
      }
    } catch (error) {
      throw systemError(error, path);
    }
  };
  return {
    write: (values, position) =>
      all(
        values,
        position,
        async (bytes, done, at) => (await handle.write(bytes, done, bytes.length - done, at)).bytesWritten,
      ),
    read: (into, position) =>
      all(
        into,
        position,
        async (bytes, done, at) => (await handle.read(bytes, done, bytes.length - done, at)).bytesRead,
      ),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}
