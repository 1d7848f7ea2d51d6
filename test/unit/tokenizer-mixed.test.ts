import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { ROOT } from "../support/cli.ts";
import { goldenCheckpoint } from "../support/golden.ts";
import { mixedText } from "../support/mixed-text.ts";
import { FULL } from "../support/scratch.ts";
import { tokenizerOf } from "../support/tokenizers.ts";

interface Mixed {
  readonly seed: number;
  readonly pieces: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Per chunk the number of ids and the start of their digest, as the Python package has them. */
  readonly demo: readonly string[];
  readonly "case-a": readonly string[];
}
const mixed = JSON.parse(readFileSync(join(ROOT, "test/vectors/tokenizer/mixed.json"), "utf8")) as Mixed;
const texts = mixed.demo.map((_, chunk) => mixedText(mixed.seed, chunk, mixed.pieces));

const fingerprint = (ids: readonly number[]): string =>
  `${ids.length} ${createHash("sha256").update(Uint32Array.from(ids)).digest("hex").slice(0, 16)}`;

test("the text is the one that the Python package was given", () => {
  const bytes = Buffer.from(texts.map((text) => text.replace(/\p{Surrogate}/gu, "\ufffd")).join(""));
  expect(bytes.length).toBe(mixed.bytes);
  expect(bytes.length).toBeGreaterThan(1e6);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(mixed.sha256);
});

test.each([
  ["demo", DEMO_CHECKPOINT],
  ["case-a", goldenCheckpoint("case-a")],
] as const)("%s: ids and counts of all of it are those of the Python package", async (name, checkpoint) => {
  const tokenizer = await tokenizerOf(checkpoint);
  for (const [chunk, text] of texts.entries()) {
    const ids = tokenizer.encodeText(text);
    expect(fingerprint(ids), `chunk ${chunk}`).toBe(mixed[name][chunk]);
    expect(tokenizer.countText(text)).toBe(ids.length);
    // The library's own path is slow.
    if (FULL || chunk < 2) expect(fingerprint(tokenizer.encode(text))).toBe(mixed[name][chunk]);
  }
});

test("any text: the fast path and the library agree, alone and amid the words that it remembers", async () => {
  const tokenizer = await tokenizerOf(DEMO_CHECKPOINT);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      const ids = tokenizer.encode(text);
      expect(tokenizer.encodeText(text)).toEqual(ids);
      expect(tokenizer.encodeText(text)).toEqual(ids);
      expect(tokenizer.countText(text)).toBe(ids.length);
    }),
    { numRuns: FULL ? 20_000 : 300 },
  );
});

test("a tokenizer whose bytes are not the last step alone takes the library's words", async () => {
  const { openTokenizer } = await import("../../tools/tokenizer/tokenizer.ts");
  const json = {
    added_tokens: [{ id: 9, content: "<x>", special: true }],
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, use_regex: true, trim_offsets: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { a: 0, b: 1, Ġ: 2, Ġa: 3 }, merges: ["Ġ a"] },
  };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const tokenizer = await openTokenizer({ location: "x", readSidecar: async () => bytes });
  expect(tokenizer.encodeText("AB a")).toEqual([3, 1, 3]);
  expect(tokenizer.encodeText("AB a")).toEqual(tokenizer.encode("AB a"));
});
