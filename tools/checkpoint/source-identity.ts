import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { TensorSource } from "./source.ts";

/** A file of a source: its size, and its SHA-256 where the Hugging Face cache names the blob by it. */
export interface SourceFile {
  readonly name: string;
  readonly byteLength: number;
  readonly sha256?: string;
  readonly mtimeMs: number;
}

export async function sourceFiles({ files }: TensorSource): Promise<SourceFile[]> {
  const facts = await Promise.all(
    files.map(async (file) => {
      const { size, mtimeMs } = await stat(file);
      const blob = basename(await realpath(file));
      const sha256 = /^[0-9a-f]{64}$/.test(blob) && blob !== basename(file) ? blob : undefined;
      return { name: basename(file), byteLength: size, ...(sha256 && { sha256 }), mtimeMs };
    }),
  );
  return facts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Whether a source is still the one that was begun with, as well as can be told without reading 160 GB: the
 * configuration, and of every file the blob's hash, or size and time.
 */
export async function sourceIdentity(source: TensorSource): Promise<string> {
  const files = (await sourceFiles(source)).map(
    ({ name, byteLength, sha256, mtimeMs }) => `${name}:${sha256 ?? `${byteLength}:${Math.trunc(mtimeMs)}`}`,
  );
  return `config:${configDigest(source).slice(0, 16)} ${files.join(" ")}`;
}

const configDigest = ({ config }: TensorSource): string =>
  createHash("sha256").update(JSON.stringify(config)).digest("hex");

/** A digest of what headers say, wherever and in however many files the source lies: configuration, names, dtypes, shapes. */
export function sourceDigest(source: TensorSource): string {
  const hash = createHash("sha256").update(configDigest(source));
  for (const name of [...source.tensors.keys()].sort()) {
    const tensor = source.tensors.get(name);
    hash.update(JSON.stringify([name, tensor?.dtype, tensor?.shape]));
  }
  return hash.digest("hex");
}

/** The commit of a snapshot in the Hugging Face cache, or undefined. */
export const sourceRevision = ({ location }: TensorSource): string | undefined =>
  /[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]?$/.exec(location)?.[1];
