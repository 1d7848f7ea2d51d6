import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { systemError, V4Error } from "../lib/errors.ts";
import { localFolder, type SourceFolder } from "../lib/files.ts";
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import type { ChatProfile } from "../tokenizer/chat-types.ts";
import { openTokenizer, type Tokenizer, type TokenizerSource } from "../tokenizer/tokenizer.ts";
import { openCheckpoint } from "./open.ts";

export interface FoundTokenizer {
  readonly tokenizer: Tokenizer;
  readonly sha256: string;
  /** What the config beside it says; absent where there is none. */
  readonly profile?: ChatProfile;
  /** The same config, where it is one of V4. */
  readonly config?: ModelConfig;
}

/** SHA-256 of the tokenizer.json of a source, or of the one that a GGUF's keys stand for. */
export async function tokenizerSha256(source: TokenizerSource): Promise<string> {
  const bytes = (await source.readSidecar("tokenizer.json", MAX_TOKENIZER_BYTES)) ?? new Uint8Array();
  return createHash("sha256").update(bytes).digest("hex");
}

/** The tokenizer at a place: a tokenizer.json, a folder that holds one, here or elsewhere, or a .gguf. Weights are not needed. */
export async function openTokenizerAt(place: string | SourceFolder): Promise<FoundTokenizer> {
  if (typeof place !== "string") return inFolder(place);
  const path = place;
  const facts = await stat(path).catch((error: unknown) => {
    throw systemError(error, path);
  });
  if (facts.isDirectory()) return inFolder(localFolder(path));
  if (basename(path) === "tokenizer.json") return inFolder(localFolder(dirname(path)));
  const source = await openCheckpoint(path);
  try {
    return {
      tokenizer: await openTokenizer(source),
      sha256: await tokenizerSha256(source),
      config: source.config,
    };
  } finally {
    await source.close();
  }
}

async function inFolder(folder: SourceFolder): Promise<FoundTokenizer> {
  const { location, pathOf, readOptional } = folder;
  const source = { location, readSidecar: readOptional };
  const found = { tokenizer: await openTokenizer(source), sha256: await tokenizerSha256(source) };
  const bytes = await readOptional("config.json", MAX_CONFIG_BYTES);
  if (!bytes) return found;
  const config = configIn(bytes, pathOf("config.json"));
  return { ...found, profile: profileIn(bytes), ...(config && { config }) };
}

/** Only the weights of 0731 and later have the drafter of that name (evals spec 4.2). */
const profileIn = (config: Uint8Array): ChatProfile =>
  new TextDecoder().decode(config).includes('"dspark_') ? "v4-0731" : "v4-preview";

/** Tokenizers of other models can be looked at too. */
function configIn(bytes: Uint8Array, path: string): ModelConfig | undefined {
  try {
    return parseConfig(parseStrictJson(bytes, path), path);
  } catch (error) {
    if (error instanceof V4Error) return undefined;
    throw error;
  }
}

/** The encoding that a checkpoint's own config asks for; a GGUF does not say. */
export async function findProfile(source: TokenizerSource): Promise<ChatProfile | undefined> {
  const config = await source.readSidecar("config.json", MAX_CONFIG_BYTES);
  return config && profileIn(config);
}
