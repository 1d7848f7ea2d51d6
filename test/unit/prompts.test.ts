import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import type { ModelConfig } from "../../tools/model/config.ts";
import { openTokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { loadPrompts, type PromptChoice, type PromptSet } from "../../tools/validate/prompts.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const source = await openCheckpoint(DEMO_CHECKPOINT);
afterAll(() => source.close());
const { bosId, vocabSize, indexer } = source.config;

/** The embedded checkpoint as if it were another. */
const withConfig = (change: Partial<ModelConfig>): TensorSource => ({
  ...source,
  config: { ...source.config, ...change },
});
const withoutTokenizer: TensorSource = { ...source, readSidecar: async () => undefined };

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const lengthsOf = ({ sequences }: PromptSet): number[] => sequences.map(({ tokens }) => tokens.length);
const idsOf = ({ sequences }: PromptSet): number[][] => sequences.map(({ tokens }) => Array.from(tokens));
const totalOf = (set: PromptSet): number => lengthsOf(set).reduce((a, b) => a + b, 0);

describe("the built-in prompts", () => {
  test.each([8, 256, 512])("lengths reach all that changes with length, indexer of %i rows", async (topK) => {
    const set = await loadPrompts({ source: withConfig({ indexer: { ...indexer, topK } }) });
    const lengths = lengthsOf(set);
    expect(new Set(lengths.map((length) => length % 4)).size).toBe(4);
    for (const length of [1, 4, 127, 128, 129, 255, 256, 257]) expect(lengths).toContain(length);
    // A row per 4 tokens: from one more than topK on the indexer must leave some out.
    expect(lengths.some((length) => Math.floor(length / 4) > topK)).toBe(true);
    expect(lengths.some((length) => Math.floor(length / 4) <= topK)).toBe(true);
    expect(set.coverage).toMatch(/ends at 4 of 4 residues, .* indexer chooses$/);
  });

  test("text of the tokenizer, each piece after BOS, no piece twice", async () => {
    const set = await loadPrompts({ source });
    const tokenizer = await openTokenizer(source);
    for (const ids of idsOf(set)) expect(ids.filter((id) => id === bosId)).toEqual([bosId]);
    expect(set.synthetic).toBe(false);
    const pieces = idsOf(set).map(([, ...ids]) => tokenizer.decode(ids));
    const long = pieces.filter(({ length }) => length > 100).map((piece) => piece.slice(0, 50));
    expect(new Set(long).size).toBe(long.length);
    expect(pieces[0]).toMatch(/[a-z]+ [a-z]+/);
  });

  test("the same for ever: digests as frozen", async () => {
    const [all, again, some] = [
      await loadPrompts({ source }),
      await loadPrompts({ source }),
      await loadPrompts({ source, maxTokens: 500 }),
    ];
    expect(idsOf(again)).toEqual(idsOf(all));
    expect(all.sha256).toBe("e3bfee82419ba392146f8d00fdd42364b3f518a83397940635f55e7468fd0ef3");
    expect(some.sha256).toBe("6210546de06914c40ed7a8178b742e8fd554827a4a3bac261239335ae7fc27f0");
    expect((await loadPrompts({ source: withoutTokenizer })).sha256).toBe(
      "61e22f6961e70086bc0bdfd4f6e879e6bd84771e9a99d578d6fee2d7b6c239cb",
    );
  });

  test.each([1, 2, 3, 5, 130, 131, 500, 1000, 3000])(
    "a cap of %i tokens is used up and kept",
    async (cap) => {
      const set = await loadPrompts({ source, maxTokens: cap });
      expect(totalOf(set)).toBe(cap);
      expect(Math.min(...lengthsOf(set))).toBeGreaterThan(0);
      if (cap >= 131) expect(lengthsOf(set)).toContain(131);
    },
  );

  test("no piece is longer than the context", async () => {
    const lengths = lengthsOf(
      await loadPrompts({ source: withConfig({ contextLength: 200 }), maxTokens: 2000 }),
    );
    expect(Math.max(...lengths)).toBe(200);
    expect(lengths.reduce((a, b) => a + b, 0)).toBe(2000);
  });

  test("without a tokenizer, or with that of a larger model, the ids are random and within the vocabulary", async () => {
    for (const other of [withoutTokenizer, withConfig({ vocabSize: 100 })]) {
      const set = await loadPrompts({ source: other });
      expect(set.synthetic).toBe(true);
      const ids = idsOf(set).flat();
      expect(Math.max(...ids)).toBeLessThan(other.config.vocabSize);
      expect(Math.min(...ids)).toBeGreaterThanOrEqual(0);
      expect(new Set(ids).size).toBeGreaterThan(0.6 * other.config.vocabSize);
    }
  });

  test("a model without an indexer says so", async () => {
    const set = await loadPrompts({ source: withConfig({ compressRatios: [0, 128, 0, 128, 0] }) });
    expect(set.coverage).toMatch(/no indexer$/);
    const short = await loadPrompts({ source, maxTokens: 10 });
    expect(short.coverage).toContain(`indexer never chooses (needs ${4 * indexer.topK + 4} tokens)`);
  });
});

describe("prompts of the user", () => {
  test("a text file is one prompt after BOS, and gets no second BOS", async () => {
    const tokenizer = await openTokenizer(source);
    const text = "In the beginning\nwas the word.\n";
    const set = await loadPrompts({ source, prompts: file("a.txt", text) });
    expect(idsOf(set)).toEqual([[bosId, ...tokenizer.encode(text)]]);
    expect(set.sequences[0].name).toBe("text");
    const marked = file("b.txt", `<｜begin▁of▁sentence｜>${text}`);
    expect(idsOf(await loadPrompts({ source, prompts: marked }))).toEqual(idsOf(set));
  });

  test("a line of .jsonl has text, a prompt or ids; names are ids or line numbers, blank lines count", async () => {
    const tokenizer = await openTokenizer(source);
    const prompts = file(
      "a.jsonl",
      '{"text":"one","id":"first"}\n\n{"prompt":"two","id":7}\r\n{"tokens":[5,6],"text":"ignored"}\n',
    );
    const set = await loadPrompts({ source, prompts });
    expect(idsOf(set)).toEqual([
      [bosId, ...tokenizer.encode("one")],
      [bosId, ...tokenizer.encode("two")],
      [5, 6],
    ]);
    expect(set.sequences.map(({ name }) => name)).toEqual(["first", "line-3", "line-4"]);
  });

  test("the tokenizer is read once for all lines, and not at all for ids", async () => {
    let reads = 0;
    const counted: TensorSource = {
      ...source,
      readSidecar: (name, maxBytes) => {
        reads++;
        return source.readSidecar(name, maxBytes);
      },
    };
    await loadPrompts({ source: counted, prompts: file("ids.jsonl", '{"tokens":[5,6]}\n') });
    expect(reads).toBe(0);
    await loadPrompts({ source: counted, prompts: file("texts.jsonl", '{"text":"a"}\n'.repeat(50)) });
    expect(reads).toBe(1);
  });

  test.each([
    ["[1, 2, 3]", [[1, 2, 3]], ["tokens"]],
    ['{"tokens": [1, 2, 3]}', [[1, 2, 3]], ["tokens"]],
    ["[[1, 2], [3]]", [[1, 2], [3]], ["tokens-0", "tokens-1"]],
    ['\n{"tokens": [[1], [2, 3]], "note": "x"}\n', [[1], [2, 3]], ["tokens-0", "tokens-1"]],
  ])("a tokens file: %j", async (content, ids, names) => {
    const set = await loadPrompts({ source, tokensFile: file("t.json", content) });
    expect(idsOf(set)).toEqual(ids);
    expect(set.sequences.map(({ name }) => name)).toEqual(names);
    expect(set.synthetic).toBe(false);
  });

  test("a cap keeps the first ones and cuts the one that crosses it", async () => {
    const tokensFile = file("cap.json", "[[1, 2], [3, 4, 5], [6]]");
    const ids = async (maxTokens: number) => idsOf(await loadPrompts({ source, tokensFile, maxTokens }));
    expect(await ids(1)).toEqual([[1]]);
    expect(await ids(2)).toEqual([[1, 2]]);
    expect(await ids(4)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await ids(99)).toEqual([[1, 2], [3, 4, 5], [6]]);
  });

  test("the digest depends on ids and names alone", async () => {
    const digest = async (content: string) =>
      (await loadPrompts({ source, tokensFile: file(`${content}.json`, content) })).sha256;
    expect(await digest("[1, 2]")).toBe(await digest('{"tokens": [1, 2]}'));
    const others = ["[1, 2]", "[2, 1]", "[12]", "[[1, 2]]", "[[1], [2]]"];
    expect(new Set(await Promise.all(others.map(digest))).size).toBe(others.length);
  });
});

describe("prompts that can't be used are one line", () => {
  const ids = (content: string): PromptChoice => ({ source, tokensFile: file("bad.json", content) });
  const lines = (content: string): PromptChoice => ({ source, prompts: file("bad.jsonl", content) });
  const text = (content: string): PromptChoice => ({ source, prompts: file("bad.txt", content) });

  test.each<[string, () => PromptChoice, string, RegExp]>([
    [
      "an id beyond the vocabulary",
      () => ids(`[1, ${vocabSize}]`),
      "data",
      /outside the vocabulary at index 1 \(expected 0 to 1791, found 1792\)/,
    ],
    [
      "a negative id",
      () => ids("[[1], [-1]]"),
      "data",
      /"tokens-1" has a token outside the vocabulary at index 0/,
    ],
    ["a fraction", () => ids("[1, 2.5]"), "data", /not a token id at index 1 .*found 2\.5/],
    [
      "a word",
      () => ids('[[1], [2, "a"]]'),
      "data",
      /bad\.json, sequence 1: not a token id at index 1 .*found "a"/,
    ],
    ["null", () => ids("[null]"), "data", /not a token id at index 0 .*found null/],
    [
      "more than 32 bits",
      () => ids("[4294967297]"),
      "data",
      /not a token id at index 0 .*2\^31, found 4294967297/,
    ],
    [
      "a list amid lists that is none",
      () => ids("[[1], 2]"),
      "data",
      /sequence 1: not an array of token ids/,
    ],
    ["no ids", () => ids("[]"), "data", /no token ids/],
    ["no ids in one of the lists", () => ids("[[1], []]"), "data", /"tokens-1" has no tokens/],
    ["no list", () => ids('{"ids": [1]}'), "data", /no token ids .*expected a JSON array/],
    ["no JSON", () => ids("1 2 3"), "data", /not valid JSON/],
    ["an empty tokens file", () => ids(""), "data", /not valid JSON/],
    [
      "a broken line",
      () => lines('{"text":"a"}\n\n{"text":\n'),
      "data",
      /bad\.jsonl, line 3: not valid JSON/,
    ],
    [
      "a line without a prompt",
      () => lines('\n{"words":"a"}\n'),
      "data",
      /bad\.jsonl, line 2: not a prompt .*"tokens"/,
    ],
    ["a line that is null", () => lines("null\n"), "data", /line 1: not a prompt/],
    ["a line that is a list", () => lines("[1, 2]\n"), "data", /line 1: not a prompt/],
    [
      "a line with a bad id",
      () => lines('\n{"tokens":[1,"x"]}\n'),
      "data",
      /line 2: not a token id at index 1/,
    ],
    ["a line with no ids", () => lines('{"tokens":[]}\n'), "data", /"line-1" has no tokens/],
    ["a line with no text", () => lines('{"text":""}\n'), "data", /"line-1" has no tokens/],
    ["no lines", () => lines("\n\n"), "data", /no prompts/],
    ["an empty text", () => text(""), "data", /"text" has no tokens/],
    ["no such file", () => ({ source, prompts: join(folder, "none.txt") }), "input", /no such file/],
    [
      "a text for a model without a tokenizer",
      () => ({ ...text("a"), source: withoutTokenizer }),
      "input",
      /no tokenizer/,
    ],
    [
      "a prompt beyond the context",
      () => ({ ...ids("[1, 2, 3]"), source: withConfig({ contextLength: 2 }) }),
      "usage",
      /longer than the model's context \(expected at most 2 tokens, found 3\)/,
    ],
  ])("%s", async (_, choice, kind, message) => {
    const error = await loadPrompts(choice()).then(
      () => expect.unreachable(),
      (reason) => reason as Error,
    );
    expect(error).toMatchObject({ name: "V4Error", kind });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
  });

  test("a cap that cuts a prompt does not hide that it is too long", async () => {
    const tokensFile = file("long.json", JSON.stringify(new Array(9).fill(1)));
    const tight = withConfig({ contextLength: 8 });
    await expect(loadPrompts({ source: tight, tokensFile, maxTokens: 4 })).rejects.toThrow(/longer than/);
  });

  test("a text too large to be a prompt is refused before it is read", async () => {
    const path = file("huge.txt", "");
    truncateSync(path, 64 * 2 ** 20 + 1);
    await expect(loadPrompts({ source, prompts: path })).rejects.toThrow(/unreasonably large/);
  });
});
