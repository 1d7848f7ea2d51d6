import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { traitsOf } from "../formats/dtypes.ts";
import { dataError } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import type { CensusEntry } from "../model/census.ts";
import { PINNED_ROLES, type TensorRole } from "../model/inventory.ts";
import { isScaled, isStorage, type Storage } from "./storage.ts";

/** What an artefact is written as: the container, its names, and what belongs into it beside the tensors. */
export const OUTPUT_FORMATS = [
  "gguf",
  "ds4-gguf",
  "native",
  "nvfp4",
  "compressed-tensors",
  "fp8",
  "bf16",
  "mlx",
] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const isGguf = (format: OutputFormat): boolean => format === "gguf" || format === "ds4-gguf";

/** Rules from a tensor's role, part, block and source format to how it is stored; the first that matches decides. */
export interface Recipe {
  readonly name: string;
  readonly version: number;
  readonly title: string;
  /** What it can be written as; the first is meant where none is said. */
  readonly formats: readonly OutputFormat[];
  /** The `--bits` value it is the default for, by format. */
  readonly bits?: Readonly<Partial<Record<OutputFormat, number>>> | undefined;
  readonly rules: readonly RecipeRule[];
}

export interface RecipeRule {
  readonly roles: readonly string[];
  readonly parts?: readonly string[] | undefined;
  /** Trunk layers it holds for: a range, both ends in it, or the last n. */
  readonly layers?: { readonly from: number; readonly to: number } | { readonly last: number } | undefined;
  readonly blocks?: readonly ("root" | "layer" | "mtp")[] | undefined;
  /** Only where it is written as one of these. */
  readonly formats?: readonly OutputFormat[] | undefined;
  /** One storage, or one by what the source is stored as. */
  readonly format: Storage | { readonly fp4?: Storage; readonly fp8?: Storage; readonly other: Storage };
}

const StorageName = v.pipe(
  v.string(),
  v.check(isStorage, "Expected a format name"),
  v.transform((name) => name as Storage),
);
const FormatName = v.picklist(OUTPUT_FORMATS);
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const RecipeYaml = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "Expected lower-case letters, digits, - and .")),
  version: Count,
  title: v.string(),
  formats: v.pipe(v.array(FormatName), v.minLength(1)),
  bits: v.optional(v.record(FormatName, Count)),
  rules: v.array(
    v.strictObject({
      roles: v.array(v.string()),
      parts: v.optional(v.array(v.string())),
      layers: v.optional(
        v.union([v.strictObject({ from: Count, to: Count }), v.strictObject({ last: Count })]),
      ),
      blocks: v.optional(v.array(v.picklist(["root", "layer", "mtp"]))),
      formats: v.optional(v.array(FormatName)),
      format: v.union([
        StorageName,
        v.strictObject({
          fp4: v.optional(StorageName),
          fp8: v.optional(StorageName),
          other: StorageName,
        }),
      ]),
    }),
  ),
});

const FOLDER = join(PACKAGE_ROOT, "configs/recipes");

/** Parses a recipe file. */
export function parseRecipe(text: string, file: string): Recipe {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw dataError({ what: `recipe: ${(error as Error).message.split("\n")[0]}`, file });
  }
  return checkRecipe(document, file);
}

/** Checks what claims to be a recipe, read from a file or taken from a plan. */
export function checkRecipe(document: unknown, file: string): Recipe {
  const parsed = v.safeParse(RecipeYaml, document);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw dataError({ what: `recipe: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`, file });
  }
  return parsed.output as Recipe;
}

/** The recipes that ship with v4kit, by file name. */
export function shippedRecipes(): readonly Recipe[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => parseRecipe(readFileSync(join(FOLDER, file), "utf8"), join(FOLDER, file)));
}

/** The default recipe of a `--bits` value in a format, or undefined. */
export const recipeForBits = (bits: number, format: OutputFormat = "gguf"): Recipe | undefined =>
  shippedRecipes().find((recipe) => recipe.bits?.[format] === bits);

/** What else a rule may ask for. */
export interface Placement {
  readonly format: OutputFormat;
  readonly layerCount: number;
}

/** How a recipe stores a tensor. A tensor without a rule, or a pinned one with a quantizing rule, is refused. */
export function storageFor(recipe: Recipe, entry: CensusEntry, { format, layerCount }: Placement): Storage {
  const { role, part, name, block } = entry.spec;
  const rule = recipe.rules.find(
    (candidate) =>
      candidate.roles.includes(role) &&
      (candidate.parts?.includes(part) ?? true) &&
      (candidate.blocks?.includes(block.kind) ?? true) &&
      (candidate.formats?.includes(format) ?? true) &&
      (candidate.layers === undefined ||
        (block.kind === "layer" && inLayers(candidate.layers, block.index, layerCount))),
  );
  if (!rule)
    throw dataError({
      what: `recipe ${recipe.name} has no rule for role ${role}, part ${part}`,
      tensor: name,
      next: "a recipe covers every tensor",
    });
  const storage = storageOf(rule.format, entry);
  if (storage !== entry.format) checkPinned(recipe, role, storage, name);
  return storage;
}

const inLayers = (layers: NonNullable<RecipeRule["layers"]>, index: number, layerCount: number): boolean =>
  "last" in layers ? index >= layerCount - layers.last : index >= layers.from && index <= layers.to;

function storageOf(format: RecipeRule["format"], { format: source }: CensusEntry): Storage {
  if (typeof format === "string") return format;
  // ggml's blocks hold the same codes and scales.
  if (source === "fp4" || source === "mxfp4") return format.fp4 ?? format.other;
  return source === "fp8" ? (format.fp8 ?? format.other) : format.other;
}

function checkPinned(recipe: Recipe, role: TensorRole, storage: Storage, name: string): void {
  if (!PINNED_ROLES.has(role)) return;
  const allowed: Storage[] =
    role === "tid2eid"
      ? ["i32", "i64", "source"]
      : role === "router"
        ? ["bf16", "f16", "f32", "source"]
        : role === "norm"
          ? ["f32", "f16", "bf16", "source"]
          : ["f32", "f16", "source"];
  if (!allowed.includes(storage))
    throw dataError({
      what: `recipe ${recipe.name} would quantize a pinned tensor (${role})`,
      tensor: name,
      expected: allowed.join(" or "),
      found: isScaled(storage) || storage === "source" ? storage : traitsOf(storage).name,
    });
}
