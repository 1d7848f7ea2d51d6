import { readdir, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { crc32 } from "node:zlib";
import {
  checkFreeSpace,
  checkOutputPath,
  makeFolder,
  openUnfinished,
  renameDurably,
  type UnfinishedFile,
} from "../lib/disk.ts";
import { dataError, systemError, usageError } from "../lib/errors.ts";
import { existingBytes } from "../lib/files.ts";
import { TASK_BYTES } from "../lib/limits.ts";
import type { ProgressReporter } from "../lib/progress.ts";
import { allPieces, pieceBytes } from "./convert-plan.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";
import { type ArtefactPlace, isOutputOf, replacedBy } from "./place.ts";

export interface OutputChecks {
  readonly force: boolean;
  /** Files that are read: none of them may be replaced. */
  readonly sources: readonly string[];
  /** Beside the outputs. */
  readonly scratchBytes: number;
}

/** Refuses a final name that is taken, and a disk with too little room for what is still to be written. */
export async function checkOutputs(
  place: ArtefactPlace,
  files: readonly LaidOutFile[],
  { force, sources, scratchBytes }: OutputChecks,
): Promise<void> {
  for (const { final } of place.folder ? [{ final: place.out }] : place.files) {
    await refuseSource(final, sources);
    if (place.folder) await checkOutputFolder(final, force);
    else await checkOutputPath(final, force);
  }
  let missing = scratchBytes;
  for (const [i, { byteLength }] of files.entries())
    missing += Math.max(0, byteLength - (await existingBytes(place.files[i].partial)));
  await checkFreeSpace(place.out, missing);
}

/** A source may be reached by links: where a file is listed and where its bytes lie are both taken. */
async function refuseSource(out: string, sources: readonly string[]): Promise<void> {
  const place = await realpath(out).catch(() => undefined);
  if (place === undefined) return;
  for (const source of sources)
    for (const path of [await realpath(source), join(await realpath(dirname(source)), basename(source))])
      if (path === place || path.startsWith(place + sep))
        throw usageError({
          what: "the output would replace its own source",
          file: out,
          next: "choose another --out",
        });
}

/** A folder is replaced as a whole, so it must hold a model and nothing else. */
async function checkOutputFolder(out: string, force: boolean): Promise<void> {
  try {
    const entries = await readdir(out, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (entries === undefined) return;
    if (!force)
      throw usageError({
        what: "the output exists already",
        file: out,
        next: "give --force to replace it, or another --out",
      });
    // The releases' own chat encoder comes in a folder.
    const foreign = entries.find((entry) => !entry.isFile() && entry.name !== "encoding");
    const isModel = entries.length === 0 || entries.some(({ name }) => name.endsWith(".safetensors"));
    if (foreign || !isModel)
      throw dataError({
        what: "the output name is taken by a folder that is no model",
        file: out,
        found: foreign ? `${foreign.name} in it` : "no .safetensors in it",
        next: "choose another --out",
      });
  } catch (error) {
    throw systemError(error, out);
  }
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

/**
 * Removes what an unfinished conversion to this place wrote. It may have had another plan, so in other files: all names
 * that share the sidecar count. An artefact that it had moved away is put back.
 */
export async function discardUnfinished(place: ArtefactPlace): Promise<void> {
  const folder = dirname(place.sidecar);
  const stem = basename(place.sidecar, ".v4kit");
  const names = await readdir(folder).catch(() => []);
  for (const name of names)
    if (name.endsWith(".partial") && isOutputOf(stem, name.slice(0, -".partial".length)))
      await rm(join(folder, name), { recursive: true, force: true });
  const old = replacedBy(place);
  if ((await existingBytes(old)) === 0) return;
  if ((await existingBytes(place.out)) === 0) await renameDurably(old, place.out);
  else await rm(old, { recursive: true, force: true });
}

export interface VerifyOptions {
  readonly finished: ReadonlyMap<number, PieceRecord>;
  readonly progress: ProgressReporter;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Which journaled pieces are in the files as they were written: what the journal says counts only where the checksum
 * of the bytes agrees, so a piece that a power cut tore is made again.
 */
export async function verifyFinished(
  files: readonly LaidOutFile[],
  outputs: readonly UnfinishedFile[],
  { finished, progress, signal }: VerifyOptions,
): Promise<ReadonlyMap<number, PieceRecord>> {
  const intact = new Map<number, PieceRecord>();
  if (finished.size === 0) return intact;
  const buffer = new Uint8Array(TASK_BYTES);
  for (const placed of allPieces(files)) {
    const record = finished.get(placed.number);
    if (!record) continue;
    signal?.throwIfAborted();
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
