import { bool, type GgufMetadata, type GgufValue, i32s, str, strs, u32 } from "../formats/gguf/values.ts";
import { dataError } from "../lib/errors.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";

/** Token types of ggml vocabularies. */
const TYPE = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

export interface TokenizerFacts {
  readonly vocabSize: number;
  readonly bosId: number;
  readonly eosId: number;
  /** Jinja text. */
  readonly chatTemplate: string;
}

/**
 * The `tokenizer.*` keys of a GGUF from tokenizer.json: byte-level BPE under the pre-tokenizer name that engines
 * know V4's splits by. `add_bos_token` is false because the chat template writes BOS itself.
 */
export function tokenizerMetadata(
  json: Uint8Array,
  file: string,
  facts: TokenizerFacts,
): [string, GgufValue][] {
  const { added_tokens: added, model } = parseTokenizerJson(json, file);
  const { vocabSize } = facts;
  const tokens: (string | undefined)[] = new Array(vocabSize).fill(undefined);
  const types: number[] = new Array(vocabSize).fill(TYPE.unused);
  const place = (id: number, text: string, type: number): void => {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw dataError({
        what: `the token "${text}" has an id outside the vocabulary`,
        file,
        expected: `0 to ${vocabSize - 1}`,
        found: String(id),
      });
    if (tokens[id] !== undefined && tokens[id] !== text)
      throw dataError({ what: `two tokens have the id ${id}: "${tokens[id]}" and "${text}"`, file });
    tokens[id] = text;
    types[id] = type;
  };
  for (const [text, id] of Object.entries(model.vocab)) place(id, text, TYPE.normal);
  for (const { id, content, special } of added) place(id, content, special ? TYPE.control : TYPE.userDefined);
  return Object.entries({
    "tokenizer.ggml.model": str("gpt2"),
    "tokenizer.ggml.pre": str("joyai-llm"),
    "tokenizer.ggml.tokens": strs(tokens.map((text, id) => text ?? `[PAD${id}]`)),
    "tokenizer.ggml.token_type": i32s(types),
    "tokenizer.ggml.merges": strs(
      model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" "))),
    ),
    "tokenizer.ggml.bos_token_id": u32(facts.bosId),
    "tokenizer.ggml.eos_token_id": u32(facts.eosId),
    "tokenizer.ggml.padding_token_id": u32(facts.eosId),
    "tokenizer.ggml.add_bos_token": bool(false),
    "tokenizer.ggml.add_eos_token": bool(false),
    "tokenizer.chat_template": str(facts.chatTemplate),
  });
}

/** The splits of V4's pre-tokenizer, which a GGUF names and does not spell out (evals spec 4.6). */
const PRE_TOKENIZER = [
  "\\p{N}{1,3}",
  "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
];

/** The tokenizer.json that the keys of a GGUF stand for, or undefined where they are not those of V4. */
export function tokenizerJsonOf(metadata: GgufMetadata): Uint8Array | undefined {
  const list = (key: string): readonly unknown[] | undefined => {
    const value = metadata.get(`tokenizer.ggml.${key}`)?.value;
    return Array.isArray(value) || ArrayBuffer.isView(value)
      ? Array.from(value as ArrayLike<unknown>)
      : undefined;
  };
  const [tokens, types, merges] = [list("tokens"), list("token_type"), list("merges")];
  if (metadata.get("tokenizer.ggml.pre")?.value !== "joyai-llm" || !tokens || !types || !merges)
    return undefined;
  const vocab: [string, number][] = [];
  const added: object[] = [];
  for (const [id, content] of (tokens as string[]).entries()) {
    if (types[id] === TYPE.normal) vocab.push([content, id]);
    if (types[id] === TYPE.control || types[id] === TYPE.userDefined)
      added.push({ id, content, special: types[id] === TYPE.control, normalized: false });
  }
  const split = (regex: string) => ({
    type: "Split",
    pattern: { Regex: regex },
    behavior: "Isolated",
    invert: false,
  });
  const json = {
    added_tokens: added,
    normalizer: null,
    post_processor: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...PRE_TOKENIZER.map(split),
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(vocab), merges },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}
