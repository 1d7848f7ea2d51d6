import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addTensor, attackGround, DIMS, EXPERT, expectRefusal, firstShard } from "../support/attack.ts";
import { shardOf, shardPaths, writeShard } from "../support/shards.ts";

const { attack } = attackGround();

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
  const bytes = (DIMS.expertWidth * DIMS.hiddenSize) / 2;
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
    shard.header[EXPERT].shape = [DIMS.expertWidth, DIMS.hiddenSize];
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
    const shard = firstShard(checkpoint);
    shard.data = new Uint8Array([...shard.data, 1, 2, 3]);
    writeShard(shard);
  });
  expectRefusal(trailing, 65, "3 bytes follow the last tensor");
});

test("duplicate keys in a header, in config.json and in the index", () => {
  const header = attack((checkpoint) => {
    const shard = firstShard(checkpoint);
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
      const shard = firstShard(checkpoint);
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

test("control characters in a hostile name never reach the terminal", () => {
  const result = attack((checkpoint) => addTensor(checkpoint, "evil\u001b[2J\nname"));
  expectRefusal(result, 65, "unknown tensor");
  expect(result.stderr).not.toContain("\u001b");
});
