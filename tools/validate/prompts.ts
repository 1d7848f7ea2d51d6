import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TensorSource } from "../checkpoint/source.ts";
import { dataError, usageError } from "../lib/errors.ts";
import { readSmallFile } from "../lib/files.ts";
import { MAX_PROMPTS_BYTES } from "../lib/limits.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import type { ModelConfig } from "../model/config.ts";
import { findTokenizer, openTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";

/** The token sequences of a validation. */
export interface PromptSet {
  readonly sequences: readonly Sequence[];
  /** Digest of names and ids: the same set gives the same digest. */
  readonly sha256: string;
  /** What the lengths reach, in one line. */
  readonly coverage: string;
  /** True where no tokenizer was there and the ids are drawn at random. */
  readonly synthetic: boolean;
}

export interface Sequence {
  readonly name: string;
  readonly tokens: Int32Array;
}

export interface PromptChoice {
  readonly source: TensorSource;
  /** A text file (one prompt), or .jsonl with `text`, `prompt` or `tokens` in every line. */
  readonly prompts?: string;
  /** JSON: an array of ids, an array of such arrays, or `{"tokens": [...]}`. */
  readonly tokensFile?: string;
  /** Largest number of tokens in all. */
  readonly maxTokens?: number;
}

/** The user's sequences, or the built-in ones; ids are checked against the vocabulary, lengths against the context. */
export async function loadPrompts(choice: PromptChoice): Promise<PromptSet> {
  const { source, prompts, tokensFile, maxTokens = Number.POSITIVE_INFINITY } = choice;
  const file = tokensFile ?? prompts;
  if (file === undefined) return builtinPrompts(source, choice.maxTokens);
  const sequences = tokensFile ? await readTokens(tokensFile) : await readPrompts(file, source);
  for (const sequence of sequences) checkTokens(sequence, source.config, file);
  return promptSet(capped(sequences, maxTokens), source.config, false);
}

async function readTokens(file: string): Promise<Sequence[]> {
  const value = parseJson((await readText(file)).trim(), file);
  const list =
    typeof value === "object" && value !== null && "tokens" in value
      ? (value as { tokens: unknown }).tokens
      : value;
  if (!Array.isArray(list) || list.length === 0)
    throw dataError({ what: "no token ids", file, expected: 'a JSON array, or {"tokens": [...]}' });
  const several = Array.isArray(list[0]);
  return (several ? list : [list]).map((ids, i) => ({
    name: several ? `tokens-${i}` : "tokens",
    tokens: toIds(ids, several ? `${file}, sequence ${i}` : file),
  }));
}

async function readPrompts(file: string, source: TensorSource): Promise<Sequence[]> {
  const text = await readText(file);
  let tokenizer: Promise<Tokenizer> | undefined;
  const encode = async (words: string): Promise<Int32Array> => {
    tokenizer ??= openTokenizer(source);
    return withBos(source.config, (await tokenizer).encode(words));
  };
  if (!file.endsWith(".jsonl")) return [{ name: "text", tokens: await encode(text) }];
  const sequences: Sequence[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const where = `${file}, line ${i + 1}`;
    const entry = parseJson(line, where) as Record<string, unknown> | null;
    const words = entry?.text ?? entry?.prompt;
    const name = typeof entry?.id === "string" ? entry.id : `line-${i + 1}`;
    if (Array.isArray(entry?.tokens)) sequences.push({ name, tokens: toIds(entry.tokens, where) });
    else if (typeof words === "string") sequences.push({ name, tokens: await encode(words) });
    else
      throw dataError({
        what: "not a prompt",
        file: where,
        expected: 'an object with "text", "prompt" or "tokens"',
      });
  }
  if (sequences.length === 0) throw dataError({ what: "no prompts", file });
  return sequences;
}

/** A prompt that writes BOS itself gets no second one, and no text stays no tokens. */
const withBos = ({ bosId }: ModelConfig, ids: readonly number[]): Int32Array =>
  Int32Array.from(ids.length === 0 || ids[0] === bosId ? ids : [bosId, ...ids]);

/**
 * Lengths that reach what changes with length: every residue mod 4 (CSA blocks), both sides of multiples of 128 (window,
 * HCA blocks), and rows enough that the indexer must choose. The most telling come first, so that a small cap keeps them.
 */
const builtinLengths = ({ indexer }: ModelConfig): number[] => [
  131,
  ...[1, 2, 3, 4, 5, 6, 7],
  258,
  ...[127, 128, 129],
  4 * indexer.topK + 37,
  ...[255, 256, 257],
];

async function builtinPrompts(source: TensorSource, maxTokens: number | undefined): Promise<PromptSet> {
  const { config } = source;
  const tokenizer = await findTokenizer(source);
  const text = tokenizer && usable(await frozenText(tokenizer), config);
  const ids = text ?? randomIds(config.vocabSize, 8192);
  let at = 0;
  let left = maxTokens ?? Number.POSITIVE_INFINITY;
  const sequences: Sequence[] = [];
  const take = (length: number): void => {
    const tokens = new Int32Array(length);
    tokens[0] = config.bosId;
    for (let i = 1; i < length; i++) tokens[i] = ids[at++ % ids.length];
    sequences.push({ name: `builtin-${length}`, tokens });
    left -= length;
  };
  for (const length of builtinLengths(config))
    if (length <= left && length <= config.contextLength) take(length);
  // More was asked for than the lengths need: the rest of the text, in pieces.
  while (maxTokens !== undefined && left > 0 && (at < ids.length || sequences.length === 0))
    take(Math.min(left, 512, config.contextLength));
  return promptSet(sequences, config, text === undefined);
}

const frozenText = async (tokenizer: Tokenizer): Promise<number[]> =>
  tokenizer.encode(await readFile(join(PACKAGE_ROOT, "configs/prompts/builtin.txt"), "utf8"));

/** A tokenizer with more tokens than the model has rows belongs to another model. */
const usable = (ids: readonly number[], { vocabSize }: ModelConfig): readonly number[] | undefined =>
  ids.every((id) => id < vocabSize) ? ids : undefined;

function randomIds(vocabSize: number, count: number): Int32Array {
  let state = 0x2545f491;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabSize);
  });
}

/** The first sequences that fit; the one that crosses the cap is cut. */
function capped(sequences: readonly Sequence[], maxTokens: number): Sequence[] {
  let left = maxTokens;
  const kept: Sequence[] = [];
  for (const { name, tokens } of sequences) {
    if (left <= 0) break;
    kept.push({ name, tokens: tokens.slice(0, left) });
    left -= tokens.length;
  }
  return kept;
}

function promptSet(sequences: readonly Sequence[], config: ModelConfig, synthetic: boolean): PromptSet {
  const hash = createHash("sha256");
  for (const { name, tokens } of sequences) hash.update(`${name}\n${tokens.join(" ")}\n`);
  return { sequences, sha256: hash.digest("hex"), coverage: coverageOf(sequences, config), synthetic };
}

function coverageOf(sequences: readonly Sequence[], { indexer, compressRatios }: ModelConfig): string {
  const lengths = sequences.map(({ tokens }) => tokens.length);
  const residues = new Set(lengths.map((length) => length % 4)).size;
  const longest = Math.max(...lengths);
  const total = lengths.reduce((a, b) => a + b, 0);
  const choice = compressRatios.includes(4)
    ? `indexer ${longest > 4 * indexer.topK + 3 ? "chooses" : `never chooses (needs ${4 * indexer.topK + 4} tokens)`}`
    : "no indexer";
  return `${sequences.length} ${sequences.length === 1 ? "sequence" : "sequences"}, ${total} tokens, ends at ${residues} of 4 residues, ${Math.floor(longest / 128)} HCA blocks, ${choice}`;
}

function checkTokens({ name, tokens }: Sequence, config: ModelConfig, file: string): void {
  if (tokens.length === 0) throw dataError({ what: `the prompt "${name}" has no tokens`, file });
  if (tokens.length > config.contextLength)
    throw usageError({
      what: `the prompt "${name}" is longer than the model's context`,
      file,
      expected: `at most ${config.contextLength} tokens`,
      found: String(tokens.length),
    });
  const at = tokens.findIndex((id) => id < 0 || id >= config.vocabSize);
  if (at >= 0)
    throw dataError({
      what: `the prompt "${name}" has a token outside the vocabulary at index ${at}`,
      file,
      expected: `0 to ${config.vocabSize - 1}`,
      found: String(tokens[at]),
    });
}

function toIds(value: unknown, where: string): Int32Array {
  if (!Array.isArray(value)) throw dataError({ what: "not an array of token ids", file: where });
  const at = value.findIndex((id) => !Number.isInteger(id) || Math.abs(id as number) > 0x7fffffff);
  if (at >= 0)
    throw dataError({
      what: `not a token id at index ${at}`,
      file: where,
      expected: "a whole number below 2^31",
      found: JSON.stringify(value[at]).slice(0, 40),
    });
  return Int32Array.from(value as number[]);
}

async function readText(file: string): Promise<string> {
  return new TextDecoder().decode(await readSmallFile(file, MAX_PROMPTS_BYTES));
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw dataError({ what: `not valid JSON: ${(error as Error).message}`, file: where }, error);
  }
}
