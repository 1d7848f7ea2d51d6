import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { bytesOfToken } from "../../tools/tokenizer/byte-alphabet.ts";
import type { Tokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { unicodeSpaces } from "../../tools/tokenizer/unicode-spaces.ts";
import { cli, ROOT } from "../support/cli.ts";
import { goldenCheckpoint } from "../support/golden.ts";
import { scratchFolder } from "../support/scratch.ts";
import { heldoutText, singleNeedles } from "../support/tiny-v4.ts";
import { tokenizerOf } from "../support/tokenizers.ts";

const folder = scratchFolder();

const readJson = (...path: string[]): unknown => JSON.parse(readFileSync(join(ROOT, ...path), "utf8"));

interface Vector {
  readonly text: string;
  readonly ids: readonly number[];
}

const goldenVectors = readJson("test/fixtures/golden/case-a/tokenizer_vectors.json") as Vector[];
const hardVectors = readJson("test/vectors/tokenizer/tokenizers.json") as Vector[];
const demo = await tokenizerOf(DEMO_CHECKPOINT);

/** Pieces as they come, the last one from `end`. */
function streamed(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = tokenizer.decodeStream();
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

describe("ids that others computed", () => {
  test("golden vectors of case-a, both ways", async () => {
    const tokenizer = await tokenizerOf(goldenCheckpoint("case-a"));
    expect(goldenVectors.length).toBe(12);
    for (const { text, ids } of goldenVectors) {
      expect(tokenizer.encode(text), text).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  test("hard texts, both ways: spaces, marks, scripts, added tokens, names of JavaScript's own properties", () => {
    expect(hardVectors.length).toBeGreaterThan(200);
    for (const { text, ids } of hardVectors) {
      expect(demo.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(demo.decode(ids)).toBe(text);
    }
  });

  test("every prompt of the retrieval set and its answer", () => {
    for (const { prompt, prompt_ids, answer_text, answer_ids } of singleNeedles()) {
      expect(demo.encode(prompt)).toEqual(prompt_ids);
      expect(demo.encode(prompt + answer_text)).toEqual([...prompt_ids, ...answer_ids]);
      expect(demo.decode(prompt_ids)).toBe(prompt);
    }
  });

  test("the held-out text has as many tokens as its measurement says, and comes back", () => {
    const ids = demo.encode(heldoutText());
    expect(ids.length).toBe(24_437);
    expect(demo.decode(ids)).toBe(heldoutText());
  });
});

describe("decoding", () => {
  test("any text comes back, at once and token by token", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const ids = demo.encode(text);
        expect(demo.decode(ids)).toBe(text);
        expect(streamed(demo, ids).join("")).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  test("a character of several tokens appears whole, with its last byte", () => {
    for (const character of ["😀", "龘", "½"]) {
      const ids = demo.encode(character);
      expect(ids.length).toBeGreaterThan(1);
      expect(streamed(demo, ids)).toEqual([...ids.slice(1).map(() => ""), character, ""]);
    }
  });

  test("bytes that are no UTF-8 become replacement characters, wherever the character is broken off", () => {
    const emoji = demo.encode("😀");
    const [a] = demo.encode("a");
    const end = demo.encode("<｜end▁of▁sentence｜>");
    const cut = emoji.slice(0, -1);
    expect(demo.decode(cut)).toBe("\ufffd");
    expect(streamed(demo, cut).at(-1)).toBe("\ufffd");
    expect(demo.decode([...cut, a])).toBe("\ufffda");
    expect(demo.decode([...cut, ...end])).toBe("\ufffd<｜end▁of▁sentence｜>");
    expect(demo.decode([...cut, ...end, ...emoji.slice(-1)])).toBe("\ufffd<｜end▁of▁sentence｜>\ufffd");
  });

  test("U+FEFF is a character like any other, at the start and after a control token", () => {
    for (const text of ["\ufeff", "\ufeffa", "<｜User｜>\ufeffa"])
      expect(demo.decode(demo.encode(text))).toBe(text);
  });

  test("ids beyond the vocabulary decode to nothing", () => {
    const [a, b] = [demo.encode("a"), demo.encode("b")].flat();
    expect(demo.decode([a, demo.vocabSize, 1e6, -1, b])).toBe("ab");
  });

  test("two streams of one tokenizer don't share unfinished bytes", () => {
    const [first, ...rest] = demo.encode("😀");
    const [one, other] = [demo.decodeStream(), demo.decodeStream()];
    one.push(first);
    expect(other.push(demo.encode("a")[0])).toBe("a");
    expect(rest.map((id) => one.push(id)).join("") + one.end()).toBe("😀");
  });

  test("the byte alphabet has one character per byte, as its published rule says", () => {
    expect(Array.from(bytesOfToken("Ġ!~¡¬®ÿĀĊġł"))).toEqual([
      0x20, 0x21, 0x7e, 0xa1, 0xac, 0xae, 0xff, 0x00, 0x0a, 0x7f, 0xa0,
    ]);
    const characters = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code));
    const bytes = characters.flatMap((character) => Array.from(bytesOfToken(character)));
    expect(bytes.sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
    expect(bytesOfToken(" \n\u00ad\u0144漢").length).toBe(0);
  });
});

describe("special tokens", () => {
  test("each is one id, alone and amid text; half of one is text", () => {
    const { added_tokens } = readJson("tools/demo/checkpoint/tokenizer.json") as {
      added_tokens: { id: number; content: string }[];
    };
    expect(added_tokens.length).toBe(19);
    for (const { id, content } of added_tokens) {
      expect(demo.encode(content)).toEqual([id]);
      expect(demo.encode(`a${content}b`)).toEqual([...demo.encode("a"), id, ...demo.encode("b")]);
      expect(demo.encode(content.slice(0, -1))).not.toContain(id);
    }
  });
});

describe("\\s in the patterns of a tokenizer.json", () => {
  const rewritten = (pattern: string): RegExp =>
    new RegExp((unicodeSpaces({ Regex: pattern }) as { Regex: string }).Regex, "u");
  // Unicode White_Space, PropList.txt.
  const white = [0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]
    .concat(Array.from({ length: 11 }, (_, i) => 0x2000 + i))
    .sort((a, b) => a - b);

  test.each(["^\\s$", "^[\\s]$", "^[^\\S]$", "^(?!\\S)[^]$", "^[\\r\\s]$"])(
    "%s is White_Space, all of it",
    (pattern) => {
      const regex = rewritten(pattern);
      const codes = Array.from({ length: 0x10000 }, (_, code) => code);
      expect(codes.filter((code) => regex.test(String.fromCharCode(code)))).toEqual(white);
    },
  );

  test("what looks like \\s and isn't stays", () => {
    expect(rewritten("^\\\\s$").test("\\s")).toBe(true);
    expect(rewritten("^\\[\\s\\]$").test("[\u0085]")).toBe(true);
    expect(rewritten("^[\\]\\s]+$").test("]\u0085")).toBe(true);
  });

  test("only patterns are rewritten: a word of the vocabulary is what it is", () => {
    const json = { model: { vocab: { Regex: "\\s" } }, added_tokens: [{ Regex: "\\s" }] };
    expect(unicodeSpaces(json)).toEqual(json);
  });
});

describe("a GGUF that we write stands for its checkpoint", () => {
  test.each([
    ["the embedded checkpoint", DEMO_CHECKPOINT],
    ["case-a", goldenCheckpoint("case-a")],
  ])("%s: same ids, same text", async (name, checkpoint) => {
    const gguf = join(folder, `${name.replaceAll(" ", "-")}.gguf`);
    expect(cli(["quantize", checkpoint, "--bits", "4", "--out", gguf])).toMatchObject({ code: 0 });
    const [original, ours] = [await tokenizerOf(checkpoint), await tokenizerOf(gguf)];
    expect(ours.vocabSize).toBe(original.vocabSize);
    const texts = [...goldenVectors, ...hardVectors].map(({ text }) => text);
    for (const text of [...texts, heldoutText().slice(0, 8000)])
      expect(ours.encode(text), text).toEqual(original.encode(text));
    for (let id = 0; id < original.vocabSize; id++) expect(ours.decode([id])).toBe(original.decode([id]));
  });
});
