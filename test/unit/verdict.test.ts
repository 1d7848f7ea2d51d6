import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LayerRow, TensorRow } from "../../reports/schemas/validation.ts";
import { DTYPES } from "../../tools/formats/dtypes.ts";
import { classOf, loadGate } from "../../tools/validate/gate.ts";
import type { PositionStats } from "../../tools/validate/logit-stats.ts";
import { summariseLogits } from "../../tools/validate/logit-summary.ts";
import { type Evidence, judge } from "../../tools/validate/verdict.ts";
import { scratchFolder } from "../support/scratch.ts";

const gate = loadGate();

const tensor = (changes: Partial<TensorRow> = {}): TensorRow => ({
  name: "layers.0.attn.wq_a.weight",
  role: "attention",
  layer: 0,
  from: "fp8",
  to: "q8_0",
  values: 100,
  promised: false,
  unequal: 90,
  relativeRmse: 0.005,
  maxDifference: 0.1,
  cosine: 0.9999,
  sqnr: 46,
  ...changes,
});
const layer = (number: number, changes: Partial<LayerRow> = {}): LayerRow => ({
  layer: number,
  ratio: 4,
  tokens: 10,
  rms: 1,
  nmse: 1e-3,
  cosine: 0.999,
  maxDifference: 0.1,
  expertsChanged: 0,
  expertOverlap: 1,
  indexerTokens: 0,
  rowsChanged: 0,
  ...changes,
});
const position = (kl: number, changes: Partial<PositionStats> = {}): PositionStats => ({
  kl,
  referenceLogProb: -1,
  candidateLogProb: -1,
  referenceTop1: 1,
  candidateTop1: 1,
  top5Overlap: 5,
  entropy: 1,
  finite: true,
  ...changes,
});
const logits = (kls: readonly number[]) => summariseLogits(kls.map((kl) => position(kl)));
const evidence = (changes: Partial<Evidence> = {}): Evidence => ({
  structure: [],
  tensors: [tensor()],
  layers: [layer(0), layer(1)],
  logits: logits(new Array(100).fill(0.01)),
  paired: true,
  class: "lossless",
  ...changes,
});

describe("a run is judged", () => {
  test("pass", () =>
    expect(judge(evidence(), gate)).toEqual({ result: "pass", reasons: [], class: "lossless" }));

  test.each<[string, Partial<Evidence>, RegExp]>([
    [
      "a tensor that its format could hold",
      { tensors: [tensor({ to: "mxfp4", promised: true, unequal: 1 })] },
      /wq_a\.weight: 1 of 100 values differ, though mxfp4 can hold them all/,
    ],
    [
      "a tensor too far off",
      { tensors: [tensor({ relativeRmse: 0.5 })] },
      /RMSE 0\.500, limit 0\.02 for q8_0/,
    ],
    ["a tensor without a number", { tensors: [tensor({ relativeRmse: Number.NaN })] }, /RMSE NaN/],
    ["a format without a limit", { tensors: [tensor({ to: "i8" as string })] }, /limit 0 for i8/],
    [
      "the first layer that goes wrong",
      { layers: [layer(0), layer(1, { nmse: 0.5 }), layer(2, { nmse: 0.9 })] },
      /^layer 1: .*first layer/,
    ],
    ["a layer that overflows", { layers: [layer(0, { rms: Number.NaN })] }, /^layer 0: .*not finite/],
    ["divergence", { logits: logits(new Array(100).fill(0.2)) }, /mean KL 0\.200 ± .*, limit 0\.05/],
    ["a NaN", { logits: summariseLogits([position(0), position(0, { finite: false })]) }, /1 positions have/],
    [
      "metadata",
      { structure: [{ severity: "error", what: "not so", where: "key", expected: "1", found: "2" }] },
      /key: not so \(expected 1, found 2\)/,
    ],
    [
      "other tokens",
      { logits: summariseLogits(new Array(100).fill(position(0, { candidateTop1: 2 }))) },
      /top-1 agreement 0\.0 %, limit 85\.0 %/,
    ],
  ])("fail: %s", (_, changes, reason) => {
    const verdict = judge(evidence(changes), gate);
    expect(verdict.result).toBe("fail");
    expect(verdict.reasons.join("\n")).toMatch(reason);
  });

  test("inconclusive: the limit lies within two standard errors", () => {
    const noisy = logits([0, 0, 0, 0, 0.2, 0.1]);
    expect(judge(evidence({ logits: noisy }), gate).result).toBe("inconclusive");
    // A failure elsewhere outweighs the doubt.
    expect(judge(evidence({ logits: noisy, layers: [layer(0, { nmse: 1 })] }), gate).result).toBe("fail");
    expect(judge(evidence({ logits: logits([0.01]) }), gate).result).toBe("inconclusive");
  });

  test("--max-kld takes the place of the limit", () => {
    expect(judge(evidence(), gate, 0.001).reasons.join()).toMatch(/limit 0\.001/);
    expect(judge(evidence({ logits: logits(new Array(50).fill(0.2)) }), gate, 0.3).result).toBe("pass");
  });

  test("many tensors are counted, not listed", () => {
    const tensors = Array.from({ length: 300 }, (_, i) => tensor({ name: `t${i}`, relativeRmse: 1 }));
    const { reasons } = judge(evidence({ tensors }), gate);
    expect(reasons).toHaveLength(6);
    expect(reasons[5]).toBe("and 295 more like these");
  });

  test("a note is no failure; alone, only what needs no reference counts", () => {
    const structure = [{ severity: "note", what: "no tokenizer", where: "x" }] as const;
    expect(judge(evidence({ structure }), gate).result).toBe("pass");
    const alone = { tensors: [], paired: false, layers: [layer(0, { nmse: 0, rms: 3 })] };
    expect(judge(evidence(alone), gate).result).toBe("pass");
  });
});

describe("the gate", () => {
  test("every block format has a limit, and coarser ones a wider", () => {
    for (const { name, blockLength } of DTYPES.values())
      if (blockLength > 1) expect(gate.tensor_rmse[name], name).toBeGreaterThan(0);
    // Scales one step off give 0.5: no limit may let that pass.
    for (const limit of Object.values(gate.tensor_rmse)) expect(limit).toBeLessThan(0.5);
  });

  test.each([
    [[{ to: "mxfp4", promised: true }], "lossless"],
    [[{ to: "q8_0", promised: false }], "8-bit"],
    [[{ to: "q4_K", promised: false }], "4-bit"],
    [
      [
        { to: "iq3_xxs", promised: false },
        { to: "q4_K", promised: false },
      ],
      "3-bit",
    ],
    [
      [
        { to: "iq2_xxs", promised: false },
        { to: "mxfp4", promised: true },
      ],
      "2-bit",
    ],
  ] as const)("%j is judged as %s", (experts, expected) => expect(classOf(experts)).toBe(expected));

  test("an unknown key is refused by name", () => {
    const file = join(scratchFolder(), "gate.yaml");
    writeFileSync(file, "tensor_rmse: {}\nclasses: {}\nsurprise: 1\n");
    expect(() => loadGate(file)).toThrow(/gate/);
  });
});
