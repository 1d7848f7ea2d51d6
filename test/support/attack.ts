import { lstatSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, expect } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { type CliResult, cli } from "./cli.ts";
import { scratchFolder } from "./scratch.ts";
import { copyCheckpoint, editIndex, type RawShard, readShard, shardPaths, writeShard } from "./shards.ts";

export const DIMS = { ...TINY_DIMS, layerCount: 3, expertCount: 4 };
export const EXPERT = "layers.1.ffn.experts.2.w1.weight";
export const EXPERT_SCALE = "layers.1.ffn.experts.2.w1.scale";

/** A checkpoint to damage, in official or Base storage, and a folder for whatever else a test makes. */
export function attackGround() {
  const folder = scratchFolder();
  const official = join(folder, "official");
  const base = join(folder, "base");
  let copies = 0;
  beforeAll(async () => {
    await generateCheckpoint({ folder: official, dims: DIMS, seed: 7, storage: "official" });
    await generateCheckpoint({ folder: base, dims: DIMS, seed: 7, storage: "base" });
  });

  /** Damages a copy of a checkpoint, runs a command on it, and returns what a user sees. */
  function attack(
    damage: (checkpoint: string) => void,
    command: "inspect" | "quantize" = "inspect",
    from = official,
  ): CliResult {
    const checkpoint = copyCheckpoint(from, join(folder, `copy-${copies++}`));
    damage(checkpoint);
    const out = join(folder, `out-${copies}.gguf`);
    const result = cli(
      command === "inspect"
        ? ["inspect", checkpoint]
        : ["quantize", checkpoint, "--bits", "4", "--out", out, "--workers", "1"],
    );
    rmSync(checkpoint, { recursive: true });
    for (const name of [out, `${out}.partial`, `${out}.lock`, join(folder, `mtp-${basename(out)}`)])
      expect(lstatSync(name, { throwIfNoEntry: false })).toBeUndefined();
    return result;
  }

  return { folder, official, base, attack };
}

/** One line on stderr, nothing on stdout, the right code, and the facts that the line must carry. */
export function expectRefusal(result: CliResult, code: number, ...facts: (string | RegExp)[]): void {
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.stdout).toBe("");
  for (const fact of facts) {
    if (typeof fact === "string") expect(result.stderr).toContain(fact);
    else expect(result.stderr).toMatch(fact);
  }
  expect(result.stderr).not.toContain("bug");
  expect(result.code).toBe(code);
}

export const firstShard = (checkpoint: string): RawShard => readShard(shardPaths(checkpoint)[0]);

/** Adds a small F32 tensor of this name to the first shard and the index. */
export function addTensor(checkpoint: string, name: string): void {
  const shard = firstShard(checkpoint);
  const end = shard.data.length;
  shard.header[name] = { dtype: "F32", shape: [1], data_offsets: [end, end + 4] };
  shard.data = new Uint8Array([...shard.data, 0, 0, 0, 0]);
  writeShard(shard);
  editIndex(checkpoint, (map) => {
    map[name] = basename(shard.path);
  });
}
