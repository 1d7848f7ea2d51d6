import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../tools/model/config.ts";
import { type Drafter, inventory } from "../../tools/model/inventory.ts";
import { type MlxModule, mlxQuantization } from "../../tools/model/mlx-config.ts";
import { mlxName } from "../../tools/model/mlx-names.ts";
import { FLASH, FLASH_0731, PRO, PRO_0813 } from "../fixtures/release-configs.ts";

const read = (path: string): object => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));

/** What a converter would write: MLX name to shape, experts counted and stacked. */
function mlxShapes(json: object, drafter: Drafter): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const spec of inventory(parseConfig(json, "config.json"), drafter)) {
    const name = mlxName(spec);
    expect(name === undefined).toBe(spec.name.startsWith("mtp."));
    if (name === undefined) continue;
    const experts = shapes.get(name)?.[0] ?? 0;
    expect(spec.expert ?? 0).toBe(experts); // only a stack repeats a name, in the order of its ids
    shapes.set(name, spec.expert === undefined ? spec.shape : [experts + 1, ...spec.shape]);
  }
  return shapes;
}

describe("names", () => {
  test("and shapes are those of mlx-lm's model, all of them", () => {
    const ours = mlxShapes(read("../../tools/demo/checkpoint/config.json"), "none");
    expect(Object.fromEntries(ours)).toEqual(read("../vectors/mlx/parameters.json"));
  });

  test.each([
    ["Flash", FLASH, "mtp", 43],
    ["Flash 0731", FLASH_0731, "dspark", 43],
    ["Pro", PRO, "mtp", 61],
    ["Pro 0813", PRO_0813, "dspark", 61],
  ] as const)("%s: one per tensor, three stacks per layer", (_, json, drafter, layers) => {
    const shapes = mlxShapes(json, drafter);
    const stacks = [...shapes].filter(([name]) => name.includes(".switch_mlp."));
    expect(stacks.length).toBe(3 * layers);
    for (const [, shape] of stacks) expect(shape[0]).toBe(json.n_routed_experts);
    // A GGUF has the same tensors, one for one.
    const config = parseConfig(json, "config.json");
    const gguf = new Set(Array.from(inventory(config, "none"), (spec) => spec.gguf));
    expect(shapes.size).toBe(gguf.size);
    // mlx-lm takes these endings and prefixes for a checkpoint that it has to rename or decode.
    for (const name of shapes.keys()) {
      expect(name).toMatch(/^(model|lm_head)\./);
      expect(name).not.toMatch(/\.(w[123]|experts)\.|\.hc_(attn|ffn)_|\.gate\.bias$/);
    }
  });
});

describe("quantization in config.json", () => {
  const affine = (module: string, bits: 4 | 8 = 4, groupSize = 64): MlxModule => ({
    ...{ module, bits, groupSize, mode: "affine" },
  });
  const mxfp4 = (module: string): MlxModule => ({ module, bits: 4, groupSize: 32, mode: "mxfp4" });

  test("the most frequent affine setting is the default, whatever else is more frequent", () => {
    const experts = ["gate", "up", "down"].map((p) => mxfp4(`model.layers.0.ffn.switch_mlp.${p}_proj`));
    const object = mlxQuantization([
      ...experts,
      affine("lm_head", 8),
      affine("model.layers.0.attn.wq_a"),
      affine("model.layers.0.attn.wq_b"),
      affine("model.embed_tokens", 4, 32),
    ]);
    const own = { group_size: 32, bits: 4, mode: "mxfp4" };
    expect(JSON.stringify(object)).toBe(
      JSON.stringify({
        ...{ group_size: 64, bits: 4, mode: "affine" },
        ...Object.fromEntries(experts.map(({ module }) => [module, own])),
        lm_head: { group_size: 64, bits: 8, mode: "affine" },
        "model.embed_tokens": { group_size: 32, bits: 4, mode: "affine" },
      }),
    );
  });

  test("of equals the first; without affine modules mxfp4; without modules nothing", () => {
    expect(mlxQuantization([affine("a", 8), affine("b")])).toMatchObject({ bits: 8, b: { bits: 4 } });
    expect(mlxQuantization([mxfp4("a")])).toEqual({ group_size: 32, bits: 4, mode: "mxfp4" });
    expect(mlxQuantization([])).toBeUndefined();
  });

  test("a module given twice is refused", () => {
    expect(() => mlxQuantization([affine("a"), mxfp4("a")])).toThrow("a is given twice");
  });
});
