import { existsSync, readdirSync, rmSync } from "node:fs";
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
    command: "inspect" | "quantize" | readonly ["quantize", string] = "inspect",
    from = official,
  ): CliResult {
    const checkpoint = copyCheckpoint(from, join(folder, `copy-${copies++}`));
    damage(checkpoint);
    const recipe = typeof command === "string" ? "lossless-4" : command[1];
    // A folder of its own: whatever a failed run leaves is seen.
    const place = join(folder, `out-${copies}`);
    const out = join(place, recipe === "lossless-4" ? "out.gguf" : "out");
    const result = cli(
      command === "inspect"
        ? ["inspect", checkpoint]
        : ["quantize", checkpoint, "--recipe", recipe, "--out", out, "--workers", "1"],
    );
    rmSync(checkpoint, { recursive: true });
    const journal = join(place, "out.v4kit/journal.jsonl");
    const left = existsSync(place) ? readdirSync(place) : [];
    // A fault that is found late leaves what a resume needs, under no final name.
    if (existsSync(journal)) expect(left.filter((name) => !/\.(partial|v4kit)$/.test(name))).toEqual([]);
    else expect(left).toEqual([]);
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
