import { rm, stat } from "node:fs/promises";
import { renameDurably, type UnfinishedFile } from "../lib/disk.ts";
import { existingBytes } from "../lib/files.ts";
import { tensorBytes } from "../plan/storage.ts";
import type { LaidOutFile } from "./layout-files.ts";
import { type ArtefactPlace, replacedBy } from "./place.ts";

/** Writes the headers with their checksums and what lies between tensors, then syncs and closes. */
export async function finishOutputs(
  files: readonly LaidOutFile[],
  outputs: readonly UnfinishedFile[],
  crcs: readonly (readonly number[])[],
): Promise<void> {
  for (const [i, file] of files.entries()) {
    const prefix = file.prefix(crcs[i]);
    await outputs[i].write(prefix, 0);
    // No piece covers these bytes, and an unfinished file may hold anything.
    for (const [start, end] of gapsOf(file, prefix.length))
      await outputs[i].write(new Uint8Array(end - start), start);
    await outputs[i].finish(file.byteLength);
  }
}

/** Ranges of a file that belong to no tensor: padding to the next one's alignment, or to the end. */
function* gapsOf(
  { file, offsets, byteLength }: LaidOutFile,
  prefixBytes: number,
): Generator<[number, number]> {
  const tensors = file.tensors.flatMap(({ outputs }, t) =>
    outputs.map((output, i): [number, number] => [offsets[t][i], tensorBytes(output)]),
  );
  let end = prefixBytes;
  for (const [start, bytes] of tensors.sort(([a], [b]) => a - b)) {
    if (start > end) yield [end, start];
    end = start + bytes;
  }
  if (byteLength > end) yield [end, byteLength];
}

/** Gives everything its final name; the model's first file comes last: where it is, the rest is too. */
export async function nameOutputs(place: ArtefactPlace, replace: boolean): Promise<void> {
  if (!place.folder) {
    for (const { final, partial } of [...place.files].reverse()) await renameDurably(partial, final);
    return;
  }
  const old = replacedBy(place);
  if (replace && (await existingBytes(place.out)) > 0) await renameDurably(place.out, old);
  await renameDurably(place.folder.partial, place.out);
  await rm(old, { recursive: true, force: true });
}

/**
 * Takes final names back from files of a conversion that died while it gave them: all its pieces are on record, so the
 * next step is the same for every file again.
 */
export async function unnameOutputs(place: ArtefactPlace, files: readonly LaidOutFile[]): Promise<void> {
  const named: boolean[] = [];
  for (const [i, { final, partial }] of place.files.entries())
    named.push(
      (await existingBytes(partial)) === 0 &&
        (await stat(final).catch(() => undefined))?.size === files[i].byteLength,
    );
  if (!place.folder) {
    for (const [i, { final, partial }] of place.files.entries())
      if (named[i]) await renameDurably(final, partial);
  } else if (named.every(Boolean) && (await existingBytes(place.folder.partial)) === 0)
    await renameDurably(place.out, place.folder.partial);
}
