import { expect, test } from "vitest";
import { takeCensus } from "../../tools/model/census.ts";
import { parseConfig } from "../../tools/model/config.ts";
import { releaseName } from "../../tools/model/identify.ts";
import type { Drafter } from "../../tools/model/inventory.ts";
import { planOutput } from "../../tools/plan/plan-output.ts";
import { isGguf, parseRecipe, recipeForBits, shippedRecipes, storageFor } from "../../tools/plan/recipe.ts";
import { tensorBytes } from "../../tools/plan/storage.ts";
import { FLASH, FLASH_0731, PRO, PRO_0813 } from "../fixtures/release-configs.ts";
import { releaseHeaders } from "../support/headers.ts";
import { FULL } from "../support/scratch.ts";

const census = (json: object, drafter: Drafter, storage: "official" | "base" = "official") => {
  const config = parseConfig(json, "config.json");
  return takeCensus(config, releaseHeaders(config, drafter, storage), "release");
};

const bytes = (result: ReturnType<typeof census>): number =>
  result.entries.reduce(
    (sum, { weight, scale }) => sum + weight.byteLength + (scale?.tensor.byteLength ?? 0),
    0,
  );
const stored = (result: ReturnType<typeof census>): number =>
  result.entries.reduce((sum, { scale }) => sum + (scale ? 2 : 1), 0);

test.each([
  ["DeepSeek-V4-Flash", FLASH, "mtp", "official", 69_187, 159_609_485_896],
  ["DeepSeek-V4-Flash-Base", FLASH, "mtp", "base", 69_187, 292_555_345_480],
  ["DeepSeek-V4-Flash-0731", FLASH_0731, "dspark", "official", 72_317, 166_878_536_440],
  ["DeepSeek-V4-Pro", PRO, "mtp", "official", 145_116, 864_704_792_696],
  ["DeepSeek-V4-Pro-0813", PRO_0813, "dspark", "official", 149_782, 892_727_580_904],
] as const)(
  "%s: tensors and bytes are those of the release",
  (name, json, drafter, storage, tensors, byteLength) => {
    const result = census(json, drafter, storage);
    expect(releaseName(result)).toBe(name);
    expect(result.drafter).toBe(drafter);
    expect(stored(result)).toBe(tensors);
    expect(bytes(result)).toBe(byteLength);
  },
);

test("Flash and Pro become the GGUF that llama.cpp expects: 1328 and 1894 tensors", () => {
  const recipe = recipeForBits(4);
  if (!recipe) throw new Error("no 4-bit recipe");
  for (const [json, count, gib] of [
    [FLASH, 1328, 145.6],
    [PRO, 1894, 793.6],
  ] as const) {
    const { files } = planOutput(census(json, "mtp"), { recipe, format: "gguf" });
    expect(files.map(({ kind }) => kind)).toEqual(["model", "mtp"]);
    expect(files[0].tensors).toHaveLength(count);
    const total = files[0].tensors.reduce((sum, { outputs }) => sum + tensorBytes(outputs[0]), 0);
    expect(total / 2 ** 30).toBeCloseTo(gib, 1);
  }
});

test("every shipped recipe covers every tensor of every release, in every format it names", () => {
  for (const [json, drafter, storage] of [
    [FLASH, "mtp", "official"],
    ...(FULL
      ? ([
          [FLASH, "mtp", "base"],
          [PRO, "mtp", "official"],
        ] as const)
      : []),
  ] as const) {
    const release = census(json, drafter, storage);
    const shards = json.num_hidden_layers + 2;
    for (const recipe of shippedRecipes())
      for (const format of recipe.formats) {
        const { files } = planOutput(release, { recipe, format, allowLarger: true });
        expect(files.length).toBe(isGguf(format) ? 2 : format === "mlx" ? shards - 1 : shards);
        // What --bits picks is never larger and worse than passing through.
        if (recipe.bits?.[format] !== undefined && storage === "official")
          expect(planOutput(release, { recipe, format }).files).toHaveLength(files.length);
      }
  }
});

test("a DSpark drafter is left out only when the user says so, and then every tensor of it is named", () => {
  const recipe = recipeForBits(4);
  if (!recipe) throw new Error("no 4-bit recipe");
  const result = census(FLASH_0731, "dspark");
  expect(() => planOutput(result, { recipe, format: "gguf" })).toThrow(/DSpark.*--mtp drop/);
  const plan = planOutput(result, { recipe, format: "gguf", mtp: "drop" });
  expect(plan.files).toHaveLength(1);
  expect(plan.dropped).toHaveLength(72_317 - (69_187 - (6 * 256 + 39)));
  expect(plan.dropped.every((name) => name.startsWith("mtp."))).toBe(true);
});

test("a recipe that would quantize a pinned tensor, or has no rule for one, is refused", () => {
  const { entries } = census(FLASH, "none");
  const rules = (text: string) =>
    parseRecipe(`{name: r, version: 1, title: t, formats: [gguf], rules: [${text}]}`, "r.yaml");
  const entry = (name: string) => entries.find(({ spec }) => spec.name === name) as (typeof entries)[number];
  for (const [name, role] of [
    ["layers.3.ffn.gate.weight", "router"],
    ["layers.3.hc_attn_fn", "mhc"],
    ["layers.3.ffn.gate.bias", "router_bias"],
    ["layers.0.ffn.gate.tid2eid", "tid2eid"],
    ["layers.3.attn.attn_sink", "sink"],
    ["layers.3.attn.compressor.ape", "ape"],
    ["norm.weight", "norm"],
  ])
    expect(() =>
      storageFor(rules(`{roles: [${role}], format: q8_0}`), entry(name), { format: "gguf", layerCount: 43 }),
    ).toThrow(/pinned/);
  expect(() =>
    storageFor(rules("{roles: [head], format: q8_0}"), entry("embed.weight"), {
      format: "gguf",
      layerCount: 43,
    }),
  ).toThrow(/no rule/);
  expect(() => rules("{roles: [head], format: q9_9}")).toThrow(/format/);
});

test("the leading model. of some re-uploads, E8M0 bytes labelled U8, and unknown drafter tensors", () => {
  const config = parseConfig(FLASH, "config.json");
  const tensors = releaseHeaders(config, "mtp", "official");
  const scale = "layers.5.ffn.experts.9.w1.scale";
  const old = tensors.get(scale);
  if (!old) throw new Error("no such scale");
  tensors.set(scale, { ...old, dtype: "u8" });
  tensors.set("mtp.0.novelty.weight", {
    name: "mtp.0.novelty.weight",
    dtype: "f32",
    shape: [1],
    byteLength: 4,
    file: "shard",
  });
  const result = takeCensus(config, tensors, "release");
  expect(result.unrecognised.map(({ name }) => name)).toEqual(["mtp.0.novelty.weight"]);
  expect(result.entries.find(({ scale: s }) => s?.tensor.name === scale)?.scale?.kind).toBe("e8m0");
});
