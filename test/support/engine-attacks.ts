import { describe, expect, test } from "vitest";
import { generateConfig, TINY_DIMS } from "../../tools/demo/generate-config.ts";
import type { Dtype } from "../../tools/formats/dtypes.ts";
import type { GgufValue } from "../../tools/formats/gguf/values.ts";
import { parseConfig } from "../../tools/model/config.ts";
import { checkEngine } from "../../tools/plan/engines/check-engine.ts";
import { type EngineRules, shippedEngines } from "../../tools/plan/engines/engine-rules.ts";
import { formatProblem } from "../../tools/plan/engines/verdict.ts";
import { FLASH } from "../fixtures/release-configs.ts";
import type { Draft, DraftFile } from "./engine-facts.ts";

/** One deliberate error: what is done to good facts, and the place that the verdict must name. */
export type Attack = readonly [what: string, where: string, spoil: (draft: Draft) => void];

export const ENGINES = new Map(shippedEngines().map((engine) => [engine.engine, engine]));
export const TINY = generateConfig(TINY_DIMS, "fp4");
export const tiny = parseConfig(TINY, "config.json");
export const flash = parseConfig(FLASH, "config.json");

/** A copy whose lists and maps may be changed; tensors and values are replaced, never changed. */
export const copyOf = (draft: Draft): Draft => ({
  ...draft,
  files: draft.files.map((file) => ({
    ...file,
    metadata: new Map(file.metadata),
    tensors: [...file.tensors],
  })),
  config: structuredClone(draft.config),
  hfQuantConfig: structuredClone(draft.hfQuantConfig),
  weightMap: new Map(draft.weightMap),
  extraFiles: [...draft.extraFiles],
});

export function holder(
  draft: Draft,
  name: string,
  kind?: "mtp",
): { readonly file: DraftFile; readonly at: number } {
  for (const file of draft.files) {
    const at = file.tensors.findIndex((tensor) => tensor.name === name);
    if (at >= 0 && (kind === undefined || file.kind === kind)) return { file, at };
  }
  throw new Error(`no tensor ${name}`);
}

const change =
  (name: string, to: { dtype?: Dtype; shape?: readonly number[]; name?: string }, kind?: "mtp") =>
  (draft: Draft) => {
    const { file, at } = holder(draft, name, kind);
    file.tensors[at] = { ...file.tensors[at], ...to };
    if (to.name !== undefined && draft.weightMap.delete(name)) draft.weightMap.set(to.name, file.name);
  };
export const retype = (name: string, dtype: Dtype, kind?: "mtp") => change(name, { dtype }, kind);
export const reshape = (name: string, ...shape: number[]) => change(name, { shape });
export const rename = (name: string, to: string) => change(name, { name: to });
export const drop =
  (name: string, kind?: "mtp") =>
  (draft: Draft): void => {
    const { file, at } = holder(draft, name, kind);
    file.tensors.splice(at, 1);
    draft.weightMap.delete(name);
  };
export const add =
  (name: string, dtype: Dtype = "f32", ...shape: number[]) =>
  (draft: Draft): void => {
    const file = draft.files[0];
    file.tensors.push({ name, dtype, shape });
    draft.weightMap.set(name, file.name);
  };
export const key =
  (name: string, value: GgufValue | undefined, file = 0) =>
  (draft: Draft): void => {
    const { metadata } = draft.files[file];
    if (value === undefined) metadata.delete(name);
    else metadata.set(name, value);
  };
/** Sets a dotted path of a JSON object, or takes it out. */
export const setAt = (root: Record<string, unknown>, path: readonly string[], value: unknown): void => {
  const at = path.slice(0, -1).reduce((inner, one) => inner[one] as Record<string, unknown>, root);
  const last = path.at(-1) as string;
  if (value === undefined) delete at[last];
  else at[last] = value;
};
export const config =
  (path: string, value: unknown) =>
  (draft: Draft): void =>
    setAt(draft.config, path.split("/"), value);
export const modelopt =
  (path: string, value: unknown) =>
  (draft: Draft): void =>
    setAt(draft.hfQuantConfig, path.split("/"), value);

/** The engine refuses the spoilt facts, names the place, and says little else. */
export function expectRefusal(engine: EngineRules, good: Draft, [, where, spoil]: Attack): void {
  const model = engine.engine === "ds4" ? flash : tiny;
  const draft = copyOf(good);
  spoil(draft);
  const { loads, drafter, problems } = checkEngine(engine, draft, model);
  expect(problems.map((problem) => problem.where).join("\n")).toContain(where);
  // A drafter's own file may be refused and the model loads nevertheless.
  const beside = where.startsWith("mtp-x.gguf");
  expect([loads, drafter ?? "yes"]).toEqual(beside ? ["yes", "no"] : ["no", "yes"]);
  expect(problems.length).toBeLessThanOrEqual(5);
  for (const problem of problems) {
    expect(formatProblem(problem)).not.toMatch(/[\n]|undefined|\[object/);
    expect(formatProblem(problem).length).toBeLessThan(400);
  }
}

export function attacks(
  title: string,
  engines: readonly string[],
  good: Draft,
  list: readonly Attack[],
): void {
  describe.each(engines)(`${title} for %s`, (name) => {
    const engine = ENGINES.get(name) as EngineRules;
    test("is taken unspoilt", () => {
      const model = name === "ds4" ? flash : tiny;
      expect(checkEngine(engine, good, model).problems).toEqual([]);
    });
    test.each(list)("%s: %s", (...attack) => expectRefusal(engine, good, attack));
  });
}
