import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { DEMO_CHECKPOINT } from "../demo/embedded.ts";
import { V4Error } from "../lib/errors.ts";
import { choosePlan } from "../plan/choose-plan.ts";
import { isGguf, type OutputFormat, type Recipe, shippedRecipes } from "../plan/recipe.ts";
import type { QuantizeResult } from "../quantize/describe.ts";
import { quantize } from "../quantize/quantize.ts";
import { writeFlatImportance } from "./flat-importance.ts";
import { openYardstick, type Quality } from "./recipe-quality.ts";

export interface RecipesBenchOptions {
  /** Recipes to make, by name; none means all. */
  readonly recipes: readonly string[];
  /** Chunks of 1,024 tokens of held-out text. */
  readonly chunks: number;
  /** Needles of 512 tokens, and of 2,048. */
  readonly needles: number;
  readonly threads: number;
  readonly onRow?: (row: RecipeBenchRow) => void;
}

/** What a recipe makes of the embedded checkpoint. */
export interface RecipeBenchRow {
  /** Absent: the source itself. */
  readonly recipe?: string;
  readonly format: OutputFormat;
  /** How errors were weighed; `flat`: every column the same. */
  readonly importance: QuantizeResult["importance"] | "flat";
  readonly byteLength: number;
  readonly bitsPerWeight: number;
  readonly quality?: Quality;
  /** Why the artefact could not be run. */
  readonly unread?: string;
}

interface Made {
  readonly result: QuantizeResult;
  readonly row: Omit<RecipeBenchRow, "quality" | "unread">;
}

/** Makes every recipe of the embedded checkpoint, in the first format that it names, and measures each with the reference pass. */
export async function benchRecipes(options: RecipesBenchOptions): Promise<RecipeBenchRow[]> {
  const { recipes: wanted, threads, onRow } = options;
  const folder = await mkdtemp(join(tmpdir(), "v4kit-recipes-"));
  try {
    const measure = await openYardstick({ ...options, source: DEMO_CHECKPOINT });
    const rows: RecipeBenchRow[] = [];
    const add = (row: RecipeBenchRow): void => {
      rows.push(row);
      onRow?.(row);
    };
    const flat = join(folder, "flat.gguf");
    await writeFlatImportance(DEMO_CHECKPOINT, flat);
    for (const recipe of shippedRecipes()) {
      if (wanted.length > 0 && !wanted.includes(recipe.name)) continue;
      const made = await makeRecipe(recipe, { folder, threads });
      if (rows.length === 0) add(await sourceRow(made.result, measure));
      add({ ...made.row, ...(await tryMeasure(measure, made.result.out)) });
      if (made.row.importance === "weight-energy") {
        const second = await makeRecipe(recipe, { folder, threads, imatrix: flat });
        add({ ...second.row, importance: "flat", ...(await tryMeasure(measure, second.result.out)) });
      }
      await rm(made.result.out, { recursive: true });
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeRecipe(
  recipe: Recipe,
  { folder, threads, imatrix }: { folder: string; threads: number; imatrix?: string },
): Promise<Made> {
  const [format] = recipe.formats;
  const result = await quantize({
    place: DEMO_CHECKPOINT,
    planFor: (census, source) =>
      choosePlan(census, { recipe: recipe.name, format, allowLarger: true }, sourceDigest(source)),
    out: join(folder, isGguf(format) ? `${recipe.name}.gguf` : recipe.name),
    imatrix,
    workers: threads,
    force: true,
    restart: true,
    dryRun: false,
    quiet: true,
  });
  const { importance, bitsPerWeight, outputs } = result;
  const byteLength = outputs.reduce((sum, output) => sum + output.byteLength, 0);
  return { result, row: { recipe: recipe.name, format, importance, byteLength, bitsPerWeight } };
}

async function sourceRow(
  { source, bitsPerWeight, outputs }: QuantizeResult,
  measure: (path: string) => Promise<Quality>,
): Promise<RecipeBenchRow> {
  const made = outputs.reduce((sum, output) => sum + output.byteLength, 0);
  return {
    format: "native",
    importance: "none",
    byteLength: source.byteLength,
    bitsPerWeight: (bitsPerWeight * source.byteLength) / made,
    quality: await measure(DEMO_CHECKPOINT),
  };
}

/** An artefact that our pass cannot read has a row that says so. */
async function tryMeasure(
  measure: (path: string) => Promise<Quality>,
  path: string,
): Promise<Pick<RecipeBenchRow, "quality" | "unread">> {
  try {
    return { quality: await measure(path) };
  } catch (error) {
    if (!(error instanceof V4Error)) throw error;
    return { unread: error.fault.what };
  }
}
