import { existsSync, readFileSync } from "node:fs";
import { inputError, systemError, usageError } from "../lib/errors.ts";
import type { Census } from "../model/census.ts";
import { solveBudget } from "./budget.ts";
import type { MtpChoice, OutputPlan } from "./output-plan.ts";
import { readPlanFile } from "./plan-file.ts";
import { planOutput } from "./plan-output.ts";
import { type OutputFormat, parseRecipe, type Recipe, recipeForBits, shippedRecipes } from "./recipe.ts";

/** What the user asked for: exactly one of the first four says how small. */
export interface PlanRequest {
  readonly bits?: number | undefined;
  /** Name of a shipped recipe, or a file. */
  readonly recipe?: string | undefined;
  /** A file that `plan` wrote. */
  readonly plan?: string | undefined;
  readonly targetBytes?: number | undefined;
  readonly format?: OutputFormat | undefined;
  readonly mtp?: MtpChoice | undefined;
  readonly splitBytes?: number | undefined;
  readonly allowLarger?: boolean | undefined;
}

/** Plans a checkpoint as asked; `sourceDigest` is compared with what a plan file was made for. */
export function choosePlan(census: Census, request: PlanRequest, sourceDigest: string): OutputPlan {
  const { bits, recipe, plan, targetBytes, mtp, splitBytes, allowLarger } = request;
  const ways = [bits, recipe, plan, targetBytes].filter((way) => way !== undefined);
  if (ways.length !== 1)
    throw usageError({
      what: "say in one way how the checkpoint shall be stored",
      expected: "one of --bits, --recipe, --plan, --target-size",
      found: ways.length === 0 ? "none" : `${ways.length} of them`,
    });
  if (plan !== undefined) return readPlanFile(plan, census, { request, sourceDigest });
  if (targetBytes !== undefined) return solveBudget(census, { ...request, targetBytes });
  const chosen = recipe !== undefined ? findRecipe(recipe) : defaultRecipe(bits as number, request.format);
  const format = request.format ?? chosen.formats[0];
  return planOutput(census, { recipe: chosen, format, mtp, splitBytes, allowLarger });
}

/** A shipped recipe by name, or one from a file. */
function findRecipe(name: string): Recipe {
  const shipped = shippedRecipes();
  const found = shipped.find((recipe) => recipe.name === name);
  if (found) return found;
  if (!existsSync(name))
    throw inputError({
      what: `no recipe "${name}"`,
      expected: `a file, or one of ${shipped.map((recipe) => recipe.name).join(", ")}`,
    });
  try {
    return parseRecipe(readFileSync(name, "utf8"), name);
  } catch (error) {
    throw systemError(error, name);
  }
}

function defaultRecipe(bits: number, format: OutputFormat = "gguf"): Recipe {
  const recipe = recipeForBits(bits, format);
  if (recipe) return recipe;
  const known = shippedRecipes()
    .flatMap((candidate) => candidate.bits?.[format] ?? [])
    .sort((a, b) => a - b);
  throw usageError({
    what: `no recipe for --bits ${bits} in the format ${format}`,
    expected: known.length > 0 ? `--bits ${known.join(", ")}` : "--recipe NAME",
  });
}
