import { rm } from "node:fs/promises";
import { crc32 } from "node:zlib";
import {
  checkFreeSpace,
  checkOutputPath,
  makeFolder,
  openUnfinished,
  renameDurably,
  type UnfinishedFile,
} from "../lib/disk.ts";
import { existingBytes } from "../lib/files.ts";
import { TASK_BYTES } from "../lib/limits.ts";
import type { ProgressReporter } from "../lib/progress.ts";
import { allPieces, pieceBytes } from "./convert-plan.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";
import type { ArtefactPlace } from "./place.ts";

/** Refuses a final name that is taken, and a disk with too little room for what is still to be written. */
export async function checkOutputs(
  place: ArtefactPlace,
  files: readonly LaidOutFile[],
  force: boolean,
): Promise<void> {
  for (const { final } of place.folder ? [{ final: place.out }] : place.files)
    await checkOutputPath(final, force);
  let missing = 0;
  for (const [i, { byteLength }] of files.entries())
    missing += Math.max(0, byteLength - (await existingBytes(place.files[i].partial)));
  await checkFreeSpace(place.out, missing);
}

/** Opens the unfinished files, with what earlier runs wrote in them. */
export async function openOutputs(place: ArtefactPlace): Promise<UnfinishedFile[]> {
  if (place.folder) await makeFolder(place.folder.partial);
  const outputs: UnfinishedFile[] = [];
  try {
    for (const { partial } of place.files) outputs.push(await openUnfinished(partial));
    return outputs;
  } catch (error) {
    for (const output of outputs) await output.close();
    throw error;
  }
}

/** Removes what an unfinished conversion wrote. */
export async function discardUnfinished(place: ArtefactPlace): Promise<void> {
  if (place.folder) await rm(place.folder.partial, { recursive: true, force: true });
  else for (const { partial } of place.files) await rm(partial, { force: true });
}

/**
 * Which journaled pieces are in the files as they were written: what the journal says counts only where the checksum
 * of the bytes agrees, so a piece that a power cut tore is made again.
 */
export async function verifyFinished(
  files: readonly LaidOutFile[],
  outputs: readonly UnfinishedFile[],
  finished: ReadonlyMap<number, PieceRecord>,
  progress: ProgressReporter,
): Promise<ReadonlyMap<number, PieceRecord>> {
  const intact = new Map<number, PieceRecord>();
  if (finished.size === 0) return intact;
  const buffer = new Uint8Array(TASK_BYTES);
  for (const placed of allPieces(files)) {
    const record = finished.get(placed.number);
    if (!record) continue;
    const { piece, offsets, fileIndex } = placed;
    let same = true;
    for (const [i, output] of piece.tensor.outputs.entries()) {
      const byteLength = pieceBytes(output, piece);
      const start = offsets[i] + (output.rowsPerUnit === 0 ? 0 : startOf(placed, i));
      same &&= (await crcOf(outputs[fileIndex], { start, byteLength, buffer })) === record.out[i];
      progress.advance(byteLength);
    }
    if (same) intact.set(placed.number, record);
  }
  return intact;
}

/** Where a piece begins inside a stored tensor. */
const startOf = ({ piece }: { readonly piece: Parameters<typeof pieceBytes>[1] }, output: number): number =>
  pieceBytes(piece.tensor.outputs[output], { ...piece, rows: piece.parts[0].rowStart });

async function crcOf(
  file: UnfinishedFile,
  {
    start,
    byteLength,
    buffer,
  }: { readonly start: number; readonly byteLength: number; readonly buffer: Uint8Array },
): Promise<number | undefined> {
  let crc = 0;
  for (let done = 0; done < byteLength; done += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, byteLength - done));
    if (!(await file.read(bytes, start + done))) return undefined;
    crc = crc32(bytes, crc);
  }
  return crc;
}

/** Gives everything its final name; the model's first file comes last: where it is, the rest is too. */
export async function nameOutputs(place: ArtefactPlace, replace: boolean): Promise<void> {
  if (!place.folder) {
    for (const { final, partial } of [...place.files].reverse()) await renameDurably(partial, final);
    return;
  }
  const old = `${place.out.replace(/[/\\]+$/, "")}.replaced`;
  if (replace && (await existingBytes(place.out)) > 0) await renameDurably(place.out, old);
  await renameDurably(place.folder.partial, place.out);
  await rm(old, { recursive: true, force: true });
}

/**
 * Takes final names back from files of a conversion that died while it gave them: all its pieces are on record, so the
 * next step is the same for every file again.
 */
export async function unnameOutputs(place: ArtefactPlace): Promise<void> {
  const pairs = place.folder ? [{ final: place.out, partial: place.folder.partial }] : place.files;
  for (const { final, partial } of pairs)
    if ((await existingBytes(partial)) === 0 && (await existingBytes(final)) > 0)
      await renameDurably(final, partial);
}
