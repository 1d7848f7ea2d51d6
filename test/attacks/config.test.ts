import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { attackGround, expectRefusal } from "../support/attack.ts";
import { editIndex, editJson, shardOf, writeShard } from "../support/shards.ts";

const { attack } = attackGround();

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
