import { basename } from "node:path";
import { test } from "vitest";
import { addTensor, attackGround, EXPERT, EXPERT_SCALE, expectRefusal } from "../support/attack.ts";
import { editIndex, type RawShard, shardOf, writeShard } from "../support/shards.ts";

const { attack, base } = attackGround();

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

/** Takes a weight and its scale out of headers and index. */
function removeExpert(checkpoint: string, weight: string): void {
  for (const name of [weight, weight.replace(/weight$/, "scale")]) {
    const shard = shardOf(checkpoint, name);
    delete shard.header[name];
    // Bytes that no header names are refused before anything else.
    compact(shard);
    writeShard(shard);
    editIndex(checkpoint, (map) => {
      delete map[name];
    });
  }
}

/** Moves tensors together after one was removed. */
function compact(shard: RawShard): void {
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const entry of Object.values(shard.header)) {
    if (!entry.data_offsets) continue;
    const [begin, after] = entry.data_offsets;
    parts.push(shard.data.subarray(begin, after));
    entry.data_offsets = [end, end + after - begin];
    end += after - begin;
  }
  shard.data = new Uint8Array(Buffer.concat(parts));
}

test("an expert missing from one layer: nothing is written, in either layout", () => {
  for (const recipe of ["lossless-4", "nvfp4"])
    expectRefusal(
      attack((checkpoint) => removeExpert(checkpoint, EXPERT), ["quantize", recipe]),
      65,
      EXPERT,
    );
});

test("one expert of a layer stored in another format: the tensor is named, nothing is written", () => {
  for (const recipe of ["lossless-4", "nvfp4", "mlx-4"])
    expectRefusal(
      attack(
        (checkpoint) => {
          const from = shardOf(base, EXPERT);
          const fromScale = shardOf(base, EXPERT_SCALE);
          removeExpert(checkpoint, EXPERT);
          const shard = shardOf(checkpoint, EXPERT.replace("w1", "w2"));
          for (const [name, source] of [
            [EXPERT, from],
            [EXPERT_SCALE, fromScale],
          ] as const) {
            const { dtype, shape, data_offsets } = source.header[name];
            const bytes = source.data.subarray(...data_offsets);
            const start = shard.data.length;
            shard.header[name] = { dtype, shape, data_offsets: [start, start + bytes.length] };
            shard.data = new Uint8Array([...shard.data, ...bytes]);
            editIndex(checkpoint, (map) => {
              map[name] = basename(shard.path);
            });
          }
          writeShard(shard);
        },
        ["quantize", recipe],
      ),
      65,
      "stored in different formats",
      EXPERT,
    );
});
