import { describe, expect, test } from "vitest";
import { openTokenizer, type Tokenizer } from "../../tools/tokenizer/tokenizer.ts";

describe("a tokenizer.json that is missing, broken or of another kind is one line", () => {
  const open = (json: unknown): Promise<Tokenizer> => {
    const bytes = new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));
    return openTokenizer({ location: "model", readSidecar: async () => bytes });
  };
  const good = {
    added_tokens: [{ id: 5, content: "<x>", special: true }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false, trim_offsets: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { a: 0, b: 1, ab: 3 }, merges: [["a", "b"]] },
  };

  test("this one is sound; an id that nothing has decodes to nothing", async () => {
    const tokenizer = await open(good);
    expect(tokenizer.vocabSize).toBe(6);
    expect(tokenizer.encode("aab<x>")).toEqual([0, 3, 5]);
    expect(tokenizer.decode([2, 3, 4, 5])).toBe("ab<x>");
  });

  test.each(["constructor", "__proto__", "toString"])("%s may be a token", async (word) => {
    const prefixes = Array.from(word, (_, i) => word.slice(0, i + 1));
    const tokens = [...new Set([...word, ...prefixes])];
    const merges = prefixes.slice(1).map((prefix) => [prefix.slice(0, -1), prefix.at(-1)]);
    // The two last characters of __proto__ merge first, as the two first ones do.
    merges.push([word.slice(0, -2), word.slice(-2)]);
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    const tokenizer = await open({ ...good, model: { ...good.model, vocab, merges } });
    expect(tokenizer.encode(word)).toEqual([tokens.indexOf(word)]);
    expect(tokenizer.decode([tokens.indexOf(word)])).toBe(word);
  });

  test.each([
    ["text that is no JSON", "{", /^model\/tokenizer\.json: not valid JSON/],
    ["null", null, /not a byte-level BPE tokenizer: \(root\)/],
    ["no model", { ...good, model: undefined }, /tokenizer: model: .*undefined/],
    ["no added tokens", { ...good, added_tokens: undefined }, /tokenizer: added_tokens: /],
    ["another algorithm", { ...good, model: { ...good.model, type: "Unigram" } }, /model\.type: .*"Unigram"/],
    ["no merges", { ...good, model: { ...good.model, merges: undefined } }, /model\.merges: /],
    ["a token without a number", { ...good, model: { ...good.model, vocab: { a: "0" } } }, /model\.vocab: /],
    ["a negative id", { ...good, model: { ...good.model, vocab: { a: -1 } } }, /model\.vocab: /],
    [
      "a fraction as id",
      { ...good, added_tokens: [{ id: 1.5, content: "c", special: true }] },
      /added_tokens\.0\.id: /,
    ],
    ["an unknown pre-tokenizer", { ...good, pre_tokenizer: { type: "Nope" } }, /can be used: .*Nope/],
    [
      "a broken pattern",
      {
        ...good,
        pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated", invert: false },
      },
      /can be used: Invalid regular expression/,
    ],
  ])("%s", async (_, json, message) => {
    const error = await open(json).then(
      () => expect.unreachable(),
      (reason) => reason as Error,
    );
    expect(error).toMatchObject({ name: "V4Error", kind: "data" });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^model\/tokenizer\.json: [^\n]+$/);
  });

  test("none at all", async () => {
    await expect(
      openTokenizer({ location: "model", readSidecar: async () => undefined }),
    ).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(/^model: no tokenizer: [^\n]+$/),
    });
  });
});
