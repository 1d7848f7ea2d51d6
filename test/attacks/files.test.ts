import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attackGround, EXPERT, expectRefusal } from "../support/attack.ts";
import { cli } from "../support/cli.ts";
import { editIndex, shardPaths } from "../support/shards.ts";

const { folder, official, base, attack } = attackGround();

test("the undamaged checkpoints pass", () => {
  for (const from of [official, base]) {
    const out = join(folder, "good.gguf");
    expect(cli(["inspect", from]).code).toBe(0);
    expect(cli(["quantize", from, "--bits", "4", "--out", out, "--force"]).code).toBe(0);
  }
});

test("a missing shard, a truncated shard, a missing expert", () => {
  expectRefusal(
    attack((checkpoint) => rmSync(shardPaths(checkpoint)[2])),
    66,
    "shard is missing",
    "model-00003",
  );
  expectRefusal(
    attack((checkpoint) => {
      const path = shardPaths(checkpoint)[2];
      truncateSync(path, readFileSync(path).length - 1000);
    }),
    65,
    "beyond the end of the file",
    "model-00003",
  );
  const gone = attack((checkpoint) =>
    editIndex(checkpoint, (map) => {
      delete map[EXPERT];
    }),
  );
  expectRefusal(gone, 65, EXPERT);
});

test("a weight_map that points outside the folder", () => {
  for (const target of [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\secrets.safetensors",
    "sub/model.safetensors",
    "..",
    "",
    7,
  ]) {
    const result = attack((checkpoint) =>
      editIndex(checkpoint, (map) => {
        map["embed.weight"] = target as string;
      }),
    );
    expectRefusal(result, 65, "weight_map", "embed.weight");
  }
});

test("a FIFO, a folder or a device as shard", () => {
  const replaced = (make: (path: string) => void) =>
    attack((checkpoint) => {
      const path = shardPaths(checkpoint)[1];
      rmSync(path);
      make(path);
    });
  expectRefusal(
    replaced((path) => execFileSync("mkfifo", [path])),
    65,
    "FIFO",
    "model-00002",
  );
  expectRefusal(
    replaced((path) => mkdirSync(path)),
    65,
    "folder",
    "model-00002",
  );
  expectRefusal(
    replaced((path) => execFileSync("ln", ["-s", "/dev/zero", path])),
    65,
    "special file",
    "model-00002",
  );
});

test("no such folder, an empty folder, a file that is no checkpoint", () => {
  expectRefusal(cli(["inspect", join(folder, "nowhere")]), 66, "nowhere");
  const empty = join(folder, "empty");
  mkdirSync(empty);
  expectRefusal(cli(["inspect", empty]), 66, "config.json");
  const text = join(folder, "notes.txt");
  writeFileSync(text, "hello");
  expectRefusal(cli(["inspect", text]), 65, "neither a checkpoint folder");
});
