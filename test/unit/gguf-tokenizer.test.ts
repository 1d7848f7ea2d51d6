import { expect, test } from "vitest";
import { tokenizerMetadata } from "../../tools/tokenizer/gguf-tokenizer.ts";

const facts = { vocabSize: 8, bosId: 0, eosId: 1, chatTemplate: "{{ x }}" };
const tokenizer = (
  change: object = {},
  vocab: object = { "<b>": 0, "<e>": 1, constructor: 2, __proto__x: 3, "1": 4 },
) =>
  new TextEncoder().encode(
    JSON.stringify({
      added_tokens: [
        { id: 0, content: "<b>", special: true },
        { id: 6, content: "<think>", special: false },
      ],
      model: { type: "BPE", vocab, merges: ["a b", ["c", "d e"]] },
      ...change,
    }),
  );
const keys = (json: Uint8Array) =>
  Object.fromEntries(
    tokenizerMetadata(json, "tokenizer.json", facts).map(([key, { value }]) => [key, value]),
  );

test("tokens by id, types by kind, gaps as unused, merges in both spellings", () => {
  const result = keys(tokenizer());
  expect(result["tokenizer.ggml.tokens"]).toEqual([
    "<b>",
    "<e>",
    "constructor",
    "__proto__x",
    "1",
    "[PAD5]",
    "<think>",
    "[PAD7]",
  ]);
  expect(result["tokenizer.ggml.token_type"]).toEqual([3, 1, 1, 1, 1, 5, 4, 5]);
  expect(result["tokenizer.ggml.merges"]).toEqual(["a b", "c d e"]);
  expect(result["tokenizer.ggml.add_bos_token"]).toBe(false);
});

test("ids outside the vocabulary, two tokens with one id, another tokenizer", () => {
  expect(() => keys(tokenizer({}, { a: 8 }))).toThrow(/outside the vocabulary/);
  expect(() => keys(tokenizer({}, { a: 2, b: 2 }))).toThrow(/two tokens have the id 2/);
  expect(() => keys(tokenizer({ model: { type: "Unigram", vocab: {}, merges: [] } }))).toThrow(
    /not a byte-level BPE/,
  );
});
