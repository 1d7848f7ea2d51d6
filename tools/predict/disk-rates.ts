import { readFileSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { freemem } from "node:os";
import { join } from "node:path";
import { chooseKernels } from "../../kernels/load.ts";
import { openNameless } from "../lib/disk.ts";
import { systemError } from "../lib/errors.ts";

export interface DiskRates {
  readonly readBytesPerSecond: number;
  readonly writeBytesPerSecond: number;
  /** Source and output lie on one device, which does one or the other. */
  readonly shared: boolean;
  /** What the system lets wait before it begins to write, and for how long. */
  readonly dirtyBytes: number;
  readonly dirtySeconds: number;
}

export interface DiskOptions {
  /** The source's files; none where it lies elsewhere. */
  readonly files?: readonly string[];
  /** The rate at which bytes come from there. */
  readonly readBytesPerSecond?: number;
  readonly folder: string;
  /** Of the whole output: no more than that is written to try it. */
  readonly outputBytes: number;
  /** Reads that are under way at once. */
  readonly depth: number;
}

const RANGE_BYTES = 4 * 2 ** 20;
const READ_SECONDS = 0.5;
const MAX_RANGES = 96;
const WRITE_BYTES = 256 * 2 ** 20;

/** Measures the disks that a conversion would use, in about a second. */
export async function measureDisks(options: DiskOptions): Promise<DiskRates> {
  const { files = [], folder, depth } = options;
  const readBytesPerSecond = options.readBytesPerSecond ?? (await measureReads(files, depth));
  const writeBytesPerSecond = await measureWrites(options);
  const shared = files.length > 0 && (await stat(files[0])).dev === (await stat(folder)).dev;
  return { readBytesPerSecond, writeBytesPerSecond, shared, ...writeback() };
}

/**
 * Reads ranges from everywhere in the source. What of it is in the page cache stays so for the run that follows, so
 * the cache takes part; the ranges themselves are dropped again, lest the next measurement finds them there.
 */
async function measureReads(files: readonly string[], depth: number): Promise<number> {
  const handles: FileHandle[] = [];
  const drop = chooseKernels().native?.fadviseDontNeed;
  try {
    const sizes: number[] = [];
    for (const file of files) {
      const handle = await open(file, "r").catch((error: unknown) => {
        throw systemError(error, file);
      });
      handles.push(handle);
      sizes.push((await handle.stat()).size);
    }
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const startedMs = performance.now();
    const elapsed = (): number => (performance.now() - startedMs) / 1000;
    let [bytes, started] = [0, 0];
    const reader = async (): Promise<void> => {
      const buffer = new Uint8Array(RANGE_BYTES);
      while (started < MAX_RANGES && elapsed() < READ_SECONDS) {
        started++;
        const { at, position } = locate(sizes, Math.floor(Math.random() * total));
        const { bytesRead } = await handles[at].read(buffer, 0, RANGE_BYTES, position);
        bytes += bytesRead;
        drop?.(handles[at].fd, position, bytesRead);
      }
    };
    await Promise.all(Array.from({ length: depth }, reader));
    return bytes / elapsed();
  } finally {
    for (const handle of handles) await handle.close();
  }
}

/** The file and the position in it of a byte of all files together. */
function locate(sizes: readonly number[], byte: number): { at: number; position: number } {
  let position = byte;
  let at = 0;
  while (position >= sizes[at]) position -= sizes[at++];
  return { at, position: Math.floor(position / 4096) * 4096 };
}

/**
 * Writes a file, then times its sync: until then the bytes are in memory, and bringing them there is the processor's
 * work, which is measured with the conversion.
 */
async function measureWrites({ folder, outputBytes }: DiskOptions): Promise<number> {
  const byteLength = Math.min(WRITE_BYTES, Math.max(2 ** 20, outputBytes));
  const path = join(folder, `.v4kit-plan-${process.pid}.partial`);
  const output = await openNameless(path);
  const bytes = new Uint8Array(Math.min(RANGE_BYTES, byteLength)).map((_, i) => (i * 2_654_435_761) >>> 24);
  try {
    for (let done = 0; done < byteLength; done += bytes.length)
      await output.write(bytes.subarray(0, Math.min(bytes.length, byteLength - done)), done);
    const startedMs = performance.now();
    await output.finish(byteLength);
    return byteLength / ((performance.now() - startedMs) / 1000);
  } finally {
    await output.close();
  }
}

/** Linux writes back when a share of memory is dirty, or after a time; elsewhere, assume at once. */
function writeback(): Pick<DiskRates, "dirtyBytes" | "dirtySeconds"> {
  try {
    const setting = (name: string): number => Number(readFileSync(`/proc/sys/vm/${name}`, "utf8"));
    const dirtyBytes =
      setting("dirty_background_bytes") || (setting("dirty_background_ratio") / 100) * availableBytes();
    return { dirtyBytes, dirtySeconds: setting("dirty_expire_centisecs") / 100 };
  } catch {
    return { dirtyBytes: 0, dirtySeconds: 0 };
  }
}

/** Memory that is free or can be had at once. */
function availableBytes(): number {
  const [, kibibytes] = /MemAvailable:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  return kibibytes ? 1024 * Number(kibibytes) : freemem();
}
