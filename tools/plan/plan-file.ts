import { readFileSync } from "node:fs";
import { dataError, systemError, usageError } from "../lib/errors.ts";
import type { Census } from "../model/census.ts";
import type { PlanRequest } from "./choose-plan.ts";
import { type MtpChoice, type OutputPlan, planFingerprint } from "./output-plan.ts";
import { planOutput } from "./plan-output.ts";
import { checkRecipe, type OutputFormat, type Recipe } from "./recipe.ts";

/** The part of plan.json that decides; the rest of the file is for people and machines to read. */
export interface PlanFile {
  readonly plan: 1;
  readonly recipe: Recipe;
  readonly format: OutputFormat;
  readonly mtp: MtpChoice;
  readonly splitBytes: number | null;
  readonly allowLarger: boolean;
  /** Digest of the source's headers. */
  readonly source: string;
  readonly fingerprint: string;
}

/** What a plan is written as. */
export const planFileOf = (plan: OutputPlan, request: PlanRequest, source: string): PlanFile => ({
  plan: 1,
  recipe: plan.recipe,
  format: plan.format,
  mtp: plan.mtp,
  splitBytes: request.splitBytes ?? null,
  allowLarger: request.allowLarger ?? false,
  source,
  fingerprint: planFingerprint(plan),
});

/** Reads plan.json and plans again; the source and the outcome must be those of the file. */
export function readPlanFile(
  path: string,
  census: Census,
  { request, sourceDigest }: { readonly request: PlanRequest; readonly sourceDigest: string },
): OutputPlan {
  const flags = (["format", "mtp", "splitBytes", "allowLarger"] as const).filter((flag) => request[flag]);
  if (flags.length > 0)
    throw usageError({
      what: "a plan is complete: nothing can be added to it on the command line",
      found: flags.join(", "),
      next: "make another plan with these flags",
    });
  const file = parse(path);
  if (file.source !== sourceDigest)
    throw dataError({
      what: "the plan was made for another source",
      file: path,
      expected: String(file.source).slice(0, 16),
      found: sourceDigest.slice(0, 16),
      next: "make a plan for this one",
    });
  const plan = planOutput(census, {
    recipe: checkRecipe(file.recipe, path),
    format: file.format,
    mtp: file.mtp,
    splitBytes: file.splitBytes ?? undefined,
    allowLarger: file.allowLarger,
  });
  const fingerprint = planFingerprint(plan);
  if (fingerprint !== file.fingerprint)
    throw dataError({
      what: "this version of v4kit plans another artefact from the same recipe, or the plan was edited",
      file: path,
      expected: String(file.fingerprint).slice(0, 16),
      found: fingerprint.slice(0, 16),
      next: "make the plan again",
    });
  return plan;
}

function parse(path: string): PlanFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw systemError(error, path);
  }
  try {
    const file = JSON.parse(text) as PlanFile;
    if (file?.plan === 1) return file;
  } catch {}
  throw dataError({ what: "not a plan of v4kit", file: path, expected: "a file that v4kit plan wrote" });
}
