import { usageError } from "../lib/errors.ts";
import { formatBytes } from "../lib/units.ts";
import type { Census } from "../model/census.ts";
import type { PlanRequest } from "./choose-plan.ts";
import { type OutputPlan, plannedTensors } from "./output-plan.ts";
import { planOutput } from "./plan-output.ts";
import { type OutputFormat, type Recipe, type RecipeRule, shippedRecipes } from "./recipe.ts";
import { tensorBytes } from "./storage.ts";

/** Bytes of a plan's tensors in the model's own files. */
function modelBytes(plan: OutputPlan): number {
  let sum = 0;
  for (const { file, tensor } of plannedTensors(plan))
    if (file.kind === "model")
      sum += tensor.outputs.reduce((bytes, output) => bytes + tensorBytes(output), 0);
  return sum;
}

/**
 * Room for what tensors alone do not count: a token with its merge, or a tensor's entry in a header. Flash's GGUF takes
 * 50 bytes per token for both.
 */
const HEADER_BYTES_EACH = 128;

/**
 * The best plan within a size: the largest shipped recipe that fits, then, layer by layer from the last, the experts of
 * the next larger one, as late layers matter most. Formats for checking (16 and 32 bits) are no candidates.
 */
export function solveBudget(
  census: Census,
  request: PlanRequest & { readonly targetBytes: number },
): OutputPlan {
  const { targetBytes, mtp, splitBytes } = request;
  const format: OutputFormat = request.format ?? "gguf";
  const headers = HEADER_BYTES_EACH * (census.config.vocabSize + census.entries.length);
  const room = targetBytes - headers;
  const planned = (recipe: Recipe): OutputPlan =>
    planOutput(census, { recipe, format, mtp, splitBytes, allowLarger: request.allowLarger });
  const rungs = shippedRecipes()
    .filter(({ formats, bits }) => formats.includes(format) && (bits?.[format] ?? 0) < 16)
    .flatMap((recipe) => {
      try {
        const plan = planned(recipe);
        return [{ recipe, plan, bytes: modelBytes(plan) }];
      } catch {
        // Not for this source: larger and worse than passing through, or rows that do not divide.
        return [];
      }
    })
    .sort((a, b) => a.bytes - b.bytes);
  const best = rungs.findLastIndex(({ bytes }) => bytes <= room);
  if (best < 0)
    throw usageError({
      what: `no recipe of the format ${format} makes this model so small`,
      expected:
        rungs.length > 0
          ? `at least ${formatBytes(rungs[0].bytes + headers)} (${rungs[0].recipe.name})`
          : "another format",
      found: formatBytes(targetBytes),
    });
  const [low, high] = [rungs[best], rungs[best + 1]];
  if (!high) return low.plan;
  // Bisection over the number of late layers that fit.
  let [fits, tooMany] = [0, census.config.layerCount];
  let plan = low.plan;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    const candidate = planned(mixed(low.recipe, high.recipe, middle));
    if (modelBytes(candidate) <= room) [fits, plan] = [middle, candidate];
    else tooMany = middle;
  }
  return plan;
}

/** The lower recipe with the experts of the last layers as the higher one stores them. */
function mixed(low: Recipe, high: Recipe, last: number): Recipe {
  const experts: RecipeRule[] = high.rules
    .filter(({ roles, blocks }) => roles.includes("expert") && !blocks?.includes("mtp"))
    .map((rule) => ({ ...rule, roles: ["expert"], layers: rule.layers ?? { last } }));
  return {
    ...low,
    name: `${low.name}-${last}x-${high.name}`,
    title: `${low.title}; the experts of the last ${last} layers as in ${high.name}`,
    rules: [...experts, ...low.rules],
  };
}
