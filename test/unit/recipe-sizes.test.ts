import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Census, takeCensus } from "../../tools/model/census.ts";
import { parseConfig } from "../../tools/model/config.ts";
import { planOutput } from "../../tools/plan/plan-output.ts";
import { type Recipe, shippedRecipes } from "../../tools/plan/recipe.ts";
import { tensorBytes } from "../../tools/plan/storage.ts";
import { FLASH, PRO } from "../fixtures/release-configs.ts";
import { ROOT } from "../support/cli.ts";
import { releaseHeaders } from "../support/headers.ts";

const censusOf = (json: object): Census => {
  const config = parseConfig(json, "config.json");
  return takeCensus(config, releaseHeaders(config, "mtp", "official"), "release");
};
const flash = censusOf(FLASH);
const pro = censusOf(PRO);
const recipes = new Map(shippedRecipes().map((recipe) => [recipe.name, recipe]));

/** By release and recipe: a plan of Pro has 145,116 tensors. */
const known = new Map<Census, Map<Recipe, number>>([flash, pro].map((census) => [census, new Map()]));

/** Bytes of a release's tensors without the drafter. */
function planned(census: Census, recipe: Recipe): number {
  const sizes = known.get(census) as Map<Recipe, number>;
  const bytes = sizes.get(recipe) ?? plan(census, recipe);
  sizes.set(recipe, bytes);
  return bytes;
}

function plan(census: Census, recipe: Recipe): number {
  const { files } = planOutput(census, { recipe, format: recipe.formats[0], mtp: "drop", allowLarger: true });
  return files
    .flatMap(({ tensors }) => tensors.flatMap(({ outputs }) => outputs))
    .reduce((sum, output) => sum + tensorBytes(output), 0);
}

const GIB = 2 ** 30;
const weightsOf = ({ entries }: Census): number =>
  entries
    .filter(({ spec }) => spec.block.kind !== "mtp" && spec.role !== "tid2eid")
    .reduce((sum, { spec }) => sum + spec.shape.reduce((a, b) => a * b, 1), 0);

/**
 * GiB of Flash and Pro, computed apart from this code from the block sizes of the formats, to the digits given. There q8
 * is 281.6 and 1557 with router and compressors at 8 bits too, which here keep BF16; iq2-xs is 86.1, which adds up to 86.0.
 */
test.each([
  ["lossless-4", 145.6, 793.6],
  ["keep-4-dense-8", 144.7, undefined],
  ["ds4-q2", 80.8, 432.7],
  ["ds4-q4", 153.3, 838.0],
  ["q2-k", 92.9, 500.3],
  ["iq2-xs", 86.0, undefined],
  ["iq3-xxs", 110.9, 601.4],
  ["q3-k", 119.0, 646.5],
  ["q8", 281.8, 1557.6],
  ["bf16", 529.7, 2930],
  ["native", 145.3, 792.3],
  ["nvfp4", 153.4, 837.4],
  ["int4-g32", 153.4, undefined],
  ["int4-g128", 141.3, 769.8],
  ["fp8", 266.3, undefined],
] as const)("%s: %s GiB of Flash, %s of Pro", (name, ofFlash, ofPro) => {
  const recipe = recipes.get(name) as Recipe;
  const check = (census: Census, gib: number): void => {
    const tolerance = Number.isInteger(gib) && gib >= 1000 ? 0.5 : 0.05;
    expect(Math.abs(planned(census, recipe) / GIB - gib)).toBeLessThanOrEqual(tolerance + 1e-9);
  };
  check(flash, ofFlash);
  if (ofPro !== undefined) check(pro, ofPro);
});

test("docs/recipes.md states what the planner computes, for every recipe", () => {
  const text = readFileSync(join(ROOT, "docs/recipes.md"), "utf8");
  for (const recipe of recipes.values()) {
    const bytes = planned(flash, recipe);
    const cells = [
      (bytes / GIB).toFixed(1),
      ((8 * bytes) / weightsOf(flash)).toFixed(2),
      (planned(pro, recipe) / GIB).toFixed(1),
    ];
    expect(text).toContain(`| ${recipe.name} | ${cells.join(" | ")} |`);
  }
});
