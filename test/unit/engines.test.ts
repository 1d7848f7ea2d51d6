import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readArtefactFacts } from "../../tools/checkpoint/artefact-facts.ts";
import { generateConfig, TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { layoutGguf } from "../../tools/formats/gguf/layout.ts";
import { type ModelConfig, parseConfig } from "../../tools/model/config.ts";
import { inventory } from "../../tools/model/inventory.ts";
import { checkAllEngines, checkEngine } from "../../tools/plan/engines/check-engine.ts";
import {
  type EngineRules,
  parseEngineRules,
  ruleFor,
  shippedEngines,
} from "../../tools/plan/engines/engine-rules.ts";
import type { EngineVerdict } from "../../tools/plan/engines/verdict.ts";
import { FLASH, FLASH_0731, PRO } from "../fixtures/release-configs.ts";
import { type Draft, folderDraft, ggufDraft, mlxDraft, splitDraft } from "../support/engine-facts.ts";
import { goldenCheckpoint } from "../support/golden.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

const TINY = generateConfig(TINY_DIMS, "fp4");
const MODELS: Readonly<Record<string, object>> = { Flash: FLASH, Pro: PRO, tiny: TINY };
const ENGINES = shippedEngines();
const engine = (name: string): EngineRules => {
  const found = ENGINES.find((one) => one.engine === name);
  if (!found) throw new Error(`no engine ${name}`);
  return found;
};
const judge = (name: string, draft: Draft, config: ModelConfig): EngineVerdict =>
  checkEngine(engine(name), draft, config);

const FOLDERS = [
  ["native", "yes", "yes"],
  ["fp8", "yes", "yes"],
  ["nvfp4", "yes", "yes"],
  ["compressed-tensors", "unknown", "yes"],
  ["bf16", "unknown", "unknown"],
] as const;
/** Folders of the releases have up to 286,000 tensors: one of Flash in the quick tier, all in the full one. */
const folders = (model: string) =>
  FOLDERS.filter(([kind]) => FULL || model === "tiny" || (model === "Flash" && kind === "nvfp4"));

describe.each(Object.entries(MODELS))("artefacts of %s as they are published", (name, raw) => {
  const config = parseConfig(raw, "config.json");

  test("a GGUF in upstream's types loads in llama.cpp, with its sidecar and split", () => {
    const draft = ggufDraft(config, "llama.cpp");
    for (const facts of [draft, splitDraft(draft, 3)]) {
      const verdict = judge("llama.cpp", facts, config);
      expect(verdict.problems).toEqual([]);
      expect(verdict.loads).toBe("yes");
      expect(judge("ds4", facts, config).loads).toBe("no");
    }
  });

  test("a GGUF in ds4's types loads in both engines", () => {
    const draft = ggufDraft(config, "ds4");
    const verdict = judge("ds4", draft, config);
    if (name === "tiny") {
      expect(verdict.problems.map(({ where }) => where)).toEqual(["geometry"]);
    } else {
      expect(verdict.problems).toEqual([]);
      expect(verdict.loads).toBe("yes");
      expect(verdict.notes.some((note) => note.includes("newer"))).toBe(name === "Pro");
    }
    // The model's file serves both; the drafter's layouts are different.
    expect(judge("llama.cpp", draft, config)).toMatchObject({ loads: "yes", drafter: "no" });
  });

  test.each(folders(name))("%s: vLLM %s, SGLang %s", (kind, vllm, sglang) => {
    const draft = folderDraft(config, raw, { kind });
    for (const [name, loads] of [
      ["vllm", vllm],
      ["sglang", sglang],
    ] as const) {
      const verdict = judge(name, draft, config);
      expect(verdict.problems).toEqual([]);
      expect(verdict.loads).toBe(loads);
    }
    // mlx-lm renames and decodes the release's own layout itself.
    expect(judge("mlx", draft, config).loads).toBe(
      ["compressed-tensors", "nvfp4"].includes(kind) ? "no" : "unknown",
    );
  });

  test("a folder for MLX loads in MLX", () => {
    const draft = mlxDraft(config, raw);
    expect(judge("mlx", draft, config)).toMatchObject({ loads: "yes", problems: [] });
    expect(judge("vllm", draft, config).loads).toBe("no");
  });
});

const config = parseConfig(TINY, "config.json");

test("a DSpark drafter is fine in the release's own layout and doubtful beside NVFP4", () => {
  const own = parseConfig(FLASH_0731, "config.json");
  const native = folderDraft(own, FLASH_0731, { kind: "native", drafter: "dspark" });
  expect(judge("vllm", native, own)).toMatchObject({ loads: "yes", problems: [] });
  const nvfp4 = folderDraft(own, FLASH_0731, { kind: "nvfp4", drafter: "dspark" });
  expect(judge("vllm", nvfp4, own)).toMatchObject({ loads: "unknown", problems: [] });
});

test("an MTP block inside the model's file is noted for llama.cpp and refused for ds4", () => {
  const draft = ggufDraft(config, "llama.cpp");
  const [model, sidecar] = draft.files;
  const block = sidecar.tensors.filter(({ name }) => name.startsWith("blk."));
  const facts = {
    ...draft,
    files: [{ ...sidecar, ...model, metadata: sidecar.metadata, tensors: [...model.tensors, ...block] }],
  };
  const verdict = judge("llama.cpp", facts, config);
  expect(verdict).toMatchObject({ loads: "yes", problems: [] });
  expect(verdict.notes.some((note) => note.includes("sidecar is the safer"))).toBe(true);
  expect(judge("ds4", facts, config).problems.some(({ where }) => where.startsWith("blk.4."))).toBe(true);
});

test("a plan without keys gets a verdict that says what was not checked", () => {
  const draft = ggufDraft(config, "llama.cpp");
  const facts = { ...draft, files: draft.files.map(({ name, kind, tensors }) => ({ name, kind, tensors })) };
  const verdict = checkEngine(engine("llama.cpp"), facts, config);
  expect(verdict.loads).toBe("yes");
  expect(verdict.notes.filter((note) => note.includes("no key was checked"))).toHaveLength(2);
  const { config: _, hfQuantConfig: __, ...folder } = folderDraft(config, TINY, { kind: "nvfp4" });
  expect(checkEngine(engine("vllm"), folder, config).notes.join()).toContain("config.json is not known yet");
});

test("precision that loads but costs quality is a note; formats nobody has tried are doubts", () => {
  const draft = ggufDraft(config, "llama.cpp");
  const retype = (pattern: RegExp, dtype: "bf16" | "nvfp4" | "q8_0"): Draft => ({
    ...draft,
    files: draft.files.map((file) => ({
      ...file,
      tensors: file.tensors.map((tensor) => (pattern.test(tensor.name) ? { ...tensor, dtype } : tensor)),
    })),
  });
  const mixing = judge("llama.cpp", retype(/hc_attn_fn/, "bf16"), config);
  expect(mixing.loads).toBe("yes");
  expect(mixing.notes.join()).toContain("#28696");
  const router = judge("llama.cpp", retype(/ffn_gate_inp/, "q8_0"), config);
  expect(router.loads).toBe("yes");
  expect(router.notes.join()).toContain("blk.0.ffn_gate_inp.weight and 3 more: q8_0");
  expect(judge("llama.cpp", retype(/_exps/, "nvfp4"), config).loads).toBe("unknown");
});

test("every engine gives a verdict, and the other container is named", () => {
  const verdicts = checkAllEngines(ggufDraft(config, "llama.cpp"), config);
  expect(verdicts.map(({ engine: name, loads }) => [name, loads])).toEqual([
    ["ds4", "no"],
    ["llama.cpp", "yes"],
    ["mlx", "no"],
    ["sglang", "no"],
    ["vllm", "no"],
  ]);
  expect(verdicts[4].problems[0]).toMatchObject({
    expected: "a safetensors folder",
    found: "a GGUF",
    count: 1,
  });
});

test("every tensor of every release has a rule in every engine and format", () => {
  const dspark = parseConfig(FLASH_0731, "config.json");
  const all = [...inventory(config, "mtp"), ...inventory(dspark, "dspark")];
  const specs = [
    ...new Map(all.map((spec) => [`${spec.block.kind} ${spec.role} ${spec.part}`, spec])).values(),
  ];
  for (const rules of shippedEngines()) {
    const lists =
      rules.container === "gguf"
        ? [rules.tensors, rules.sidecar.tensors]
        : rules.formats
            .filter(({ loads }) => loads !== "no")
            .map(({ tensors }) => [...tensors, ...rules.tensors]);
    for (const spec of specs) {
      // A GGUF has no place for DSpark, and in the list of ds4's drafter a root or a compressor has no business.
      if (rules.container === "gguf" && (spec.role === "dspark" || spec.block.kind !== "mtp")) continue;
      if (rules.engine === "mlx" && spec.block.kind === "mtp") continue;
      for (const list of rules.container === "gguf" ? lists.slice(1) : lists)
        expect(
          ruleFor<{ roles: readonly string[] }>(list, spec),
          `${rules.engine} ${spec.name}`,
        ).toBeDefined();
    }
    if (rules.container === "gguf")
      for (const spec of inventory(config, "none"))
        expect(ruleFor(rules.tensors, spec), `${rules.engine} ${spec.name}`).toBeDefined();
  }
});

test("facts read from files are the facts they were made from", async () => {
  const folder = scratchFolder();
  const draft = splitDraft(ggufDraft(config, "llama.cpp"), 3);
  for (const { name, metadata, tensors } of draft.files) {
    const layout = layoutGguf(
      metadata,
      tensors.map(({ shape, ...rest }) => ({ ...rest, ne: [...shape].reverse() })),
    );
    const bytes = new Uint8Array(layout.byteLength);
    bytes.set(layout.prefix);
    writeFileSync(join(folder, name), bytes);
  }
  const facts = await readArtefactFacts(join(folder, "x-00001-of-00003.gguf"));
  expect(facts.files.map(({ name, kind }) => [name, kind])).toEqual(
    draft.files.map(({ name, kind }) => [name, kind]),
  );
  expect(facts.files.map(({ tensors }) => tensors)).toEqual(draft.files.map(({ tensors }) => tensors));
  expect(checkEngine(engine("llama.cpp"), facts, config)).toMatchObject({
    loads: "yes",
    drafter: "yes",
    problems: [],
  });
});

test("a checkpoint made elsewhere in the release's layout loads where the release does", async () => {
  const facts = await readArtefactFacts(goldenCheckpoint("case-a"));
  const own = parseConfig(facts.config, "config.json");
  const verdicts = checkAllEngines(facts, own);
  expect(verdicts.map(({ engine: name, loads }) => `${name} ${loads}`)).toEqual([
    "ds4 no",
    "llama.cpp no",
    "mlx unknown",
    "sglang yes",
    "vllm yes",
  ]);
});

test("rules that are no rules are refused with the place", () => {
  expect(() => parseEngineRules("engine: x\ncontainer: gguf\n", "x.yaml")).toThrow(
    /x\.yaml: engine rules: version/,
  );
  expect(() => parseEngineRules("container: tar\n", "x.yaml")).toThrow(/engine rules: container/);
});
