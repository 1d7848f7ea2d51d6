import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { LayerRow, TensorRow } from "../../reports/schemas/validation.ts";
import { classOf, loadGate } from "../../tools/validate/gate.ts";
import type { PositionStats } from "../../tools/validate/logit-stats.ts";
import { summariseLogits } from "../../tools/validate/logit-summary.ts";
import { type Evidence, judge } from "../../tools/validate/verdict.ts";
import { scratchFolder } from "../support/scratch.ts";

const gate = loadGate();
const folder = scratchFolder();

const tensor = (changes: Partial<TensorRow>): TensorRow => ({
  name: "layers.0.attn.wq_a.weight",
  role: "attention",
  layer: 0,
  from: "fp8",
  to: "q8_0",
  values: 100,
  promised: false,
  unequal: 90,
  relativeRmse: 0.004,
  maxDifference: 0.1,
  cosine: 1,
  sqnr: 48,
  ...changes,
});

const layer = (index: number, changes: Partial<LayerRow> = {}): LayerRow => ({
  layer: index,
  ratio: 4,
  tokens: 10,
  rms: 1,
  nmse: 0.001,
  cosine: 1,
  maxDifference: 0.1,
  expertsChanged: 0,
  expertOverlap: 1,
  indexerTokens: 0,
  rowsChanged: 0,
  ...changes,
});

/** A summary of positions with these KLs, the first `agreeing` of which have the same top token. */
const logits = (kls: readonly number[], agreeing = kls.length) =>
  summariseLogits(
    kls.map(
      (kl, i): PositionStats => ({
        kl,
        referenceLogProb: -1,
        candidateLogProb: -1,
        referenceTop1: 0,
        candidateTop1: i < agreeing ? 0 : 1,
        top5Overlap: 5,
        entropy: 1,
        finite: !Number.isNaN(kl),
      }),
    ),
  );

const good: Evidence = {
  structure: [{ severity: "note", what: "no tokenizer to compare", where: "here" }],
  tensors: [tensor({}), tensor({ to: "f32", from: "bf16", promised: true, unequal: 0, relativeRmse: 0 })],
  layers: [layer(0), layer(1), layer(2)],
  logits: logits([0.01, 0.02, 0.01, 0.02]),
  paired: true,
  class: "4-bit",
};

const judged = (changes: Partial<Evidence>, maxKld?: number) => judge({ ...good, ...changes }, gate, maxKld);

test("nothing beyond its limit: pass, and notes are no reasons", () => {
  expect(judged({})).toEqual({ result: "pass", reasons: [], class: "4-bit" });
});

test("the first layer beyond the limit is named, later ones are not", () => {
  const layers = [layer(0), layer(1, { nmse: 0.2 }), layer(2, { nmse: 0.21 }), layer(3, { nmse: 5 })];
  expect(judged({ layers }).reasons).toEqual([
    "layer 2: the streams' NMSE is 0.210, limit 0.2; it is the first layer beyond it",
  ]);
});

test.each([
  ["rms", { rms: Number.NaN }],
  ["rms", { rms: Number.POSITIVE_INFINITY }],
  ["nmse", { nmse: Number.NaN }],
])("a layer whose %s is not finite is named", (_, changes) => {
  const { result, reasons } = judged({ layers: [layer(0), layer(1, changes), layer(2, changes)] });
  expect(result).toBe("fail");
  expect(reasons).toEqual(["layer 1: the streams are not finite; it is the first such layer"]);
});

test("without a reference only what needs none is judged", () => {
  const alone = { paired: false, tensors: [], layers: [layer(0, { nmse: 9 })], logits: logits([9, 9]) };
  expect(judged(alone).result).toBe("pass");
  expect(judged({ ...alone, layers: [layer(0, { rms: Number.NaN })] }).result).toBe("fail");
  expect(judged({ ...alone, logits: logits([Number.NaN, 0]) }).reasons).toEqual([
    "the logits of 1 of 2 positions are not finite",
  ]);
});

test("a format that can hold every value must keep every value", () => {
  const broken = tensor({ to: "mxfp4", from: "fp4", promised: true, unequal: 1, relativeRmse: 1e-5 });
  expect(judged({ tensors: [broken] })).toMatchObject({
    result: "fail",
    reasons: [expect.stringContaining("1 of 100 values differ, though mxfp4 can hold them all")],
  });
  // A NaN that equals nothing is a difference, whatever its error.
  expect(judged({ tensors: [{ ...broken, relativeRmse: Number.NaN }] }).result).toBe("fail");
});

test("a tensor is judged by its stored format; one without a limit must be exact; NaN is beyond any", () => {
  expect(judged({ tensors: [tensor({ relativeRmse: 0.02 })] }).result).toBe("pass");
  for (const row of [
    { relativeRmse: 0.0201 },
    { relativeRmse: Number.NaN },
    { to: "i8", relativeRmse: 1e-9 },
  ]) {
    const { result, reasons } = judged({ tensors: [tensor(row)] });
    expect(result).toBe("fail");
    expect(reasons[0]).toMatch(/^layers\.0\.attn\.wq_a\.weight: relative RMSE .* limit [\d.]+ for /);
  }
});

test("structural errors fail; beyond five, reasons of a kind are counted", () => {
  const structure = Array.from({ length: 7 }, (_, i) => ({
    severity: "error" as const,
    what: "missing",
    where: `t${i}`,
  }));
  expect(judged({ structure }).reasons).toEqual([
    ...[0, 1, 2, 3, 4].map((i) => `t${i}: missing`),
    "and 2 more like these",
  ]);
});

test("mean KL: within two standard errors of the limit it is not decided", () => {
  const wide = [0.05, 0.25, 0.05, 0.25];
  expect(judged({ logits: logits(wide) })).toMatchObject({
    result: "inconclusive",
    reasons: [expect.stringMatching(/^mean KL 0\.150 ± 0\.0577, limit 0\.15: more tokens are needed/)],
  });
  expect(judged({ logits: logits(wide) }, 0.01).result).toBe("fail");
  expect(judged({ logits: logits(wide) }, 0.3).result).toBe("pass");
  // One position has no standard error.
  expect(judged({ logits: logits([0.01]) }).result).toBe("inconclusive");
});

test("--max-kld 0 passes only where nothing differs", () => {
  expect(judged({ logits: logits([0, 0, 0]) }, 0).result).toBe("pass");
  expect(judged({ logits: logits([1e-6, 1e-6, 1e-6]) }, 0).result).toBe("fail");
});

test("an infinite KL fails: more tokens would not help", () => {
  expect(judged({ logits: logits([0.01, Number.POSITIVE_INFINITY, 0.01]) }).result).toBe("fail");
});

test("doubt does not hide a failure", () => {
  const doubtful = { logits: logits([0.05, 0.25, 0.05, 0.25]), tensors: [tensor({ relativeRmse: 1 })] };
  expect(judged(doubtful)).toMatchObject({ result: "fail", reasons: { length: 2 } });
});

test("too little agreement on the likeliest token fails", () => {
  const { result, reasons } = judged({ logits: logits(new Array(100).fill(0.01), 50) });
  expect([result, reasons]).toEqual(["fail", ["top-1 agreement 50.0 %, limit 80.0 %"]]);
});

test("the class follows the fewest bits of the experts", () => {
  const classes = (...formats: string[]) => classOf(formats.map((to) => ({ to, promised: false })));
  expect(classOf([{ to: "mxfp4", promised: true }])).toBe("lossless");
  for (const [name, formats] of Object.entries({
    "8-bit": ["q8_0", "bf16", "f16", "fp8"],
    "4-bit": [
      "q6_K",
      "q5_K",
      "q4_K",
      "q4_0",
      "iq4_xs",
      "iq4_nl",
      "mxfp4",
      "nvfp4",
      "fp4",
      "nvfp4_groups",
      "int4_groups",
    ],
    "3-bit": ["q3_K", "iq3_s", "iq3_xxs"],
    "2-bit": ["q2_K", "iq2_s", "iq2_xs", "iq2_xxs"],
  }))
    for (const format of formats) expect([format, classes(format)]).toEqual([format, name]);
  expect(classes("q8_0", "q2_K", "mxfp4")).toBe("2-bit");
  // A drafter that stays FP4 beside experts in FP8.
  const kept = { to: "fp4", promised: true };
  expect(classOf([kept, { to: "fp8", promised: false }])).toBe("8-bit");
});

test("every format that quantize can produce has a limit, save those that only keep", () => {
  const produced =
    "q8_0 q6_K q5_K q4_K q4_0 iq4_xs iq4_nl mxfp4 nvfp4 q3_K iq3_s iq3_xxs q2_K iq2_s iq2_xs iq2_xxs bf16 f16 nvfp4_groups int4_groups fp8";
  for (const format of produced.split(" ")) expect(gate.tensor_rmse[format], format).toBeGreaterThan(0);
});

test("unknown keys and limits that are no numbers are refused, and the key is named", () => {
  const classes = Object.entries(gate.classes).map(
    ([name, limits]) => `  ${name}: ${JSON.stringify(limits)}`,
  );
  const write = (text: string): string => {
    const file = join(folder, "gate.yaml");
    writeFileSync(file, text);
    return file;
  };
  const body = (line: string): string => `tensor_rmse: { q8_0: 0.02 }\nclasses:\n${line}\n`;
  expect(loadGate(write(body(classes.join("\n")))).classes).toEqual(gate.classes);
  for (const [text, named] of [
    [`${body(classes.join("\n"))}extra: 1\n`, "extra"],
    [body(`${classes.join("\n")}\n  5-bit: {}`), "classes.5-bit"],
    [body(classes.slice(1).join("\n")), "classes.lossless"],
    [body(classes.join("\n").replace("0.05", "-1")), "classes.lossless.mean_kl"],
    [body(classes.join("\n")).replace("0.02", "much"), "tensor_rmse.q8_0"],
  ])
    expect(() => loadGate(write(text))).toThrow(`gate: ${named}: `);
});
