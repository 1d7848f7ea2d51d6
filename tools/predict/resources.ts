import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { existingBytes } from "../lib/files.ts";
import { allPieces, slabCount } from "../quantize/convert-plan.ts";
import type { LaidOutFile } from "../quantize/layout-files.ts";
import { splitTasks } from "../quantize/pieces.ts";
import type { ArtefactPlace } from "../quantize/place.ts";

/** Code, heap and kernels of a worker thread. */
const WORKER_BYTES = 24 * 2 ** 20;
/** What the main thread's heap grows by while it works. */
const HEAP_BYTES = 20 * 2 ** 20;
/** A piece's record while the conversion runs, and what the manifest makes of it. */
const RECORD_BYTES = 1536;
/** Journal, table and manifest on disk, for a piece. */
const SIDECAR_BYTES = 700;

/** Peak resident memory of a conversion by so many workers. `baseBytes`: a process that has opened and planned it. */
export function predictMemory(files: readonly LaidOutFile[], workers: number, baseBytes: number): number {
  let [slabBytes, taskValues, pieces] = [0, 0, 0];
  for (const { piece } of allPieces(files)) {
    pieces++;
    // The first task is the largest. A slab may be larger than that, but what nobody touches takes no memory.
    const [first] = splitTasks(piece, { expertCount: 0, importance: true });
    slabBytes = Math.max(slabBytes, first.slabBytes);
    taskValues = Math.max(taskValues, first.task.rows * first.task.rowLength);
  }
  // Every worker decodes its rows once before encoding and once after.
  const scratch = 2 * 4 * taskValues;
  return (
    baseBytes +
    HEAP_BYTES +
    slabCount(workers) * slabBytes +
    workers * (WORKER_BYTES + scratch) +
    pieces * RECORD_BYTES
  );
}

/** Disk that a conversion takes at its peak: an artefact that it replaces stays until the new one is complete. */
export async function predictDisk(
  files: readonly LaidOutFile[],
  place: ArtefactPlace,
): Promise<{ diskBytes: number; freeBytes: number }> {
  let diskBytes = 0;
  for (const [i, { byteLength }] of files.entries())
    diskBytes += byteLength + (await existingBytes(place.files[i].final));
  for (const _ of allPieces(files)) diskBytes += SIDECAR_BYTES;
  const { bavail, bsize } = await statfs(dirname(resolve(place.out)));
  return { diskBytes, freeBytes: bavail * bsize };
}
