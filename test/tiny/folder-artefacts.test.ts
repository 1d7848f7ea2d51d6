import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { cli, ROOT } from "../support/cli.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { copyCheckpoint, readShard, shardPaths } from "../support/shards.ts";

const folder = scratchFolder();
const official = join(folder, "official");
const base = join(folder, "base");
const plain = join(folder, "f32");

const RECIPES = ["native", "nvfp4", "int4-g128", "fp8", "bf16-safetensors", "mlx-4"] as const;

beforeAll(async () => {
  for (const [path, storage] of [
    [official, "official"],
    [base, "base"],
    [plain, "f32"],
  ] as const)
    await generateCheckpoint({ folder: path, dims: TINY_DIMS, seed: 7, storage });
});

function quantize(source: string, out: string, ...args: string[]): string {
  const path = join(folder, out);
  const { code, stderr } = cli(["quantize", source, "--out", path, "--quiet", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return path;
}

const filesOf = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(path, name)).isFile())
    .sort();
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), "utf8"));
const storedOf = (path: string) => shardPaths(path).map(readShard);

test("every folder is the same for any number of workers, file by file", () => {
  for (const recipe of RECIPES) {
    const one = quantize(official, `${recipe}-1`, "--recipe", recipe, "--workers", "1");
    if (!FULL && !["nvfp4", "mlx-4"].includes(recipe)) continue;
    const three = quantize(official, `${recipe}-3`, "--recipe", recipe, "--workers", "3");
    expect(filesOf(one)).toEqual(filesOf(three));
    for (const name of filesOf(one))
      expect(
        readFileSync(join(one, name)).equals(readFileSync(join(three, name))),
        `${recipe}: ${name}`,
      ).toBe(true);
  }
});

test("the index places every tensor in the shard that holds it, once, and knows their bytes", () => {
  for (const recipe of RECIPES) {
    const out = join(folder, `${recipe}-1`);
    const { metadata, weight_map } = json(out, "model.safetensors.index.json");
    const shards = storedOf(out);
    const stored = shards.flatMap(({ path, header }) =>
      Object.keys(header)
        .filter((name) => name !== "__metadata__")
        .map((name) => [name, relative(out, path)]),
    );
    expect(Object.entries(weight_map)).toEqual(stored);
    expect(metadata.total_size).toBe(shards.reduce((sum, { data }) => sum + data.length, 0));
  }
});

test("what the source has beside its tensors is copied as it is, and nothing else of it", () => {
  const source = copyCheckpoint(official, join(folder, "with-all"));
  mkdirSync(join(source, "encoding/tests"), { recursive: true });
  const extra = [
    "chat_template.jinja",
    "special_tokens_map.json",
    "generation_config.json",
    "tokenizer_config.json",
    "LICENSE",
    "encoding/encoding_dsv4.py",
    "encoding/tests/test_output_4.txt",
  ];
  for (const name of [...extra, "notes.txt", "encoding/other.py"])
    writeFileSync(join(source, name), `own ${name}\n`);
  const out = quantize(source, "copied", "--recipe", "native");
  const beside = filesOf(out).filter((name) => !name.endsWith(".safetensors"));
  expect(beside).toEqual(
    [...extra, "README.md", "config.json", "model.safetensors.index.json", "tokenizer.json"].sort(),
  );
  for (const name of [...extra, "tokenizer.json"])
    expect(readFileSync(join(out, name)).equals(readFileSync(join(source, name))), name).toBe(true);
  expect(readFileSync(join(folder, "native-1/LICENSE"), "utf8")).toMatch(
    /^MIT License\n\nCopyright .* DeepSeek\n/,
  );
});

test("config.json says what the shards hold, from every kind of source", () => {
  for (const [name, source, recipes] of [
    ["official", official, RECIPES],
    ["base", base, ["native", "fp8"]],
    ["plain", plain, ["native", "nvfp4", "int4-g128"]],
  ] as const) {
    const own = json(source, "config.json");
    for (const recipe of recipes) {
      const out =
        source === official
          ? join(folder, `${recipe}-1`)
          : quantize(source, `${name}-${recipe}`, "--recipe", recipe);
      const config = json(out, "config.json");
      const dtypes = new Map(storedOf(out).flatMap(({ header }) => Object.entries(header)));
      const expert = dtypes.get("layers.1.ffn.experts.3.w2.weight")?.dtype;
      const {
        quantization_config: method,
        quantization,
        expert_dtype,
        num_nextn_predict_layers,
        ...rest
      } = config;
      const { quantization_config: _, expert_dtype: __, num_nextn_predict_layers: ___, ...ownRest } = own;
      expect(rest).toEqual({ ...ownRest, ...(recipe === "bf16-safetensors" && { torch_dtype: "bfloat16" }) });
      expect(num_nextn_predict_layers).toBe(recipe === "mlx-4" ? 0 : own.num_nextn_predict_layers);
      if (recipe === "native" || recipe === "fp8") {
        expect(method.quant_method).toBe("fp8");
        expect(expert_dtype).toBe(expert === "I8" ? "fp4" : "fp8");
        if (recipe === "fp8") expect(dtypes.get("layers.1.ffn.experts.3.w2.scale")?.dtype).toBe("F32");
      } else if (recipe === "nvfp4") {
        expect(method).toMatchObject({ quant_method: "fp8", moe_quant_algo: "NVFP4" });
        const { quantization: listed } = json(out, "hf_quant_config.json");
        const stored = [...dtypes.keys()].filter((tensor) => tensor.endsWith(".weight_scale_2"));
        expect(Object.keys(listed.quantized_layers)).toEqual(
          stored.map((tensor) => tensor.replace(/\.[^.]*$/, "")),
        );
        expect(listed.exclude_modules).toContain("*.attn.*");
        const unscaled = method.modules_to_not_convert ?? [];
        expect(unscaled.includes("layers.0.attn.wq_a")).toBe(!dtypes.has("layers.0.attn.wq_a.scale"));
      } else if (recipe === "int4-g128") checkPatterns(method, dtypes);
      else if (recipe === "mlx-4") {
        expect(quantization).toEqual(method);
        const scaled = [...dtypes.keys()].flatMap((tensor) => /^(.*)\.scales$/.exec(tensor)?.[1] ?? []);
        for (const module of scaled) {
          const mode = (quantization[module] ?? quantization).mode;
          expect(mode, module).toBe(dtypes.has(`${module}.biases`) ? "affine" : "mxfp4");
        }
        for (const [key, value] of Object.entries(quantization))
          if (typeof value === "object") expect(scaled).toContain(key);
      } else expect(method ?? quantization ?? expert_dtype).toBeUndefined();
    }
  }
});

interface Method {
  readonly config_groups: Record<string, { readonly targets: string[] }>;
  readonly ignore: string[];
}

/** Every matrix matches the group that it is stored in and no other, under its own name and with a prefix. */
function checkPatterns(
  { config_groups, ignore }: Method,
  dtypes: ReadonlyMap<string, { dtype: string; shape: number[] }>,
) {
  const matching = (module: string): string[] =>
    Object.entries({
      ...Object.fromEntries(Object.entries(config_groups).map(([key, { targets }]) => [key, targets])),
      ignore,
    })
      .filter(([, patterns]) => patterns.some((pattern) => new RegExp(`^${pattern.slice(3)}`).test(module)))
      .map(([key]) => key);
  let count = 0;
  for (const [tensor, { dtype, shape }] of dtypes) {
    const [, module, kind] = /^(.*)\.(weight|weight_packed)$/.exec(tensor) ?? [];
    if (module === undefined || shape.length !== 2) continue;
    const group = kind === "weight_packed" ? "group_0" : dtype === "F8_E4M3" ? "group_1" : "ignore";
    const expected = [module.startsWith("mtp.") ? "ignore" : group];
    expect(matching(module), module).toEqual(expected);
    expect(matching(`model.${module}`), module).toEqual(expected);
    count++;
  }
  expect(count).toBeGreaterThan(100);
}

test("without the drafter config.json says so", () => {
  const out = quantize(official, "dropped", "--recipe", "native", "--mtp", "drop");
  expect(json(official, "config.json").num_nextn_predict_layers).toBe(1);
  expect(json(out, "config.json").num_nextn_predict_layers).toBe(0);
  expect(readFileSync(join(out, "README.md"), "utf8")).toMatch(/ were left out on request \(`mtp\.0\./);
});

test("official layouts open again, and run as their source does", () => {
  const tokens = join(folder, "tokens.json");
  writeFileSync(tokens, JSON.stringify([0, 17, 300, 41, 8, 99, 256, 11]));
  const logits = (path: string): Buffer => {
    const npy = `${path}.npy`;
    const { code, stderr } = cli([
      "validate",
      path,
      "--tokens-file",
      tokens,
      "--dump-logits",
      npy,
      "--quiet",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return readFileSync(npy);
  };
  const source = logits(official);
  expect(logits(join(folder, "native-1")).equals(source)).toBe(true);
  expect(logits(join(folder, "dropped")).equals(source)).toBe(true);
  // Decoded weights, the same numbers.
  expect(logits(join(folder, "bf16-safetensors-1")).equals(source)).toBe(true);
});

test("a GGUF becomes a folder with a configuration of its own", () => {
  const gguf = quantize(DEMO_CHECKPOINT, "demo.gguf", "--bits", "16");
  const out = quantize(gguf, "from-gguf", "--recipe", "native");
  const {
    expert_dtype,
    quantization_config,
    transformers_version: _,
    ...own
  } = json(DEMO_CHECKPOINT, "config.json");
  expect(json(out, "config.json")).toEqual({ ...own, expert_dtype, quantization_config });
  expect(filesOf(out)).toContain("tokenizer.json");
  expect(cli(["inspect", out]).code).toBe(0);
});

test("a plan that no configuration can describe is refused before anything is written", () => {
  const recipe = join(folder, "mixed.yaml");
  const text = readFileSync(join(ROOT, "configs/recipes/native.yaml"), "utf8").replace(
    "rules:",
    "rules:\n  - { roles: [expert], layers: { from: 0, to: 1 }, format: fp8_f32 }",
  );
  writeFileSync(recipe, text);
  const out = join(folder, "refused");
  const { code, stderr } = cli(["quantize", official, "--recipe", recipe, "--out", out, "--quiet"]);
  expect(code).toBe(64);
  expect(stderr).toMatch(/^v4kit: .*the experts to be alike in every layer \(found fp8_f32 and fp4\)\n$/);
  writeFileSync(recipe, text.replace("layers: { from: 0, to: 1 }, format: fp8_f32", "format: bf16"));
  const plainExperts = cli([
    "quantize",
    official,
    "--recipe",
    recipe,
    "--out",
    out,
    "--quiet",
    "--allow-larger",
  ]);
  expect(plainExperts.code).toBe(64);
  expect(plainExperts.stderr).toMatch(
    /^v4kit: tensor layers\.0\.ffn.*expected fp4 or fp8 or fp8_f32, found bf16\)\n$/,
  );
  expect(readdirSync(folder).filter((name) => name.startsWith("refused"))).toEqual([]);
});

test("the model card says what the manifest says, and nothing of the machine or the day", () => {
  const card = readFileSync(join(folder, "nvfp4-1/README.md"), "utf8");
  const manifest = json(folder, "nvfp4-1.v4kit/manifest.json");
  expect(card).toMatch(/^---\nlicense: mit\n/);
  for (const fact of [manifest.plan, manifest.digest, manifest.source.digest, "nvfp4@1", "--manifest"])
    expect(card).toContain(fact);
  for (const machine of [folder, manifest.run.finished.slice(0, 10), process.version, "workers"])
    expect(card).not.toContain(machine);
  const exact = manifest.certificate.every(
    ({ values, verified, changed }: Record<string, number>) => changed === 0 && verified === values,
  );
  expect(card.includes("all are equal")).toBe(exact);
  const lossy = readFileSync(join(folder, "int4-g128-1/README.md"), "utf8");
  expect(lossy).not.toMatch(/\| expert \| fp4 \| int4_g128 \| [^|]* \| [^|]* \| [^|]* \|/);
  expect(lossy).toContain("re-encoded with loss; how much");
});

test("a GGUF has its card in the folder of its manifest; a title cannot bring markup into it", () => {
  const recipe = join(folder, "odd.yaml");
  const text = readFileSync(join(ROOT, "configs/recipes/lossless-4.yaml"), "utf8");
  writeFileSync(recipe, text.replace(/^title: .*$/m, String.raw`title: "a\n---\n# <b>[x](y)</b>"`));
  quantize(official, "card.gguf", "--recipe", recipe);
  const card = readFileSync(join(folder, "card.v4kit/README.md"), "utf8");
  expect(card).toContain("v4kit validate card.gguf --manifest");
  expect(card).not.toMatch(/<b>|\[x\]\(|^# <|\n---\n#/m);
  expect(card.split("\n").filter((line) => line === "---")).toHaveLength(2);
});

test("a file beside the tensors that is no file stops the conversion", () => {
  const source = copyCheckpoint(official, join(folder, "odd-source"));
  mkdirSync(join(source, "chat_template.jinja"));
  const out = join(folder, "odd");
  expect(cli(["quantize", source, "--recipe", "native", "--out", out, "--quiet"])).toMatchObject({
    code: 65,
    stderr: expect.stringMatching(/^v4kit: .*chat_template\.jinja: not a regular file\n$/),
  });
});
