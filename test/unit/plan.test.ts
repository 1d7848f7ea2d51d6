import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { takeCensus } from "../../tools/model/census.ts";
import { parseConfig } from "../../tools/model/config.ts";
import type { PlanRequest } from "../../tools/plan/choose-plan.ts";
import { fitOn, knownMachines, type Machine, parseMachine } from "../../tools/plan/machines.ts";
import { cacheBytes, cacheSize, computeBytes, type ModelNeeds, modelNeeds } from "../../tools/plan/memory.ts";
import { plannedTensors } from "../../tools/plan/output-plan.ts";
import { planOutput } from "../../tools/plan/plan-output.ts";
import type { PlanReport } from "../../tools/plan/plan-report.ts";
import { shippedRecipes } from "../../tools/plan/recipe.ts";
import { renderPlan } from "../../tools/plan/render-plan.ts";
import { tensorBytes } from "../../tools/plan/storage.ts";
import { planSource } from "../../tools/predict/make-plan.ts";
import { predictTime } from "../../tools/predict/predict-time.ts";
import { sampleOf } from "../../tools/predict/sample.ts";
import { valuesOf, workOf } from "../../tools/predict/work.ts";
import { FLASH, PRO } from "../fixtures/release-configs.ts";
import { releaseHeaders } from "../support/headers.ts";
import { FULL } from "../support/scratch.ts";

const GiB = 2 ** 30;
const flash = parseConfig(FLASH, "config.json");
const flashPlan = (name: string) => {
  const census = takeCensus(flash, releaseHeaders(flash, "mtp", "official"), "release");
  const recipe = shippedRecipes().find((candidate) => candidate.name === name);
  if (!recipe) throw new Error(`no recipe ${name}`);
  return planOutput(census, { recipe, format: recipe.formats[0], allowLarger: true });
};

describe("a release from its headers alone", () => {
  const headers = (json: object): TensorSource => {
    const config = parseConfig(json, "config.json");
    return {
      location: "release",
      layout: "safetensors",
      config,
      tensors: releaseHeaders(config, "mtp", "official"),
      files: [],
      isLocal: true,
      fileFacts: async () => [],
      placeOf: () => ({ name: "", position: 0 }),
      read: async () => {
        throw new Error("a tensor was read");
      },
      readSidecar: async (name) =>
        name === "tokenizer.json" ? readFileSync(join(DEMO_CHECKPOINT, name)) : undefined,
      close: async () => {},
    };
  };
  const planned = (json: object, request: PlanRequest) =>
    planSource(headers(json), undefined, {
      name: "release",
      request,
      workers: 8,
      folder: tmpdir(),
      kernels: "scalar",
      benchmark: false,
    });
  const holding = ({ machines }: PlanReport): string[] =>
    machines.filter(({ placement }) => placement !== "none").map(({ title }) => title);

  test("Flash in 96 GiB: what holds it, and a page that says so", async () => {
    const report = await planned(FLASH, { targetBytes: 96 * GiB });
    const [model, sidecar] = report.files;
    expect(model.byteLength).toBeLessThanOrEqual(96 * GiB);
    expect(model.byteLength).toBeGreaterThan(94 * GiB);
    expect(report.byteLength).toBe(model.byteLength + sidecar.byteLength);
    expect(holding(report)).toContain("DGX Spark, 128 GB");
    expect(holding(report)).not.toContain("Mac, 96 GB");
    // Two gigabytes are the limit of quantize; eight workers are far below it.
    expect(report.here.memoryBytes).toBeLessThan(2 * GiB);
    const page = renderPlan(report, "x.plan.json");
    for (const { name } of report.files) expect(page).toContain(name);
    expect(page).toMatch(/^DGX Spark, 128 GB +yes +1M +\d/m);
    expect(page).toMatch(/--imatrix/);
    for (const line of page.split("\n")) expect(line).toBe(line.trimEnd());
  });

  test.runIf(FULL)("Pro as it is needs a server", async () => {
    const report = await planned(PRO, { recipe: "nvfp4" });
    expect(holding(report)).toEqual(["8 x H200, 141 GB", "8 x B200, 180 GB"]);
    expect(report.files.length).toBeGreaterThan(60);
    expect(renderPlan(report, undefined)).toMatch(/and \d+ more$/m);
  });
});

describe("memory", () => {
  // What the official inference code allocates for one sequence, counted from its buffers' shapes.
  test.each([
    ["Flash", FLASH, 6880, 43, 12_206_080],
    ["Pro", PRO, 9848, 61, 18_710_528],
  ] as const)("the cache of %s", (_, json, bytesPerToken, layers, openBlocks) => {
    const cache = cacheSize(parseConfig(json, "config.json"));
    expect(cache).toEqual({ bytesPerToken, fixedBytes: layers * 128 * 1024 + openBlocks });
    expect(cacheBytes(cache, 1000)).toBe(1000 * bytesPerToken + cache.fixedBytes);
  });

  test("compute buffers grow with the context only where scores outgrow the logits", () => {
    expect(computeBytes(flash, 8192)).toBe(computeBytes(flash, 32_768));
    expect(computeBytes(flash, 2 ** 20)).toBeGreaterThan(computeBytes(flash, 131_072));
  });

  test("experts and the rest are the trunk's tensors, without the drafter", () => {
    const plan = flashPlan("lossless-4");
    const { expertBytes, otherBytes } = modelNeeds(plan);
    expect(expertBytes).toBe((43 * 256 * 3 * 4096 * 2048 * 17) / 32);
    const model = plan.files[0].tensors.flatMap(({ outputs }) => outputs);
    expect(expertBytes + otherBytes).toBe(model.reduce((sum, output) => sum + tensorBytes(output), 0));
  });
});

describe("machines", () => {
  const needs: ModelNeeds = {
    expertBytes: 80 * GiB,
    otherBytes: 8 * GiB,
    cache: { bytesPerToken: 8192, fixedBytes: 0 },
    config: flash,
  };
  const machine = (facts: Partial<Machine>): Machine => ({
    title: "m",
    devices: 1,
    deviceBytes: 0,
    ramBytes: 0,
    ...facts,
  });
  const working = (context: number): number => 8192 * context + computeBytes(flash, context);

  test("one byte less, and the next smaller context is what fits", () => {
    const deviceBytes = 88 * GiB + working(131_072);
    expect(fitOn(machine({ deviceBytes }), needs)).toEqual({
      title: "m",
      placement: "device",
      context: 131_072,
      freeBytes: 0,
    });
    expect(fitOn(machine({ deviceBytes: deviceBytes - 1 }), needs).context).toBe(32_768);
  });

  test("what does not fit at 8k says how much it lacks", () => {
    const deviceBytes = 88 * GiB + working(8192) - 5;
    expect(fitOn(machine({ deviceBytes }), needs)).toMatchObject({
      placement: "none",
      context: 0,
      freeBytes: -5,
    });
  });

  test("experts may lie in main memory, the rest and the cache may not", () => {
    const deviceBytes = 8 * GiB + working(2 ** 20);
    const beside = (ramBytes: number, device = deviceBytes) =>
      fitOn(machine({ deviceBytes: device, ramBytes }), needs);
    expect(beside(80 * GiB)).toMatchObject({ placement: "experts in RAM", context: 2 ** 20, freeBytes: 0 });
    expect(beside(80 * GiB - 1).placement).toBe("experts in RAM");
    expect(beside(80 * GiB - 1).context).toBeLessThan(2 ** 20);
    expect(beside(500 * GiB, 7 * GiB)).toMatchObject({ placement: "none", context: 0 });
  });

  test("every device has the whole cache", () => {
    const deviceBytes = 44 * GiB + working(32_768);
    expect(fitOn(machine({ devices: 2, deviceBytes }), needs).context).toBe(32_768);
    expect(fitOn(machine({ devices: 2, deviceBytes: deviceBytes - 1 }), needs).context).toBe(8192);
  });

  test("the known ones are read, the smallest first; a wrong one is refused in a line", () => {
    const known = knownMachines();
    expect(known.length).toBeGreaterThanOrEqual(12);
    const sizes = known.map(({ devices, deviceBytes, ramBytes }) => devices * deviceBytes + ramBytes);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(() => parseMachine("title: x\ndevice_memory: much\n", "x.yaml")).toThrow(
      /^x\.yaml: machine: .*much/,
    );
    expect(() => parseMachine("title: x\n", "x.yaml")).toThrow(/^x\.yaml: machine: device_memory: [^\n]*$/);
  });
});

describe("time", () => {
  const rates = (valuesPerSecond: number) => ({
    startSeconds: 1,
    concurrency: 1,
    classes: [{ name: "c", values: 1000, valuesPerSecond, measured: true }],
  });
  const work = { sourceBytes: 1000, outputBytes: 1000, tensors: 0, planSeconds: 2 };
  const disks = {
    readBytesPerSecond: 100,
    writeBytesPerSecond: 100,
    shared: false,
    dirtyBytes: 0,
    dirtySeconds: 0,
  };

  test("the slowest of processor, reading and writing decides", () => {
    expect(predictTime(work, rates(20), disks)).toMatchObject({ seconds: 53, boundBy: "processor" });
    expect(predictTime(work, rates(1e6), { ...disks, readBytesPerSecond: 10 })).toMatchObject({
      seconds: 103,
      boundBy: "reading",
    });
    expect(predictTime(work, rates(1e6), { ...disks, writeBytesPerSecond: 10 })).toMatchObject({
      seconds: 103,
      boundBy: "writing",
    });
  });

  test("one device reads and writes in turn", () => {
    expect(predictTime(work, rates(1e6), { ...disks, shared: true }).seconds).toBe(23);
  });

  test("what waits in memory is written at the end", () => {
    const waiting = { ...disks, dirtyBytes: 500, dirtySeconds: 1000 };
    // 50 s of conversion, then half of the output.
    expect(predictTime(work, rates(20), waiting)).toMatchObject({ seconds: 58, syncSeconds: 5 });
    // The disk begins after 5 of 10 s, and then needs 100.
    expect(
      predictTime(work, rates(100), { ...waiting, writeBytesPerSecond: 10, readBytesPerSecond: 1e6 }).seconds,
    ).toBe(108);
    // Nothing waits longer than the system lets it.
    expect(predictTime(work, rates(20), { ...waiting, dirtySeconds: 5 })).toMatchObject({ syncSeconds: 1 });
  });
});

describe("samples", () => {
  test.each(["lossless-4", "nvfp4", "q2-k", "fp8"])("of %s: whole blocks of rows from everywhere", (name) => {
    const plan = flashPlan(name);
    const classes = workOf(plan, undefined);
    const all = [...plannedTensors(plan)].reduce((sum, { tensor }) => sum + valuesOf(tensor), 0);
    expect(classes.reduce((sum, { values }) => sum + values, 0)).toBe(all);
    const [experts] = classes;
    const sample = sampleOf(experts, { values: 2 ** 24, pieces: 16 });
    expect(sample.length).toBeGreaterThanOrEqual(16);
    const values = sample.reduce((sum, tensor) => sum + valuesOf(tensor), 0);
    expect(values / 2 ** 24).toBeGreaterThan(0.9);
    expect(values / 2 ** 24).toBeLessThan(1.3);
    for (const { rows, rowLength, outputs, parts } of sample) {
      const [{ entry }] = parts;
      expect(entry.spec.shape).toEqual([rows, rowLength]);
      expect(rows % (entry.scale?.blockRows ?? 1)).toBe(0);
      for (const { rowsPerUnit } of outputs) if (rowsPerUnit > 0) expect(rows % rowsPerUnit).toBe(0);
    }
    const layers = new Set(
      sample.map(({ parts: [{ entry }] }) => ("index" in entry.spec.block ? entry.spec.block.index : -1)),
    );
    expect(layers.size).toBeGreaterThan(2);
  });

  test("a class smaller than what is wanted is taken whole", () => {
    const table = workOf(flashPlan("lossless-4"), undefined).find(({ name }) => name === "i64 to i32");
    if (!table) throw new Error("no routing tables");
    const sample = sampleOf(table, { values: 2 ** 40, pieces: 2 });
    expect(sample.reduce((sum, tensor) => sum + valuesOf(tensor), 0)).toBe(table.values);
  });
});
