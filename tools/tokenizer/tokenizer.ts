import { Tokenizer as BpeTokenizer } from "@huggingface/tokenizers";
import { dataError, inputError } from "../lib/errors.ts";
import { MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { bytesOfToken } from "./byte-alphabet.ts";
import { parseTokenizerJson, type TokenizerJson } from "./tokenizer-json.ts";
import { unicodeSpaces } from "./unicode-spaces.ts";
import { createWordEncoder, type WordEncoder } from "./word-encoder.ts";

/** Byte-level BPE of a checkpoint. Nothing is added to a text: the chat encoding writes BOS itself. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Ids of a text in which the spelling of an added token is that token. */
  encode(text: string): number[];
  /** Ids of a text in which no spelling is a control token. */
  encodeText(text: string): number[];
  /** How many ids `encodeText` gives; the words of a text are encoded once, so long texts are cheap. */
  countText(text: string): number;
  /** The id of an added token; a tokenizer without it is refused. */
  controlId(token: string): number;
  decode(ids: readonly number[]): string;
  /** Decodes ids as they come; bytes of an unfinished character wait for the rest. */
  decodeStream(): { push(id: number): string; end(): string };
}

/** Where a tokenizer is read from: a checkpoint, or a GGUF whose keys stand for the file. */
export interface TokenizerSource {
  readonly location: string;
  readSidecar(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** The tokenizer of a source, or undefined where it has none. */
export async function findTokenizer(source: TokenizerSource): Promise<Tokenizer | undefined> {
  const bytes = await source.readSidecar("tokenizer.json", MAX_TOKENIZER_BYTES);
  const file = `${source.location}/tokenizer.json`;
  return bytes && createTokenizer(parseTokenizerJson(bytes, file), file);
}

/** The tokenizer of a source that must have one. */
export async function openTokenizer(source: TokenizerSource): Promise<Tokenizer> {
  const tokenizer = await findTokenizer(source);
  if (!tokenizer)
    throw inputError({
      what: "no tokenizer: text cannot become tokens",
      file: source.location,
      expected: "a tokenizer.json beside the weights, or tokenizer keys in the GGUF",
    });
  return tokenizer;
}

/** Half of a surrogate pair is no character: it becomes U+FFFD before the text is split, not after. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd");

/** A tokenizer from the content of a tokenizer.json; `file` names it in messages. */
function createTokenizer(json: TokenizerJson, file: string): Tokenizer {
  const texts: string[] = [];
  for (const [text, id] of Object.entries(json.model.vocab)) texts[id] = text;
  const added = new Map(json.added_tokens.map(({ id, content }) => [id, content]));
  const ids = new Map(json.added_tokens.map(({ id, content }) => [content, id]));
  let bpe: BpeTokenizer;
  let words: WordEncoder;
  try {
    const spaced = unicodeSpaces(json) as object;
    bpe = new BpeTokenizer(spaced, {});
    words = createWordEncoder(bpe, spaced);
  } catch (error) {
    throw dataError({ what: `not a tokenizer that can be used: ${(error as Error).message}`, file }, error);
  }
  const decodeStream = () => {
    // U+FEFF is a character of a text here, not the mark of a file.
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push(id: number): string {
        const text = added.get(id);
        // A control token ends a character that was begun.
        if (text !== undefined) return utf8.decode() + text;
        return utf8.decode(bytesOfToken(texts[id] ?? ""), { stream: true });
      },
      end: () => utf8.decode(),
    };
  };
  return {
    vocabSize: [...added.keys()].reduce((size, id) => Math.max(size, id + 1), texts.length),
    encode: (text) => bpe.encode(wellFormed(text), { add_special_tokens: false }).ids,
    encodeText: (text) => words.encode(wellFormed(text)),
    countText: (text) => words.count(wellFormed(text)),
    controlId(token) {
      const id = ids.get(token);
      if (id === undefined) throw dataError({ what: `the tokenizer has no token "${token}"`, file });
      return id;
    },
    decodeStream,
    decode(ids) {
      const stream = decodeStream();
      return ids.map((id) => stream.push(id)).join("") + stream.end();
    },
  };
}
