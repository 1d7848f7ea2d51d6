import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
// The package has no types; this is all of it that is used.
// @ts-expect-error -- no declaration file
import { SafeTensor as Untyped } from "../../node_modules/safetensors/dist/safetensors.es.js";
import { compareReaders } from "../../tools/demo/foreign-reader.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { dtypeOfSafetensors } from "../../tools/formats/dtypes.ts";
import { isGguf, shippedRecipes } from "../../tools/plan/recipe.ts";
import { cli } from "../support/cli.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { readShard, shardPaths } from "../support/shards.ts";

interface ForeignFile {
  readonly metadata: Map<string, { dtype: string; shape: number[] }>;
  getTensor(name: string): Uint8Array;
}
const SafeTensor = Untyped as new (bytes: Uint8Array) => ForeignFile;

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");

beforeAll(() => generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 17, storage: "official" }));

function quantize(recipe: string, format: string, out: string, ...more: string[]): string[] {
  const flags = [
    "--recipe",
    recipe,
    "--format",
    format,
    "--allow-larger",
    "--out",
    join(folder, out),
    ...more,
  ];
  const { code, stdout, stderr } = cli(["quantize", checkpoint, "--json", ...flags]);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { outputs: { path: string }[] }).outputs.map(({ path }) => path);
}

/** Everything that is shipped in the full tier; in the normal one, what differs in kind. */
const REDUCED = ["lossless-4/gguf", "ds4-q2/ds4-gguf", "iq2-s/gguf", "native/native", "nvfp4/nvfp4"];
const all = shippedRecipes().flatMap(({ name, formats }) =>
  formats.map((format) => [name, format] as const).filter((one) => FULL || REDUCED.includes(one.join("/"))),
);

test.each(all.filter(([, format]) => isGguf(format)))(
  "Hugging Face's parser sees in %s as %s what ours sees, drafter and split files too",
  async (recipe, format) => {
    const paths = quantize(recipe, format, `${recipe}-${format}.gguf`);
    expect(paths).toHaveLength(2);
    if (format === "gguf")
      paths.push(...quantize(recipe, format, `${recipe}-split.gguf`, "--split-size", "4MiB"));
    let tensors = 0;
    for (const path of paths) {
      const verdict = await compareReaders(path);
      expect(verdict.disagreements, path).toEqual([]);
      expect(verdict.tensors).toBeGreaterThan(0);
      tensors += verdict.tensors;
    }
    expect(tensors).toBeGreaterThan(130);
  },
);

test.each(all.filter(([, format]) => !isGguf(format)))(
  "the npm package safetensors sees in %s as %s the tensors and bytes that the headers say",
  (recipe, format) => {
    quantize(recipe, format, `${recipe}-folder`);
    const paths = shardPaths(join(folder, `${recipe}-folder`));
    expect(paths.length).toBeGreaterThan(1);
    const seen = new Set<string>();
    for (const path of paths) {
      const { header, data } = readShard(path);
      const foreign = new SafeTensor(withoutMetadata(path));
      for (const [name, { dtype, shape }] of foreign.metadata) {
        expect(dtypeOfSafetensors(dtype), name).toBeDefined();
        expect(header[name], name).toMatchObject({ dtype, shape });
        const [begin, end] = header[name].data_offsets;
        expect(Buffer.compare(foreign.getTensor(name), data.subarray(begin, end)), name).toBe(0);
        expect(seen.has(name), name).toBe(false);
        seen.add(name);
      }
      expect(foreign.metadata.size).toBe(
        Object.keys(header).filter((name) => name !== "__metadata__").length,
      );
    }
    expect(
      readdirSync(join(folder, `${recipe}-folder`)).filter((name) => name.endsWith(".safetensors")),
    ).toHaveLength(paths.length);
  },
);

/** The bytes of a shard without `__metadata__`, over which the package stumbles. */
function withoutMetadata(path: string): Uint8Array {
  const { header, data } = readShard(path);
  const { __metadata__: _, ...rest } = header;
  const json = Buffer.from(JSON.stringify(rest));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([length, json, data]));
}
