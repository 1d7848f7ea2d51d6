import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import {
  createSequence,
  forward,
  type ReferenceModel,
  referenceModel,
} from "../../tools/reference/forward.ts";
import { type GenerateOptions, generate } from "../../tools/reference/generate.ts";
import { openModelKernels } from "../../tools/reference/model-kernels.ts";
import type { Choice } from "../../tools/reference/sampling.ts";
import { cachedLoader } from "../../tools/reference/weight-cache.ts";
import { argmax } from "../support/reference.ts";
import { seededRandom } from "../support/scratch.ts";

const source = await openCheckpoint(DEMO_CHECKPOINT);
afterAll(() => source.close());
const opened = referenceModel(source, openModelKernels(2), "fp32");
const model: ReferenceModel = { ...opened, loader: cachedLoader(opened.loader, 64 * 2 ** 20) };
const { vocabSize, contextLength } = source.config;

const random = seededRandom(5);
const someIds = (count: number): number[] =>
  Array.from({ length: count }, () => Math.floor(random() * vocabSize));

const options = (change: Partial<GenerateOptions> = {}): GenerateOptions => ({
  temperature: 0,
  topP: 1,
  seed: 0,
  maxTokens: 4,
  stopIds: [],
  ...change,
});

async function choices(prompt: readonly number[], change?: Partial<GenerateOptions>, of = model) {
  const all: Choice[] = [];
  for await (const choice of generate(of, prompt, options(change))) all.push(choice);
  return all;
}

/** Greedy decoding without a state: every token from the whole sequence so far. */
async function fromScratch(prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  for (let i = 0; i < count; i++)
    ids.push(argmax(await forward(model, createSequence(source.config), ids, { lastOnly: true })));
  return ids.slice(prompt.length);
}

describe("a continuation", () => {
  test.each([1, 3, 4, 127, 512, 513])("after %i tokens is that of the whole sequence", async (length) => {
    const prompt = someIds(length);
    const ids = (await choices(prompt, { maxTokens: 3 })).map(({ id }) => id);
    expect(ids).toEqual(await fromScratch(prompt, 3));
  });

  test("ends with the stop id, which is given, or with the last token asked for", async () => {
    const prompt = someIds(20);
    const all = await choices(prompt, { maxTokens: 8 });
    expect(all.length).toBe(8);
    const stopIds = [vocabSize - 1, all[3].id];
    const first = all.findIndex(({ id }) => stopIds.includes(id));
    expect(await choices(prompt, { maxTokens: 8, stopIds })).toEqual(all.slice(0, first + 1));
    expect(await choices(prompt, { maxTokens: 1 })).toEqual(all.slice(0, 1));
  });

  test("says once that the prompt is taken in, before the first token", async () => {
    const events: string[] = [];
    const onPrefilled = () => events.push("prefilled");
    for await (const _ of generate(model, someIds(600), options({ maxTokens: 2, onPrefilled })))
      events.push("token");
    expect(events).toEqual(["prefilled", "token", "token"]);
  });

  test("may fill the context to its last token", async () => {
    const tight = { ...model, config: { ...source.config, contextLength: 7 } };
    expect((await choices(someIds(3), { maxTokens: 4 }, tight)).length).toBe(4);
    await expect(choices(someIds(4), { maxTokens: 4 }, tight)).rejects.toThrow(
      /longer than the model's context/,
    );
  });
});

describe("an abort", () => {
  test("ends the prompt before its next part", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(choices(someIds(5), { signal })).rejects.toThrow("enough");
  });

  test("ends the continuation after the token at work", async () => {
    const controller = new AbortController();
    const seen: Choice[] = [];
    const run = async () => {
      for await (const choice of generate(
        model,
        someIds(5),
        options({ maxTokens: 50, signal: controller.signal }),
      )) {
        seen.push(choice);
        if (seen.length === 3) controller.abort(new Error("enough"));
      }
    };
    await expect(run()).rejects.toThrow("enough");
    expect(seen.length).toBe(3);
  });
});

test.each([
  ["no tokens", [], {}, /the prompt has no tokens/],
  ["an id beyond the vocabulary", [1, vocabSize], {}, /expected 0 to 1791, found 1792/],
  ["a negative id", [-1], {}, /found -1/],
  ["no id", [Number.NaN], {}, /found NaN/],
  ["half an id", [1.5], {}, /found 1\.5/],
  ["too much", [1], { maxTokens: contextLength }, /expected at most 1048576 tokens, found 1 and 1048576/],
] as const)("refused before any work: %s", async (_, prompt, change, message) => {
  const error = await choices(prompt, change).then(
    () => expect.unreachable(),
    (reason) => reason as Error,
  );
  expect(error).toMatchObject({ name: "V4Error", kind: "usage" });
  expect(error.message).toMatch(message);
});
