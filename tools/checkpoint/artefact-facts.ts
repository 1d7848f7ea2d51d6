import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import pLimit from "p-limit";
import { type GgufHeader, readGgufHeader } from "../formats/gguf/reader.ts";
import { readSafetensorsHeader } from "../formats/safetensors/reader.ts";
import { dataError, inputError, systemError } from "../lib/errors.ts";
import { localFolder, type ReadableFile, type SourceFolder } from "../lib/files.ts";
import { HEADER_READS, MAX_CONFIG_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import type { ArtefactFacts, ArtefactFile } from "../model/artefact-facts.ts";
import { otherParts } from "./gguf-source.ts";
import { onlyGguf } from "./open.ts";
import { readWeightMap } from "./safetensors-source.ts";

/**
 * Reads the headers of an artefact as they are, names and types unchanged: a GGUF with the other files of a split one
 * and its sidecar `mtp-NAME.gguf`, or a safetensors folder. Damage to a container (holes, overlaps, a truncated file)
 * is an error here; whether an engine takes what is in it is not this function's question.
 */
export async function readArtefactFacts(place: string | SourceFolder): Promise<ArtefactFacts> {
  if (typeof place !== "string") {
    const gguf = await onlyGguf(place);
    return gguf === undefined ? folderFacts(place) : ggufFacts(place, gguf);
  }
  const facts = await stat(place).catch((error: unknown) => {
    throw systemError(error, place);
  });
  if (facts.isDirectory()) return folderFacts(localFolder(place));
  if (place.endsWith(".gguf")) return ggufFacts(localFolder(dirname(place)), basename(place));
  throw dataError({ what: "neither a folder nor a .gguf file", file: place });
}

async function withFile<T>(
  folder: SourceFolder,
  name: string,
  use: (file: ReadableFile) => Promise<T>,
): Promise<T> {
  const file = await folder.open(name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function ggufFacts(folder: SourceFolder, name: string): Promise<ArtefactFacts> {
  const first = await withFile(folder, name, readGgufHeader);
  const files = [ggufFile(name, first, "model")];
  for (const part of otherParts(first.metadata, name, folder.pathOf(name)))
    files.push(ggufFile(part, await withFile(folder, part, readGgufHeader), "model"));
  const sidecar = `mtp-${name.replace(/-\d{5}-of-\d{5}(?=\.gguf$)/, "")}`;
  if (await folder.has(sidecar))
    files.push(ggufFile(sidecar, await withFile(folder, sidecar, readGgufHeader), "mtp"));
  return { container: "gguf", files };
}

function ggufFile(name: string, { metadata, entries }: GgufHeader, kind: ArtefactFile["kind"]): ArtefactFile {
  return {
    name,
    kind,
    metadata,
    tensors: entries.map(({ name: tensor, dtype, ne }) => ({
      name: tensor,
      dtype,
      shape: [...ne].reverse(),
    })),
  };
}

async function folderFacts(folder: SourceFolder): Promise<ArtefactFacts> {
  const [config, hfQuantConfig, weightMap] = await Promise.all([
    readObject(folder, "config.json"),
    readObject(folder, "hf_quant_config.json"),
    readWeightMap(folder),
  ]);
  if (!config) throw inputError({ what: "the folder has no config.json", file: folder.location });
  const names = await folder.names();
  const shards = names.filter((name) => name.endsWith(".safetensors"));
  const limit = pLimit(HEADER_READS);
  const files = await limit.map(shards, async (name): Promise<ArtefactFile> => {
    const { entries } = await withFile(folder, name, readSafetensorsHeader);
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

async function readObject(folder: SourceFolder, name: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await folder.readOptional(name, MAX_CONFIG_BYTES);
  if (!bytes) return undefined;
  const path = folder.pathOf(name);
  const value = parseStrictJson(bytes, path);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw dataError({ what: "not a JSON object", file: path });
  return value as Record<string, unknown>;
}
