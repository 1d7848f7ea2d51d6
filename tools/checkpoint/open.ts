import { stat } from "node:fs/promises";
import { dataError, systemError } from "../lib/errors.ts";
import { openGgufSource } from "./gguf-source.ts";
import { openSafetensorsSource } from "./safetensors-source.ts";
import type { TensorSource } from "./source.ts";

/** Opens a local checkpoint or artefact: a folder in the official layout, or a `.gguf` file. Close it when done. */
export async function openCheckpoint(location: string): Promise<TensorSource> {
  const facts = await stat(location).catch((error: unknown) => {
    throw systemError(error, location);
  });
  if (facts.isDirectory()) return openSafetensorsSource(location);
  if (location.endsWith(".gguf")) return openGgufSource(location);
  throw dataError({
    what: "neither a checkpoint folder nor a .gguf file",
    file: location,
    expected: "a folder with config.json and model.safetensors.index.json, or a .gguf",
  });
}
