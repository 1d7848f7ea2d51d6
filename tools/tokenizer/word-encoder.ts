import { Tokenizer as BpeTokenizer } from "@huggingface/tokenizers";
import { MAX_CACHED_WORD, MAX_CACHED_WORDS } from "../lib/limits.ts";
import { tokenOfBytes } from "./byte-alphabet.ts";

/** Encodes text in which nothing is a control token. */
export interface WordEncoder {
  encode(text: string): number[];
  /** How many ids `encode` gives, without their list. */
  count(text: string): number;
}

interface Step {
  readonly type?: string;
  readonly add_prefix_space?: boolean;
  readonly use_regex?: boolean;
  readonly pretokenizers?: readonly Step[];
}

/**
 * The library's own splits and merges, without its search for added tokens, and with the ids of every word kept: ordinary
 * text repeats its words, so this is several times as fast. `bpe` is the tokenizer of `json`.
 */
export function createWordEncoder(bpe: BpeTokenizer, json: object): WordEncoder {
  const { split, symbols } = wordSplitter(bpe, json);
  const known = new Map<string, readonly number[]>();
  const idsOf = (word: string): readonly number[] => {
    const ids = known.get(word);
    if (ids) return ids;
    const fresh = (bpe.model?.([symbols(word)]) ?? []).map(
      (token: string) => bpe.token_to_id(token) as number,
    );
    if (word.length <= MAX_CACHED_WORD) {
      if (known.size === MAX_CACHED_WORDS) known.clear();
      // A copy: a word cut out of a text keeps the whole of it in memory.
      known.set(Buffer.from(word, "utf16le").toString("utf16le"), fresh);
    }
    return fresh;
  };
  const wordsOf = (text: string): readonly string[] =>
    text === "" ? [] : split(bpe.normalizer ? bpe.normalizer(text) : text);
  return {
    encode(text) {
      const ids: number[] = [];
      for (const word of wordsOf(text)) for (const id of idsOf(word)) ids.push(id);
      return ids;
    },
    count: (text) => wordsOf(text).reduce((sum, word) => sum + idsOf(word).length, 0),
  };
}

/**
 * Words of a text, and the symbols that merges know them by. Where bytes become symbols as the last step, as in V4, words
 * are looked up before it: it costs more than all the rest.
 */
function wordSplitter(bpe: BpeTokenizer, json: object) {
  const { pre_tokenizer: whole } = json as { readonly pre_tokenizer?: Step | null };
  const steps = whole?.type === "Sequence" ? (whole.pretokenizers ?? []) : whole ? [whole] : [];
  const last = steps.at(-1);
  if (last?.type !== "ByteLevel" || last.add_prefix_space || last.use_regex !== false)
    return { split: (text: string) => bpe.pre_tokenizer?.(text) ?? [text], symbols: (word: string) => word };
  const { pre_tokenizer: splits } = new BpeTokenizer(
    {
      ...json,
      added_tokens: [],
      model: { type: "BPE", vocab: {}, merges: [] },
      pre_tokenizer: { type: "Sequence", pretokenizers: steps.slice(0, -1) },
    },
    {},
  );
  const utf8 = new TextEncoder();
  return {
    split: (text: string) => splits?.(text) ?? [text],
    symbols: (word: string) => tokenOfBytes(utf8.encode(word)),
  };
}
