import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { dataError, systemError, V4Error } from "./errors.ts";
import { lockOutput } from "./output-lock.ts";
import { formatBytes } from "./units.ts";

/**
 * The only place that writes files. A file appears under its final name complete and synced, or not at all.
 */

/** An output written in any order under `PATH.partial` and renamed when complete. */
export interface RangedOutput {
  readonly path: string;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Syncs, renames to the final name, syncs the folder. */
  commit(): Promise<void>;
  /** Removes what was written. Safe after `commit`. */
  discard(): Promise<void>;
}

export interface OutputOptions {
  /** Where it is known before; else the file is as long as what was written. */
  readonly byteLength?: number;
  /** Replace a finished file of that name. */
  readonly force?: boolean;
}

/** Opens a ranged output. An existing file (without `force`), a second writer or too little space is refused here. */
export async function createRangedOutput(path: string, options: OutputOptions): Promise<RangedOutput> {
  const { byteLength } = options;
  await checkOutputPath(path, options.force ?? false);
  const release = await lockOutput(path);
  const partial = `${path}.partial`;
  let handle: FileHandle;
  try {
    handle = await open(partial, "w+");
  } catch (error) {
    await release();
    throw systemError(error, partial);
  }
  let open_ = true;
  const close = async (): Promise<void> => {
    if (!open_) return;
    open_ = false;
    await handle.close();
  };
  return {
    path,
    async write(bytes, position) {
      try {
        await writeFully(handle, bytes, position);
      } catch (error) {
        throw systemError(error, path);
      }
    },
    async commit() {
      try {
        if (byteLength !== undefined) await handle.truncate(byteLength);
        await handle.sync();
        await close();
        await rename(partial, path);
        await syncFolder(dirname(path));
      } catch (error) {
        await unlink(partial).catch(() => {});
        throw systemError(error, path);
      } finally {
        await release();
      }
    },
    async discard() {
      if (!open_) return;
      await close().catch(() => {});
      await unlink(partial).catch(() => {});
      await release();
    },
  };
}

/** A file that is filled over several runs: what an earlier one wrote is still there. */
export interface UnfinishedFile {
  readonly path: string;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills `into` from `position`; false where the file is shorter. */
  read(into: Uint8Array, position: number): Promise<boolean>;
  /** Cuts or extends to the final length, syncs and closes. */
  finish(byteLength: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file to go on with, or creates it. The caller holds the output's lock, and names it by `renameDurably`. */
export async function openUnfinished(path: string): Promise<UnfinishedFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDWR | constants.O_CREAT);
  } catch (error) {
    throw systemError(error, path);
  }
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw systemError(error, path);
    }
  };
  return {
    path,
    write: (bytes, position) => guarded(() => writeFully(handle, bytes, position)),
    read: (into, position) => guarded(() => readIfThere(handle, into, position)),
    finish: (byteLength) =>
      guarded(async () => {
        await handle.truncate(byteLength);
        await handle.sync();
        await handle.close();
      }),
    close: () => handle.close().catch(() => {}),
  };
}

/** A scratch file without a name: it goes when it is closed, and with this process at the latest, however that ends. */
export async function openNameless(path: string): Promise<UnfinishedFile> {
  const file = await openUnfinished(path);
  await rm(path, { force: true });
  return file;
}

async function readIfThere(handle: FileHandle, into: Uint8Array, position: number): Promise<boolean> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Gives a finished file or folder its final name and syncs the folder it is in. */
export async function renameDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncFolder(dirname(to));
  } catch (error) {
    throw systemError(error, to);
  }
}

/**
 * Writes a small file whole: temporary name, sync, rename. What a killed writer left is written over. Where several
 * processes may write the same file at the same time each needs a temporary name of its own, `partial`.
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array,
  partial = `${path}.partial`,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(partial, "w");
    try {
      await writeFully(handle, bytes, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(partial).catch(() => {});
    throw systemError(error, path);
  }
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(resolve(path));
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Step by step: Node's own recursion calls a read-only disk "no such folder". */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || path === dirname(path)) throw error;
    await makeFolders(dirname(path));
    await makeFolders(path);
  }
}

/** Removes a file, if there is one. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw systemError(error, path);
  });
}

/** Removes a folder that holds nothing. */
export async function removeIfEmpty(path: string): Promise<void> {
  await rmdir(path).catch(() => {});
}

/** Refuses an output name that cannot be written or already holds a finished file. */
export async function checkOutputPath(path: string, force: boolean): Promise<void> {
  try {
    await mkdir(dirname(resolve(path)), { recursive: true });
    const existing = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (existing === undefined) return;
    const isFile = (await existing.stat()).isFile();
    await existing.close();
    if (!isFile)
      throw dataError({ what: "the output name is taken by something that is not a file", file: path });
    if (!force)
      throw new V4Error("usage", {
        what: "the output exists already",
        file: path,
        next: "give --force to replace it, or another --out",
      });
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Refuses a folder that has less free space than an output needs, before a byte is written. */
export async function checkFreeSpace(path: string, byteLength: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(resolve(path)));
  const free = bavail * bsize;
  if (free < byteLength)
    throw new V4Error("io", {
      what: "not enough free space for the output",
      file: path,
      expected: formatBytes(byteLength),
      found: `${formatBytes(free)} free`,
      next: "free space or choose another --out",
    });
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** A rename is durable only once its folder is synced; some file systems cannot sync a folder and need not. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => {});
  await handle.close();
}
