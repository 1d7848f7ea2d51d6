import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { dataError, inputError, systemError } from "../lib/errors.ts";
import { localFolder, type SourceFolder } from "../lib/files.ts";
import { openGgufSource } from "./gguf-source.ts";
import { openSafetensorsSource } from "./safetensors-source.ts";
import type { TensorSource } from "./source.ts";

/**
 * Opens a checkpoint or artefact: a path (a folder in the official layout, or a `.gguf` file), or such a folder
 * elsewhere. Close it when done; that closes the folder too.
 */
export async function openCheckpoint(place: string | SourceFolder): Promise<TensorSource> {
  if (typeof place !== "string") return openFolder(place);
  const facts = await stat(place).catch((error: unknown) => {
    throw systemError(error, place);
  });
  if (facts.isDirectory()) return openSafetensorsSource(localFolder(place));
  if (place.endsWith(".gguf")) return openGgufSource(localFolder(dirname(place)), basename(place));
  throw dataError({
    what: "neither a checkpoint folder nor a .gguf file",
    file: place,
    expected: "a folder with config.json and model.safetensors.index.json, or a .gguf",
  });
}

async function openFolder(folder: SourceFolder): Promise<TensorSource> {
  try {
    const gguf = await onlyGguf(folder);
    return gguf === undefined ? await openSafetensorsSource(folder) : await openGgufSource(folder, gguf);
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** The GGUF of a folder that holds no shards: the first file of a split one; drafters are files of their own. */
export async function onlyGguf(folder: SourceFolder): Promise<string | undefined> {
  const names = await folder.names();
  if (names.some((name) => name.endsWith(".safetensors"))) return undefined;
  const firsts = names.filter(
    (name) =>
      name.endsWith(".gguf") && !name.startsWith("mtp-") && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(name),
  );
  if (firsts.length < 2) return firsts[0];
  throw inputError({
    what: "the folder holds several GGUF files",
    file: folder.location,
    found: firsts.slice(0, 4).join(", "),
    next: "download the one that is meant, and name its file",
  });
}
