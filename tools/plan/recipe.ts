import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { type Dtype, isDtype, traitsOf } from "../formats/dtypes.ts";
import { dataError } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import type { CensusEntry } from "../model/census.ts";
import { PINNED_ROLES, type TensorRole } from "../model/inventory.ts";

/** Rules from a tensor's role, part and source format to an output format; the first that matches decides. */
export interface Recipe {
  readonly name: string;
  readonly version: number;
  readonly title: string;
  /** The `--bits` value this recipe is the default for. */
  readonly bits?: number;
  readonly rules: readonly RecipeRule[];
}

interface RecipeRule {
  readonly roles: readonly string[];
  readonly parts?: readonly string[] | undefined;
  readonly format: Dtype | { readonly fp4: Dtype; readonly other: Dtype };
}

const FormatName = v.pipe(
  v.string(),
  v.check(isDtype, "Expected a format name"),
  v.transform((name) => name as Dtype),
);
const RecipeYaml = v.strictObject({
  name: v.string(),
  version: v.pipe(v.number(), v.safeInteger()),
  title: v.string(),
  bits: v.optional(v.number()),
  rules: v.array(
    v.strictObject({
      roles: v.array(v.string()),
      parts: v.optional(v.array(v.string())),
      format: v.union([FormatName, v.strictObject({ fp4: FormatName, other: FormatName })]),
    }),
  ),
});

const FOLDER = join(PACKAGE_ROOT, "configs/recipes");

/** Parses a recipe file. */
export function parseRecipe(text: string, file: string): Recipe {
  const parsed = v.safeParse(RecipeYaml, parse(text));
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw dataError({ what: `recipe: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`, file });
  }
  const { bits, ...rest } = parsed.output;
  return bits === undefined ? rest : { ...rest, bits };
}

/** The recipes that ship with v4kit. */
export function shippedRecipes(): readonly Recipe[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => parseRecipe(readFileSync(join(FOLDER, file), "utf8"), join(FOLDER, file)));
}

/** The default recipe of a `--bits` value, or undefined. */
export const recipeForBits = (bits: number): Recipe | undefined =>
  shippedRecipes().find((recipe) => recipe.bits === bits);

/** The format a recipe gives a tensor. A tensor without a rule, or a pinned one with a quantizing rule, is refused. */
export function formatFor(recipe: Recipe, entry: CensusEntry): Dtype {
  const { role, part, name } = entry.spec;
  const rule = recipe.rules.find(
    (candidate) => candidate.roles.includes(role) && (candidate.parts?.includes(part) ?? true),
  );
  if (!rule)
    throw dataError({
      what: `recipe ${recipe.name} has no rule for role ${role}, part ${part}`,
      tensor: name,
      next: "a recipe covers every tensor",
    });
  const format =
    typeof rule.format === "string"
      ? rule.format
      : entry.format === "fp4"
        ? rule.format.fp4
        : rule.format.other;
  checkPinned(recipe, role, format, name);
  return format;
}

function checkPinned(recipe: Recipe, role: TensorRole, format: Dtype, name: string): void {
  if (!PINNED_ROLES.has(role)) return;
  const allowed = role === "tid2eid" ? ["i32"] : role === "router" ? ["bf16", "f16", "f32"] : ["f32", "f16"];
  if (!allowed.includes(format))
    throw dataError({
      what: `recipe ${recipe.name} would quantize a pinned tensor (${role})`,
      tensor: name,
      expected: allowed.join(" or "),
      found: traitsOf(format).name,
    });
}
