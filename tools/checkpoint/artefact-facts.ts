import { access, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import pLimit from "p-limit";
import { type GgufHeader, readGgufHeader } from "../formats/gguf/reader.ts";
import { readSafetensorsHeader } from "../formats/safetensors/reader.ts";
import { dataError, inputError, systemError } from "../lib/errors.ts";
import { openForReading, type ReadableFile, readOptionalFile } from "../lib/files.ts";
import { HEADER_READS, MAX_CONFIG_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import type { ArtefactFacts, ArtefactFile } from "../model/artefact-facts.ts";
import { otherParts } from "./gguf-source.ts";
import { readWeightMap } from "./safetensors-source.ts";

/**
 * Reads the headers of an artefact as they are, names and types unchanged: a GGUF with the other files of a split one
 * and its sidecar `mtp-NAME.gguf`, or a safetensors folder. Damage to a container (holes, overlaps, a truncated file)
 * is an error here; whether an engine takes what is in it is not this function's question.
 */
export async function readArtefactFacts(path: string): Promise<ArtefactFacts> {
  const facts = await stat(path).catch((error: unknown) => {
    throw systemError(error, path);
  });
  if (facts.isDirectory()) return folderFacts(path);
  if (path.endsWith(".gguf")) return ggufFacts(path);
  throw dataError({ what: "neither a folder nor a .gguf file", file: path });
}

async function withFile<T>(path: string, use: (file: ReadableFile) => Promise<T>): Promise<T> {
  const file = await openForReading(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function ggufFacts(path: string): Promise<ArtefactFacts> {
  const first = await withFile(path, readGgufHeader);
  const files = [ggufFile(path, first, "model")];
  for (const part of otherParts(first.metadata, path))
    files.push(ggufFile(part, await withFile(part, readGgufHeader), "model"));
  const sidecar = join(dirname(path), `mtp-${basename(path).replace(/-\d{5}-of-\d{5}(?=\.gguf$)/, "")}`);
  const hasSidecar = await access(sidecar).then(
    () => true,
    () => false,
  );
  if (hasSidecar) files.push(ggufFile(sidecar, await withFile(sidecar, readGgufHeader), "mtp"));
  return { container: "gguf", files };
}

function ggufFile(path: string, { metadata, entries }: GgufHeader, kind: ArtefactFile["kind"]): ArtefactFile {
  return {
    name: basename(path),
    kind,
    metadata,
    tensors: entries.map(({ name, dtype, ne }) => ({ name, dtype, shape: [...ne].reverse() })),
  };
}

async function folderFacts(folder: string): Promise<ArtefactFacts> {
  const [config, hfQuantConfig, weightMap] = await Promise.all([
    readObject(join(folder, "config.json")),
    readObject(join(folder, "hf_quant_config.json")),
    readWeightMap(folder),
  ]);
  if (!config) throw inputError({ what: "the folder has no config.json", file: folder });
  const names = (await readdir(folder)).sort();
  const shards = names.filter((name) => name.endsWith(".safetensors"));
  const limit = pLimit(HEADER_READS);
  const files = await limit.map(shards, async (name): Promise<ArtefactFile> => {
    const { entries } = await withFile(join(folder, name), readSafetensorsHeader);
    return {
      name,
      kind: "model",
      tensors: entries.map(({ name: tensor, dtype, shape }) => ({ name: tensor, dtype, shape })),
    };
  });
  return {
    container: "safetensors",
    files,
    config,
    ...(hfQuantConfig && { hfQuantConfig }),
    ...(weightMap && { weightMap }),
    extraFiles: names.filter((name) => !name.endsWith(".safetensors")),
  };
}

async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await readOptionalFile(path, MAX_CONFIG_BYTES);
  if (!bytes) return undefined;
  const value = parseStrictJson(bytes, path);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw dataError({ what: "not a JSON object", file: path });
  return value as Record<string, unknown>;
}
