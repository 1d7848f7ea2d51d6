import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { cli } from "../support/cli.ts";
import { patchGguf, removeTensorInfo, stringOffsets, valueOffset } from "../support/gguf-patch.ts";
import { scratchFolder } from "../support/scratch.ts";

/** Artefacts that load and run like good ones, each broken in one place. */

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const good = join(folder, "good.gguf");
const { kernels } = chooseKernels();

beforeAll(async () => {
  await generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 11, storage: "official" });
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", good]).code).toBe(0);
});

const MXFP4_BLOCK_BYTES = 17;
const Q8_BLOCK_BYTES = 34;

/** One expert's share of a stack. */
const expertOf = (stack: Uint8Array, expert: number): Uint8Array => {
  const bytes = stack.length / TINY_DIMS.expertCount;
  return stack.subarray(expert * bytes, (expert + 1) * bytes);
};

function transpose(tensor: Uint8Array, side: number): void {
  const values = new Float32Array(side * side);
  expect(tensor.length).toBe((values.length / 32) * Q8_BLOCK_BYTES);
  kernels.decode("q8_0", tensor, values);
  const turned = values.map((_, i) => values[(i % side) * side + Math.floor(i / side)]);
  kernels.encode("q8_0", turned, tensor, { rowLength: side });
}

const BROKEN: Record<string, { break: Parameters<typeof patchGguf>[2]; named: RegExp }> = {
  "scales of one expert shifted by one": {
    break: (_, tensor) => {
      const expert = expertOf(tensor("blk.2.ffn_up_exps.weight"), 5);
      for (let at = 0; at < expert.length; at += MXFP4_BLOCK_BYTES) expert[at]++;
    },
    named: /^layers\.2\.ffn\.experts\.5\.w3\.weight: \d+ of 65536 values differ, though mxfp4 can hold/,
  },
  "a square tensor transposed": {
    break: (_, tensor) => transpose(tensor("blk.1.ffn_gate_shexp.weight"), 256),
    named: /^layers\.1\.ffn\.shared_experts\.w1\.weight: relative RMSE 1\.\d+, limit 0\.02 for q8_0/,
  },
  "another rope base": {
    break: (bytes) => bytes.writeFloatLE(10500, valueOffset(bytes, "deepseek4.rope.freq_base")),
    named: /^deepseek4\.rope\.freq_base: not what the source says \(expected 10000, found 10500\)/,
  },
  "another swiglu clamp": {
    break: (bytes) => bytes.writeFloatLE(7, valueOffset(bytes, "deepseek4.swiglu_clamp_exp") + 12),
    named: /^deepseek4\.swiglu_clamp_exp: not what the source says/,
  },
  "two tokens swapped": {
    break: (bytes) => {
      const tokens = stringOffsets(bytes, "tokenizer.ggml.tokens");
      const [a, b] = tokens.flatMap(({ length }, id) => (length === 1 ? [id] : [])).slice(20, 22);
      const [x, y] = [bytes[tokens[a].at], bytes[tokens[b].at]];
      bytes[tokens[a].at] = y;
      bytes[tokens[b].at] = x;
    },
    named: /^tokenizer\.ggml\.tokens: 2 tokens are not those of the source, the first is \d+/,
  },
  "two experts swapped": {
    break: (_, tensor) => {
      const stack = tensor("blk.1.ffn_down_exps.weight");
      const first = expertOf(stack, 3).slice();
      expertOf(stack, 3).set(expertOf(stack, 4));
      expertOf(stack, 4).set(first);
    },
    named: /^layers\.1\.ffn\.experts\.3\.w2\.weight: \d+ of 65536 values differ/,
  },
  "a scale that is NaN": {
    break: (_, tensor) => {
      const scale = tensor("blk.2.attn_q_a.weight");
      scale[0] = 0;
      scale[1] = 0x7e;
    },
    named: /^layers\.2\.attn\.wq_a\.weight: relative RMSE NaN, limit 0\.02 for q8_0/,
  },
  "a tensor missing": {
    break: (bytes, tensor) => {
      const name = "blk.3.ffn_down_exps.weight";
      const end = tensor(name).byteOffset - bytes.byteOffset;
      removeTensorInfo(bytes, name);
      return bytes.subarray(0, end);
    },
    named: /(layers\.3\.ffn\.experts\.0\.w2|blk\.3\.ffn_down_exps)\.weight: /,
  },
};

test.each(Object.keys(BROKEN))("%s: the verdict is fail, exit 1, and it says where", async (what) => {
  const { break: damage, named } = BROKEN[what];
  const path = await patchGguf(good, join(folder, `${what.replaceAll(" ", "-")}.gguf`), damage);
  const { code, stdout, stderr } = cli([
    "validate",
    path,
    "--reference",
    checkpoint,
    "--tokens",
    "131",
    "--json",
  ]);
  expect(stderr).toBe("");
  const { verdict, tensors } = JSON.parse(stdout) as ValidationReport;
  expect(verdict.result).toBe("fail");
  expect(
    verdict.reasons.find((reason) => named.test(reason)),
    verdict.reasons.join("\n"),
  ).toBeDefined();
  expect(code).toBe(1);
  if (what.includes("NaN"))
    // JSON has no NaN; the worst of its group must be this tensor all the same.
    expect(
      tensors.find(({ worst }) => worst.name === "layers.2.attn.wq_a.weight")?.worst.relativeRmse,
    ).toBeNull();
});

test("NaN: the first layer that is not finite is named", async () => {
  const path = await patchGguf(good, join(folder, "nan-layer.gguf"), BROKEN["a scale that is NaN"].break);
  const { code, stdout } = cli(["validate", path, "--reference", checkpoint, "--tokens", "131"]);
  expect(code).toBe(1);
  expect(stdout).toContain("layer 2: the streams are not finite; it is the first such layer");
  expect(stdout).toContain("positions are not finite");
});
