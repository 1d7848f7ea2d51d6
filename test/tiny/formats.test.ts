import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { DIMS } from "../support/attack.ts";
import { type Conversion, convert, identityOf, leaveUnfinished } from "../support/conversions.ts";
import { pairOf, writeImportanceGguf } from "../support/imatrix.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();
const official = join(folder, "official");
const base = join(folder, "base");
const imatrix = join(folder, "imatrix.gguf");
const sets = chooseKernels("").available.map(({ set }) => set);

beforeAll(async () => {
  await generateCheckpoint({ folder: official, dims: DIMS, seed: 3, storage: "official" });
  await generateCheckpoint({ folder: base, dims: DIMS, seed: 3, storage: "base" });
  const random = seededRandom(9);
  const { layerCount, expertCount, hiddenSize, expertWidth } = DIMS;
  const stacks = Array.from({ length: layerCount }, (_, layer) =>
    (["gate", "up", "down"] as const).flatMap((part) => {
      const columns = part === "down" ? expertWidth : hiddenSize;
      const sums = Array.from({ length: expertCount * columns }, () => 100 * random());
      // No token reached the last expert: its weights stand in.
      const counts = Array.from({ length: expertCount }, (_, expert) => (expert < expertCount - 1 ? 7 : 0));
      return pairOf(
        `blk.${layer}.ffn_${part}_exps.weight`,
        sums.map((sum, i) => sum * Math.sign(counts[Math.floor(i / columns)])),
        counts,
      );
    }),
  );
  writeImportanceGguf(imatrix, stacks.flat());
});

afterEach(() => {
  delete process.env.V4KIT_KERNELS;
});

const cases: readonly (Omit<Conversion, "source" | "out"> & {
  readonly title: string;
  readonly from?: "base";
})[] = [
  { title: "lossless-4", recipe: "lossless-4" },
  { title: "lossless-4 from FP8", recipe: "lossless-4", from: "base" },
  { title: "lossless-4 in parts", recipe: "lossless-4", splitBytes: 1_500_000 },
  { title: "ds4-q2 by the energy of the weights", recipe: "ds4-q2" },
  { title: "ds4-q2 by an importance file", recipe: "ds4-q2", imatrix },
  { title: "nvfp4", recipe: "nvfp4" },
  { title: "nvfp4 from FP8", recipe: "nvfp4", from: "base" },
  { title: "int4-g128", recipe: "int4-g128" },
  { title: "fp8", recipe: "fp8" },
  { title: "mlx-4", recipe: "mlx-4" },
];

/** Kernel sets and numbers of workers together: every one of both, and in the full tier every pair. */
function variants(): { set: string; workers: number }[] {
  const counts = [1, 2, 8];
  if (FULL) return sets.flatMap((set) => counts.map((workers) => ({ set, workers })));
  return Array.from({ length: Math.max(sets.length, counts.length) }, (_, i) => ({
    set: sets[i % sets.length],
    workers: counts[i % counts.length],
  }));
}

/** In the short tier a case of every kind: moved, searched with each importance, a scale over the whole matrix. */
const SHORT = ["lossless-4", "ds4-q2 by the energy of the weights", "nvfp4 from FP8"];

test.each(cases.filter(({ title }) => FULL || SHORT.includes(title)))(
  "$title: the same bytes for any number of workers, from every kernel set, and when interrupted",
  async ({ title, from, ...options }) => {
    expect(sets.length).toBeGreaterThan(1);
    const source = from === "base" ? base : official;
    const isFolder = !/lossless|ds4/.test(options.recipe);
    const place = (name: string): string =>
      join(folder, title.replaceAll(" ", "-"), name, isFolder ? "model" : "model.gguf");
    const identities = new Map<string, string[]>();
    for (const { set, workers } of variants()) {
      process.env.V4KIT_KERNELS = set;
      const out = place(`${set}-${workers}`);
      const { status, resumed } = await convert({ ...options, source, out, workers });
      expect([status, resumed]).toEqual(["done", 0]);
      identities.set(`${set} with ${workers}`, identityOf(out));
    }
    delete process.env.V4KIT_KERNELS;
    const out = place("interrupted");
    const pieces = await leaveUnfinished({ ...options, source, out });
    const { resumed } = await convert({ ...options, source, out });
    expect(pieces.length).toBeGreaterThan(0);
    expect(resumed).toBe(pieces.length);
    identities.set("interrupted", identityOf(out));
    const [first] = identities.values();
    expect(first.length).toBeGreaterThan(1);
    for (const [name, identity] of identities) expect(identity, name).toEqual(first);
  },
  600_000,
);
