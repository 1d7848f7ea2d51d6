import { basename } from "node:path";
import { test } from "vitest";
import { addTensor, attackGround, EXPERT, EXPERT_SCALE, expectRefusal } from "../support/attack.ts";
import { editIndex, shardOf, writeShard } from "../support/shards.ts";

const { attack } = attackGround();

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
  const extra = attack((checkpoint) => addTensor(checkpoint, "layers.0.attn.extra.weight"));
  expectRefusal(extra, 65, "unknown tensor", "layers.0.attn.extra.weight");
});
