import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { inputError } from "../lib/errors.ts";
import { readOptionalFile } from "../lib/files.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What the embedded checkpoint has not seen in training; a clone of the repository has it, the package does not. */
const FOLDER = join(PACKAGE_ROOT, "test/fixtures/tiny-v4");
/** Tokens of a chunk of text without the BOS in front of it, as `expected.json` cuts it. */
const CHUNK_TOKENS = 1023;
const MAX_BYTES = 1 << 22;

/** A prompt that hides one fact, and the continuation that tells it. */
export interface Needle {
  readonly length: number;
  readonly prompt_ids: readonly number[];
  readonly answer_ids: readonly number[];
}

/** `count` chunks of the held-out text, spread evenly over its kinds of documents. */
export async function heldoutChunks(
  tokenizer: Tokenizer,
  bosId: number,
  count: number,
): Promise<readonly (readonly number[])[]> {
  const ids = tokenizer.encode((await fixture("heldout.txt")).toString("utf8"));
  const whole = Math.floor(ids.length / CHUNK_TOKENS);
  return spread(whole, count).map((i) => [bosId, ...ids.slice(i * CHUNK_TOKENS, (i + 1) * CHUNK_TOKENS)]);
}

/** `count` needles of 512 tokens and as many of 2,048, where the indexer leaves rows out. */
export async function singleNeedles(count: number): Promise<readonly Needle[]> {
  const all = gunzipSync(await fixture("single-needles.jsonl.gz"), { maxOutputLength: MAX_BYTES })
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Needle);
  return [512, 2048].flatMap((length) => {
    const ofLength = all.filter((needle) => needle.length === length);
    return spread(ofLength.length, count).map((i) => ofLength[i]);
  });
}

const spread = (of: number, count: number): number[] =>
  Array.from({ length: Math.min(of, count) }, (_, i) => Math.floor((i * of) / Math.min(of, count)));

async function fixture(name: string): Promise<Buffer> {
  const path = join(FOLDER, name);
  const bytes = await readOptionalFile(path, MAX_BYTES);
  if (bytes) return Buffer.from(bytes);
  throw inputError({
    what: "the held-out data of the embedded checkpoint are not here",
    file: path,
    next: "run this in a clone of the repository",
  });
}
