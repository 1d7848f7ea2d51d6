import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shippedRecipes } from "../../tools/plan/recipe.ts";
import { cli, ROOT } from "../support/cli.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const SMALL = ["bench", "recipes", "--recipes", "ds4-q2,f32", "--chunks", "1", "--needles", "1"];

test.runIf(FULL)(
  "bench recipes measures source and artefacts, and puts the table between the markers",
  () => {
    const page = join(folder, "page.md");
    const markers = ["<!-- v4kit bench recipes: begin -->", "<!-- v4kit bench recipes: end -->"];
    writeFileSync(page, `before\n${markers.join("\nold\n")}\nafter\n`);
    const { code, stdout } = cli([...SMALL, "--out", page, "--json"]);
    expect(code).toBe(0);
    const [source, energy, flat, f32] = JSON.parse(stdout);
    // The first chunk of the held-out text, as an independent implementation measured it.
    expect(Math.log(source.quality.logits.perplexity.candidate.mean)).toBeCloseTo(3.06947, 4);
    expect([energy, flat].map(({ recipe, importance }) => [recipe, importance])).toEqual([
      ["ds4-q2", "weight-energy"],
      ["ds4-q2", "flat"],
    ]);
    for (const { quality } of [energy, flat]) expect(quality.logits.kl.mean).toBeGreaterThan(0.02);
    expect(energy.quality.logits.kl.mean).not.toBe(flat.quality.logits.kl.mean);
    expect(f32).toMatchObject({ quality: { logits: { kl: { mean: 0 } }, needlesFound: 2, needles: 2 } });
    const text = readFileSync(page, "utf8");
    expect(text).toMatch(/^before\n.*begin -->\n\n\| recipe .*\n\n<!-- .*end -->\nafter\n$/s);
    expect(text).not.toContain("old");
  },
);

test("a page without markers is refused before anything is measured", () => {
  const page = join(folder, "plain.md");
  writeFileSync(page, "nothing here\n");
  const { code, stderr } = cli([...SMALL, "--out", page, "--quiet"]);
  expect([code, stderr.trim().split("\n").length]).toEqual([65, 1]);
  expect(stderr).toContain("no place for the table");
});

test("docs/recipes.md has a measured row of every shipped recipe", () => {
  const text = readFileSync(join(ROOT, "docs/recipes.md"), "utf8");
  for (const { name, formats } of shippedRecipes()) expect(text).toContain(`| ${name} | ${formats[0]} | `);
});
