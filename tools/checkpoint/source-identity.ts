import { createHash } from "node:crypto";
import type { TensorSource } from "./source.ts";

/**
 * Whether a source is still the one that was begun with, as well as can be told without reading 160 GB: the
 * configuration, and of every file the blob's hash, or size and time.
 */
export async function sourceIdentity(source: TensorSource): Promise<string> {
  const files = (await source.fileFacts()).map(
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
