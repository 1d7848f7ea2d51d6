import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemError } from "../lib/errors.ts";
import { readOptionalFile } from "../lib/files.ts";
import { MAX_CONFIG_BYTES } from "../lib/limits.ts";
import type { ChatProfile } from "../tokenizer/chat-types.ts";
import { openTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { openCheckpoint } from "./open.ts";

export interface FoundTokenizer {
  readonly tokenizer: Tokenizer;
  /** What the config beside it says; absent where there is none. */
  readonly profile?: ChatProfile;
}

/** The tokenizer at a path: a tokenizer.json, a folder that holds one, or a .gguf. Weights are not needed. */
export async function openTokenizerAt(path: string): Promise<FoundTokenizer> {
  const facts = await stat(path).catch((error: unknown) => {
    throw systemError(error, path);
  });
  if (facts.isDirectory()) return inFolder(path);
  if (basename(path) === "tokenizer.json") return inFolder(dirname(path));
  const source = await openCheckpoint(path);
  try {
    return { tokenizer: await openTokenizer(source) };
  } finally {
    await source.close();
  }
}

async function inFolder(folder: string): Promise<FoundTokenizer> {
  const read = (name: string, maxBytes: number) => readOptionalFile(join(folder, name), maxBytes);
  const tokenizer = await openTokenizer({ location: folder, readSidecar: read });
  const config = await read("config.json", MAX_CONFIG_BYTES);
  // Only the weights of 0731 and later have the drafter of that name (evals spec 4.2).
  return config
    ? { tokenizer, profile: new TextDecoder().decode(config).includes('"dspark_') ? "v4-0731" : "v4-preview" }
    : { tokenizer };
}
