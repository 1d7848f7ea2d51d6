import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./support/cli.ts";

/**
 * Who may import whom. The key is a folder (the longest that matches counts), the value the folders that its files may
 * import besides their own. What a folder does not list, it does not know.
 */
const RULES: Readonly<Record<string, readonly string[]>> = {
  "tools/lib": [],
  kernels: [],
  "tools/formats": ["tools/lib"],
  "tools/model": ["tools/lib", "tools/formats"],
  "tools/checkpoint": ["tools/lib", "tools/formats", "tools/model", "tools/tokenizer", "kernels"],
  "tools/hub": ["tools/lib", "tools/formats", "tools/model"],
  "tools/tokenizer": ["tools/lib", "tools/formats"],
  "tools/artefact": ["tools/lib"],
  "tools/plan": ["tools/lib", "tools/formats", "tools/model"],
  "tools/inspect": ["tools/lib", "tools/model", "tools/checkpoint"],
  "tools/quantize": [
    "tools/lib",
    "tools/formats",
    "tools/model",
    "tools/checkpoint",
    "tools/tokenizer",
    "tools/plan",
    "tools/artefact",
    "reports",
    "kernels",
  ],
  // A prediction runs the conversion itself on a sample.
  "tools/predict": [
    "tools/lib",
    "tools/formats",
    "tools/model",
    "tools/checkpoint",
    "tools/plan",
    "tools/quantize",
    "kernels",
  ],
  "tools/validate": [
    "tools/artefact",
    "tools/lib",
    "tools/formats",
    "tools/model",
    "tools/checkpoint",
    "tools/tokenizer",
    "tools/reference",
    // --tensor makes one tensor again.
    "tools/quantize/encode-tensor.ts",
    "reports",
    "kernels",
  ],
  "tools/generate": ["tools/lib", "tools/checkpoint", "tools/tokenizer", "tools/reference"],
  reports: ["tools/lib"],
  // The judge: decoders and products may be the kernels', encoders never.
  "tools/reference": ["tools/lib", "tools/model", "tools/checkpoint", "kernels"],
  "tools/doctor": ["tools/lib", "kernels"],
  // Foreign implementations that judge our files and our speed.
  "tools/peers": ["tools/lib"],
  "tools/bench": [
    "tools/lib",
    "tools/formats",
    "tools/model",
    "tools/checkpoint",
    "tools/tokenizer",
    "tools/peers",
    "tools/plan",
    "tools/quantize",
    "tools/reference",
    "tools/validate",
    "tools/demo/embedded.ts",
    "kernels",
  ],
  // The demo runs the stages in order, so it knows them all.
  "tools/demo": [
    "tools/lib",
    "tools/formats",
    "tools/model",
    "tools/checkpoint",
    "tools/plan",
    "tools/inspect",
    "tools/quantize",
    "tools/validate",
    "tools/peers",
    "kernels",
  ],
  evals: ["tools/lib", "tools/tokenizer"],
  // A client knows what a back-end is, and nothing of who asks it.
  "evals/clients": ["tools/lib", "tools/tokenizer", "evals/backend.ts"],
  "tools/commands": ["tools", "evals", "kernels/load.ts"],
  "tools/pipeline.ts": [],
  "tools/cli.ts": ["tools"],
};

/** Modules that few may touch: writing goes through lib/disk, the network through hub, threads through quantize. */
const RESERVED: Readonly<Record<string, readonly string[]>> = {
  "node:http": ["tools/hub", "evals/clients"],
  "node:https": ["tools/hub", "evals/clients"],
  "node:net": ["tools/hub", "evals/clients"],
  undici: ["tools/hub", "evals/clients"],
  "@huggingface/hub": ["tools/hub"],
  "@huggingface/gguf": ["tools/demo"],
  "node:worker_threads": ["tools/quantize", "kernels"],
  piscina: ["tools/hub", "tools/quantize", "tools/validate", "tools/predict"],
};

const WRITES = /\b(writeFile|appendFile|createWriteStream|writeFileSync|copyFile|rename|truncate|mkdir)\b/;
// The generator of C tables writes into the source tree, by hand of a developer, never for a user.
const MAY_WRITE = [
  "tools/lib/disk.ts",
  "tools/lib/output-lock.ts",
  "tools/lib/append-log.ts",
  "tools/lib/links.ts",
  "kernels/tables/generate.ts",
];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(ROOT, path)).isDirectory()) return sources(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

const files = ["tools", "kernels", "evals", "reports"]
  .filter((folder) => statSync(join(ROOT, folder), { throwIfNoEntry: false }))
  .flatMap(sources);
const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
const ruleOf = (path: string): string | undefined =>
  Object.keys(RULES)
    .filter((folder) => within(path, folder))
    .sort((a, b) => b.length - a.length)[0];

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]);
}

test("every source file belongs to a folder with a rule", () => {
  expect(files.length).toBeGreaterThan(30);
  expect(files.filter((file) => ruleOf(file) === undefined)).toEqual([]);
});

test("no file imports a folder that its own does not list", () => {
  const violations = files.flatMap((file) => {
    const own = ruleOf(file) as string;
    return importsOf(file)
      .filter((target) => target.startsWith("."))
      .map((target) => relative(ROOT, resolve(ROOT, dirname(file), target)))
      .filter((target) => !within(target, own) && !RULES[own].some((folder) => within(target, folder)))
      .map((target) => `${file} imports ${target}`);
  });
  expect(violations).toEqual([]);
});

test("reserved modules stay where they belong", () => {
  const violations = files.flatMap((file) =>
    importsOf(file)
      .filter((module) => RESERVED[module] && !RESERVED[module].some((folder) => within(file, folder)))
      .map((module) => `${file} imports ${module}`),
  );
  expect(violations).toEqual([]);
});

test("only lib/disk writes files", () => {
  const imported = (file: string): string =>
    [...readFileSync(join(ROOT, file), "utf8").matchAll(/import \{([^}]*)\} from "node:fs(?:\/promises)?"/g)]
      .map((match) => match[1])
      .join();
  expect(files.filter((file) => WRITES.test(imported(file)) && !MAY_WRITE.includes(file))).toEqual([]);
});
