import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { cli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch.ts";
import {
  copyCheckpoint,
  editIndex,
  editJson,
  patchTensor,
  type RawShard,
  readShard,
  shardOf,
  shardPaths,
  writeShard,
} from "../support/shards.ts";

const folder = scratchFolder();
const dims = { ...TINY_DIMS, layerCount: 3, expertCount: 4 };
const official = join(folder, "official");
const base = join(folder, "base");

beforeAll(async () => {
  await generateCheckpoint({ folder: official, dims, seed: 7, storage: "official" });
  await generateCheckpoint({ folder: base, dims, seed: 7, storage: "base" });
});

let copies = 0;

/** Damages a copy of a checkpoint, runs a command on it, and returns what a user sees. */
function attack(
  damage: (checkpoint: string) => void,
  command: "inspect" | "quantize" = "inspect",
  from = official,
) {
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
    expect(existsSync(name)).toBe(false);
  return result;
}

/** One line on stderr, nothing on stdout, the right code, and the facts that the line must carry. */
function expectRefusal(result: ReturnType<typeof attack>, code: number, ...facts: (string | RegExp)[]): void {
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.stdout).toBe("");
  for (const fact of facts) {
    if (typeof fact === "string") expect(result.stderr).toContain(fact);
    else expect(result.stderr).toMatch(fact);
  }
  expect(result.stderr).not.toContain("bug");
  expect(result.code).toBe(code);
}

const first = (checkpoint: string): RawShard => readShard(shardPaths(checkpoint)[0]);
const EXPERT = "layers.1.ffn.experts.2.w1.weight";
const EXPERT_SCALE = "layers.1.ffn.experts.2.w1.scale";

test("the undamaged checkpoints pass", () => {
  for (const from of [official, base]) {
    const out = join(folder, "good.gguf");
    expect(cli(["inspect", from]).code).toBe(0);
    expect(cli(["quantize", from, "--bits", "4", "--out", out, "--force"]).code).toBe(0);
  }
});

test("a header length beyond the file", () => {
  const result = attack((checkpoint) => {
    const path = shardPaths(checkpoint)[0];
    const bytes = readFileSync(path);
    bytes.writeBigUInt64LE(BigInt(bytes.length));
    writeFileSync(path, bytes);
  });
  expectRefusal(result, 65, "header is longer than the file", /model-00001/);
});

test("a header length above 100 MB", () => {
  const result = attack((checkpoint) => {
    const path = shardPaths(checkpoint)[0];
    const bytes = readFileSync(path);
    bytes.writeBigUInt64LE(0x4000_0000_0000_0000n);
    writeFileSync(path, bytes);
  });
  expectRefusal(result, 65, "unreasonably long", "100000000");
});

test("a file shorter than the length prefix", () => {
  expectRefusal(
    attack((checkpoint) => truncateSync(shardPaths(checkpoint)[0], 5)),
    65,
    "too short",
  );
});

test("overlapping tensors", () => {
  const result = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT);
    const names = Object.keys(shard.header).filter(
      (name) => name.includes("experts.2.w1.weight") || name.includes("experts.3.w1.weight"),
    );
    shard.header[names[1]].data_offsets = [...shard.header[names[0]].data_offsets];
    writeShard(shard);
  });
  expectRefusal(result, 65, "overlaps", "experts.3.w1.weight");
});

test("offsets beyond the file, backwards offsets, and offsets that are no integers", () => {
  const moved = (offsets: unknown) =>
    attack((checkpoint) => {
      const shard = shardOf(checkpoint, EXPERT);
      shard.header[EXPERT].data_offsets = offsets as [number, number];
      writeShard(shard);
    });
  const bytes = (dims.expertWidth * dims.hiddenSize) / 2;
  expectRefusal(moved([10 ** 12, 10 ** 12 + bytes]), 65, EXPERT);
  expectRefusal(moved([bytes, 0]), 65, "data_offsets", EXPERT);
  expectRefusal(moved([0.5, bytes + 0.5]), 65, "data_offsets", EXPERT);
  expectRefusal(moved([-bytes, 0]), 65, "data_offsets", EXPERT);
  expectRefusal(moved("all"), 65, "data_offsets", EXPERT);
});

test("an unknown dtype", () => {
  const result = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT);
    shard.header[EXPERT].dtype = "F4_E2M1X";
    writeShard(shard);
  });
  expectRefusal(result, 65, "unknown dtype", "F4_E2M1X", EXPERT);
});

test("a byte range that does not fit dtype and shape", () => {
  const result = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT);
    shard.header[EXPERT].shape = [dims.expertWidth, dims.hiddenSize];
    writeShard(shard);
  });
  expectRefusal(result, 65, "byte range does not fit", EXPERT);
});

test("a shape whose product exceeds 2^53", () => {
  const result = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT);
    shard.header[EXPERT].shape = [2 ** 31, 2 ** 31, 4];
    writeShard(shard);
  });
  expectRefusal(result, 65, "2^53", EXPERT);
});

test("a hole in the data region, and trailing bytes", () => {
  const hole = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT);
    for (const entry of Object.values(shard.header))
      if (entry.data_offsets && entry.data_offsets[0] >= shard.header[EXPERT].data_offsets[1])
        entry.data_offsets = [entry.data_offsets[0] + 8, entry.data_offsets[1] + 8];
    shard.data = new Uint8Array([...shard.data, ...new Uint8Array(8)]);
    writeShard(shard);
  });
  expectRefusal(hole, 65, "hole of 8 bytes");
  const trailing = attack((checkpoint) => {
    const shard = first(checkpoint);
    shard.data = new Uint8Array([...shard.data, 1, 2, 3]);
    writeShard(shard);
  });
  expectRefusal(trailing, 65, "3 bytes follow the last tensor");
});

test("duplicate keys in a header, in config.json and in the index", () => {
  const header = attack((checkpoint) => {
    const shard = first(checkpoint);
    const json = JSON.stringify(shard.header);
    const [name, entry] = Object.entries(shard.header)[1];
    writeShard(shard, `${json.slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(entry)}}`);
  });
  expectRefusal(header, 65, "appears twice");
  const escaped = attack((checkpoint) => {
    const path = join(checkpoint, "config.json");
    writeFileSync(path, readFileSync(path, "utf8").replace("{", '{"hidden_\\u0073ize": 8,'));
  });
  expectRefusal(escaped, 65, "hidden_size", "appears twice", "config.json");
  const index = attack((checkpoint) => {
    const path = join(checkpoint, "model.safetensors.index.json");
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(
        '"weight_map": {',
        '"weight_map": {"embed.weight": "model-00002-of-00006.safetensors",',
      ),
    );
  });
  expectRefusal(index, 65, "embed.weight", "appears twice");
});

test("a header with invalid UTF-8, a byte order mark, or text that is not JSON", () => {
  const withHeader = (change: (json: Buffer) => Uint8Array) =>
    attack((checkpoint) => {
      const shard = first(checkpoint);
      writeShard(shard, change(Buffer.from(JSON.stringify(shard.header))));
    });
  expectRefusal(
    withHeader((json) => Buffer.concat([json.subarray(0, 3), Buffer.from([0xc3, 0x28]), json.subarray(5)])),
    65,
    "UTF-8",
  );
  expectRefusal(
    withHeader((json) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), json])),
    65,
    "byte order mark",
  );
  expectRefusal(
    withHeader((json) => json.subarray(0, json.length - 5)),
    65,
    "not valid JSON",
  );
  expectRefusal(
    withHeader(() => Buffer.from("[]")),
    65,
    "not a JSON object",
  );
});

test("a weight without its scale, and a scale without a weight that needs it", () => {
  const lone = attack((checkpoint) => {
    const shard = shardOf(checkpoint, EXPERT_SCALE);
    shard.header["layers.1.ffn.experts.2.w9.scale"] = shard.header[EXPERT_SCALE];
    delete shard.header[EXPERT_SCALE];
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map["layers.1.ffn.experts.2.w9.scale"] = map[EXPERT_SCALE];
      delete map[EXPERT_SCALE];
    });
  });
  expectRefusal(lone, 65, "no scale", EXPERT);
  const orphan = attack((checkpoint) => {
    const shard = shardOf(checkpoint, "layers.0.attn.attn_sink");
    const [begin, end] = [shard.data.length, shard.data.length + 4];
    shard.header["layers.0.attn.attn_sinks.scale"] = { dtype: "F32", shape: [1], data_offsets: [begin, end] };
    shard.data = new Uint8Array([...shard.data, 0, 0, 0, 0]);
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map["layers.0.attn.attn_sinks.scale"] = basename(shard.path);
    });
  });
  expectRefusal(orphan, 65, "scale without a weight");
});

test("a scale of the wrong shape, for FP4 and for FP8", () => {
  const reshaped = (tensor: string, shape: (old: number[]) => number[]) =>
    attack((checkpoint) => {
      const shard = shardOf(checkpoint, tensor);
      shard.header[tensor].shape = shape(shard.header[tensor].shape);
      writeShard(shard);
    });
  expectRefusal(
    reshaped(EXPERT_SCALE, ([a, b]) => [b, a]),
    65,
    "wrong shape",
    EXPERT_SCALE,
    "groups of 32",
  );
  expectRefusal(
    reshaped("layers.1.attn.wo_b.scale", ([a, b]) => [a * b, 1]),
    65,
    "wrong shape",
    "wo_b.scale",
  );
});

test("an unknown tensor name", () => {
  const result = attack((checkpoint) => {
    const shard = shardOf(checkpoint, "layers.0.attn.attn_sink");
    shard.header["layers.0.attn.attn_sunk"] = shard.header["layers.0.attn.attn_sink"];
    delete shard.header["layers.0.attn.attn_sink"];
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map["layers.0.attn.attn_sunk"] = map["layers.0.attn.attn_sink"];
      delete map["layers.0.attn.attn_sink"];
    });
  });
  expectRefusal(result, 65, /lacks sink/, "layers.0.attn.attn_sink");
  const extra = attack((checkpoint) => {
    const shard = first(checkpoint);
    shard.header["layers.0.attn.extra.weight"] = {
      dtype: "F32",
      shape: [1],
      data_offsets: [shard.data.length, shard.data.length + 4],
    };
    shard.data = new Uint8Array([...shard.data, 0, 0, 0, 0]);
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map["layers.0.attn.extra.weight"] = basename(shard.path);
    });
  });
  expectRefusal(extra, 65, "unknown tensor", "layers.0.attn.extra.weight");
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

test("E8M0 scale byte 255 in FP4 and in FP8 scales", () => {
  const poisoned = (tensor: string, at: number) =>
    attack(
      (checkpoint) => patchTensor(checkpoint, tensor, (bytes) => bytes.fill(255, at, at + 1)),
      "quantize",
    );
  expectRefusal(poisoned(EXPERT_SCALE, 19), 65, "255", EXPERT_SCALE, /row 2, column 3/);
  expectRefusal(poisoned("layers.1.attn.wq_a.scale", 3), 65, "255", "wq_a.scale", /row 1, column 1/);
});

test("FP8 NaN codes", () => {
  for (const code of [0x7f, 0xff]) {
    const result = attack(
      (checkpoint) =>
        patchTensor(checkpoint, "layers.1.attn.wkv.weight", (bytes) => bytes.fill(code, 513, 514)),
      "quantize",
    );
    expectRefusal(result, 65, "FP8 code is NaN", "layers.1.attn.wkv.weight", /row 2, column 1/);
  }
});

test("Base F32 scales: zero, negative and NaN are refused, a value that is no power of two is not", () => {
  const scaled = (value: number) =>
    attack(
      (checkpoint) =>
        patchTensor(checkpoint, EXPERT_SCALE, (bytes) =>
          new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4, value, true),
        ),
      "quantize",
      base,
    );
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expectRefusal(scaled(value), 65, "F32 block scale", EXPERT_SCALE, /row 0, column 1/);
  const checkpoint = copyCheckpoint(base, join(folder, "odd-scale"));
  patchTensor(checkpoint, EXPERT_SCALE, (bytes) =>
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4, 0.3, true),
  );
  const out = join(folder, "odd.gguf");
  const result = cli(["quantize", checkpoint, "--bits", "32", "--out", out, "--json"]);
  expect(result.code).toBe(0);
  // The product with such a scale rounds in f32, so that tensor alone does not count as preserved.
  const { tensors } = JSON.parse(result.stdout) as { tensors: { name: string; disposition: string }[] };
  expect(tensors.filter(({ disposition }) => disposition === "quantized").map(({ name }) => name)).toEqual([
    EXPERT,
    EXPERT_SCALE,
  ]);
});

test("a routing table that names an expert that does not exist", () => {
  for (const id of [4n, -1n, 1n << 32n]) {
    const result = attack(
      (checkpoint) =>
        patchTensor(checkpoint, "layers.0.ffn.gate.tid2eid", (bytes) =>
          new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(8 * 7, id, true),
        ),
      "quantize",
    );
    expectRefusal(result, 65, "routing table", "tid2eid", "0 to 3", /row 3, column 1/);
  }
});

test("NaN and infinity in gate.bias, hc_* and plain matrices", () => {
  const poisoned = (tensor: string, bytes: number[], at = 8) =>
    attack((checkpoint) => patchTensor(checkpoint, tensor, (data) => data.set(bytes, at)), "quantize");
  expectRefusal(
    poisoned("layers.1.ffn.gate.bias", [0, 0, 0xc0, 0x7f]),
    65,
    "not finite",
    "gate.bias",
    /row 0, column 2/,
  );
  expectRefusal(poisoned("layers.2.hc_attn_fn", [0, 0, 0x80, 0x7f]), 65, "not finite", "hc_attn_fn");
  expectRefusal(poisoned("hc_head_scale", [1, 0, 0x80, 0xff], 0), 65, "not finite", "hc_head_scale");
  expectRefusal(poisoned("embed.weight", [0xc0, 0x7f]), 65, "not finite", "embed.weight", /row 0, column 4/);
});

test("compress_ratios of the wrong length or with another value", () => {
  const ratios = (change: (ratios: number[]) => number[]) =>
    attack((checkpoint) =>
      editJson(join(checkpoint, "config.json"), (config) => {
        config.compress_ratios = change(config.compress_ratios as number[]);
      }),
    );
  expectRefusal(
    ratios((list) => list.slice(0, 2)),
    65,
    "compress_ratios",
    "wrong length",
  );
  expectRefusal(
    ratios((list) => [...list, 4]),
    65,
    "compress_ratios",
  );
  expectRefusal(
    ratios((list) => [...list, ...new Array(20).fill(0)]),
    65,
    "compress_ratios",
  );
  expectRefusal(
    ratios(([, ...rest]) => [8, ...rest]),
    65,
    "compress_ratios",
    "unknown value",
    "found 8",
  );
});

test("a config that is missing, not JSON, incomplete, or of another architecture", () => {
  const config = (change: (config: Record<string, unknown>) => void) =>
    attack((checkpoint) => editJson(join(checkpoint, "config.json"), change));
  expectRefusal(
    attack((checkpoint) => rmSync(join(checkpoint, "config.json"))),
    66,
    "config.json",
  );
  expectRefusal(
    attack((checkpoint) => writeFileSync(join(checkpoint, "config.json"), "{")),
    65,
    "config.json",
    "not valid JSON",
  );
  expectRefusal(
    config((c) => {
      delete c.swiglu_limit;
    }),
    65,
    "swiglu_limit",
  );
  expectRefusal(
    config((c) => {
      c.hidden_size = "4096";
    }),
    65,
    "hidden_size",
    "expected number",
  );
  expectRefusal(
    config((c) => {
      c.num_hidden_layers = 1e9;
    }),
    65,
    "num_hidden_layers",
  );
  expectRefusal(
    config((c) => {
      c.model_type = "deepseek_v3";
    }),
    65,
    "not a DeepSeek-V4",
    "deepseek_v3",
  );
  expectRefusal(
    config((c) => {
      c.model_type = "deepseek_v41";
    }),
    65,
    "V4.1",
    "another architecture",
    "engram",
  );
});

test("names and config re-saved by transformers are recognised", () => {
  const config = attack((checkpoint) =>
    editJson(join(checkpoint, "config.json"), (c) => {
      c.compress_rates = c.compress_ratios;
      c.rope_parameters = c.rope_scaling;
    }),
  );
  expectRefusal(config, 65, "re-saved by transformers", "compress_rates");
  const names = attack((checkpoint) => {
    const shard = shardOf(checkpoint, "layers.0.attn.wq_a.weight");
    const name = "model.layers.0.self_attn.q_a_proj.weight";
    shard.header[name] = shard.header["layers.0.attn.wq_a.weight"];
    delete shard.header["layers.0.attn.wq_a.weight"];
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map[name] = map["layers.0.attn.wq_a.weight"];
      delete map["layers.0.attn.wq_a.weight"];
    });
  });
  expectRefusal(names, 65, "re-saved by transformers", "q_a_proj");
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

test("control characters in a hostile name never reach the terminal", () => {
  const result = attack((checkpoint) => {
    const shard = first(checkpoint);
    shard.header["evil\u001b[2J\nname"] = {
      dtype: "F32",
      shape: [1],
      data_offsets: [shard.data.length, shard.data.length + 4],
    };
    shard.data = new Uint8Array([...shard.data, 0, 0, 0, 0]);
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      map["evil\u001b[2J\nname"] = basename(shard.path);
    });
  });
  expectRefusal(result, 65, "unknown tensor");
  expect(result.stderr).not.toContain("\u001b");
});
