import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { describe, expect, test } from "vitest";
import { type GenerationRequest, SampleFailure } from "../../evals/backend.ts";
import type { Price } from "../../evals/clients/prices.ts";
import { openBlobStore } from "../../evals/run/blobs.ts";
import { createBudget } from "../../evals/run/budget.ts";
import { findPricing } from "../../evals/run/pricing.ts";
import type { SampleRow } from "../../evals/run/row.ts";
import type { Problem } from "../../evals/task.ts";
import { V4Error } from "../../tools/lib/errors.ts";
import { openLineLog } from "../../tools/lib/line-log.ts";
import {
  adder,
  generation,
  questionOf,
  reportsOf,
  runToy,
  sumOf,
  sumTask,
  toyBackend,
} from "../support/evals.ts";
import { scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();

const rowsOf = (out: string): SampleRow[] =>
  readFileSync(join(out, "rows.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SampleRow);

describe("the log", () => {
  const open = async (path: string) => {
    const lines: unknown[] = [];
    const log = await openLineLog(path, { onLine: (line) => lines.push(line), next: "give up" });
    return { log, lines };
  };

  test("lines of any length come back in order and by their places; a torn one is cut off", async () => {
    const path = join(folder, "lines.jsonl");
    const random = seededRandom(3);
    const lines = Array.from({ length: 60 }, (_, i) => ({
      i,
      text: "é\n".repeat(Math.floor(random() ** 8 * 700_000)),
    }));
    const { log } = await open(path);
    const places = await Promise.all(lines.map((line) => log.append(line)));
    expect(await log.read(places[7])).toEqual(lines[7]);
    await log.close();
    appendFileSync(path, '{"i":60,"te');
    const again = await open(path);
    expect(again.lines).toEqual(lines);
    await again.log.append({ i: 60 });
    await again.log.close();
    const third = await open(path);
    expect(third.lines.at(-1)).toEqual({ i: 60 });
    await third.log.close();
  });

  test("a line that is no JSON is refused, wherever it stands", async () => {
    const path = join(folder, "bad.jsonl");
    writeFileSync(path, '{"a":1}\n{"b":\n{"c":3}\n');
    await expect(open(path)).rejects.toThrow("bad.jsonl: line 2 is not what v4kit writes");
  });
});

describe("the store", () => {
  test("a text is written once and read back; a changed one is found out", async () => {
    const store = openBlobStore(join(folder, "blobs"));
    const text = "the same text \u{1f600}".repeat(1000);
    const [first, second] = await Promise.all([store.put(text), store.put(text)]);
    expect(first).toBe(second);
    expect(await store.put(text)).toBe(first);
    expect(await store.get(first)).toBe(text);
    const path = join(folder, "blobs/sha256", first.slice(0, 2), `${first}.gz`);
    const bytes = readFileSync(path);
    expect(bytes.length).toBeLessThan(1000);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(path, bytes);
    await expect(store.get(first)).rejects.toThrow("not the one that its name promises");
  });
});

describe("a run", () => {
  test("reports do not depend on the order in which samples end", async () => {
    const random = seededRandom(5);
    const runs = ["ordered", "shuffled"].map((name) => join(folder, name));
    const tasks = [sumTask(7, "a"), sumTask(11, "b")];
    await runToy({ out: runs[0], tasks, concurrency: 1 });
    const order: string[] = [];
    const slow = toyBackend(async (request) => {
      for (let turns = Math.floor(20 * random()); turns > 0; turns--) await new Promise(setImmediate);
      order.push(questionOf(request));
      return adder.generate(request);
    });
    await runToy({ out: runs[1], tasks, concurrency: 6, backend: slow });
    const [ordered, shuffled] = runs.map(reportsOf);
    expect(rowsOf(runs[1]).map(({ key }) => key)).not.toEqual(rowsOf(runs[0]).map(({ key }) => key));
    expect(shuffled).toEqual(ordered);
    expect(ordered.rows.map((row) => (row as { problem: string }).problem)).toEqual(
      tasks.flatMap(({ count }) => Array.from({ length: count }, (_, i) => `sum-${i}`)),
    );
    expect(ordered.report).toMatchObject({ planned: 18, partial: false, summary: { samples: 18, score: 1 } });
  });

  test("the same rows give the same bytes, and a finished run has nothing to do", async () => {
    const out = join(folder, "finished");
    await runToy({ out });
    const files = ["report.arrow", "report.json", "rows.jsonl", "run.json"].map((name) => join(out, name));
    const before = files.map((file) => readFileSync(file, "hex"));
    const never = toyBackend(() => Promise.reject(new Error("asked again")));
    await runToy({ out, backend: never });
    expect(files.map((file) => readFileSync(file, "hex"))).toEqual(before);
  });

  test("no more problems exist than samples are at work", async () => {
    let made = 0;
    let ended = 0;
    let most = 0;
    const base = sumTask(50);
    const counted = sumTask(50, "sums", {
      async *problems() {
        for await (const problem of base.problems()) {
          made++;
          most = Math.max(most, made - ended);
          yield problem;
        }
      },
    });
    const backend = toyBackend(async (request) => {
      await new Promise(setImmediate);
      return adder.generate(request);
    });
    const planned = { made: 0 };
    await runToy({
      out: join(folder, "bounded"),
      tasks: [counted],
      backend,
      concurrency: 3,
      onPlan: () => {
        planned.made = made;
        [made, most] = [0, 0];
      },
      readReply: (reply) => {
        ended++;
        return { content: reply.content, defects: [] };
      },
    });
    expect(planned.made).toBe(50);
    expect(ended).toBe(50);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("every class of failure is its own, and the score is stated with and without", async () => {
    const out = join(folder, "classes");
    const classes: Record<number, (request: GenerationRequest) => ReturnType<typeof generation>> = {
      1: (request) => generation(sumOf(questionOf(request)), { finishReason: "length" }),
      2: () => generation("wrong", { finishReason: "length" }),
      3: () => generation("", { finishReason: "refusal" }),
      4: () => generation("", { finishReason: "content_filter" }),
      5: () => fail("too_long"),
      6: () => fail("failed"),
      7: () => fail("infra"),
      8: () => generation("wrong", { defects: ["another model answered: v4-0731", "ours 8, server 9"] }),
      9: (request) => generation(sumOf(questionOf(request)), { defects: ["ours 10, server 11"] }),
    };
    const fail = (kind: SampleFailure["kind"]): never => {
      throw new SampleFailure(kind, "no answer", [
        { atMs: 1, elapsedMs: 2, status: 500, message: "HTTP 500" },
        { atMs: 3, elapsedMs: 4, status: 500, message: "HTTP 500" },
      ]);
    };
    const backend = toyBackend(async (request) => {
      const i = Number(questionOf(request).split(" ")[0]);
      return classes[i]?.(request) ?? adder.generate(request);
    });
    const { report } = await runToy({ out, backend });
    expect(report.summary).toMatchObject({
      samples: 10,
      statuses: { ok: 3, truncated: 2, refused: 2, skipped_too_long: 1, failed: 1, infra_error: 1 },
      score: 3 / 5,
      scoreOfAll: 3 / 10,
      scoreOfWhole: 2 / 3,
      retried: 3,
    });
    expect(report.summary.defects).toEqual({
      "another model answered: v4-0731": 1,
      "ours …, server …": 2,
    });
    const table = tableFromIPC(readFileSync(join(out, "report.arrow")));
    expect(table.get(6)?.toJSON()).toMatchObject({
      status: "failed",
      score: null,
      message: "no answer",
      attempts: 2,
    });
    // A failed sample stays failed until it is asked for again, and alone those are asked for.
    const asked: string[] = [];
    const healed = toyBackend(async (request) => {
      asked.push(questionOf(request));
      return adder.generate(request);
    });
    expect((await runToy({ out, backend: healed })).report.summary.statuses.failed).toBe(1);
    expect(asked).toEqual([]);
    const again = await runToy({ out, backend: healed, retry: ["failed", "infra_error"] });
    expect(asked.sort()).toEqual(["6 + 12", "7 + 14"]);
    expect(again.report.summary.statuses).toMatchObject({ ok: 5, failed: 0, infra_error: 0 });
    expect(rowsOf(out)).toHaveLength(12);
  });

  test("a prompt that cannot fit is not sent", async () => {
    const never = toyBackend(() => Promise.reject(new Error("sent")));
    const render = ({ messages }: Problem) => ({ text: messages[0].content, ids: new Array<number>(93) });
    const { report } = await runToy({ out: join(folder, "long"), backend: never, render });
    expect(report.summary.statuses.skipped_too_long).toBe(10);
    expect(report.summary.score).toBeNull();
  });

  test("what stops a run leaves every ended sample on record, and the run goes on", async () => {
    const out = join(folder, "stopped");
    let count = 0;
    const dying = toyBackend(async (request) => {
      if (++count > 6) throw new V4Error("permission", { what: "the key is dead" });
      return adder.generate(request);
    });
    const first = await runToy({ out, backend: dying, concurrency: 2 });
    expect(first.stopped).toMatchObject({ kind: "permission" });
    expect(first.report).toMatchObject({ partial: true, summary: { samples: 6 } });
    let rest = 0;
    const alive = toyBackend((request) => {
      rest++;
      return adder.generate(request);
    });
    const second = await runToy({ out, backend: alive });
    expect(second.stopped).toBeUndefined();
    expect(rest).toBe(4);
    expect(second.report.summary).toMatchObject({ samples: 10, score: 1 });
  });

  test("an interruption gives up what is at work", async () => {
    const controller = new AbortController();
    let count = 0;
    const backend = toyBackend((request, options) => {
      if (++count <= 3) return adder.generate(request);
      return new Promise((_, reject) => {
        options?.signal?.addEventListener("abort", () => reject(new Error("cut off")));
        if (count === 5) controller.abort(new V4Error("interrupted", { what: "interrupted" }));
      });
    });
    const out = join(folder, "interrupted");
    const result = await runToy({ out, backend, concurrency: 2, signal: controller.signal });
    expect(result.stopped).toMatchObject({ kind: "interrupted" });
    expect(result.report.summary.samples).toBe(3);
  });

  test("a second run in the same folder is refused", async () => {
    const out = join(folder, "held");
    const backend = toyBackend(async (request) => {
      await expect(runToy({ out })).rejects.toMatchObject({ kind: "temporary" });
      return adder.generate(request);
    });
    await runToy({ out, backend, tasks: [sumTask(1)] });
  });

  test.each([
    ["of another run", (row: SampleRow) => ({ ...row, key: "0".repeat(64) })],
    ["with another problem", (row: SampleRow) => ({ ...row, problem: "sum-9999" })],
    ["with another epoch", (row: SampleRow) => ({ ...row, epoch: 1 })],
    ["beyond the task", (row: SampleRow) => ({ ...row, index: 10 })],
    ["with an unknown status", (row: SampleRow) => ({ ...row, status: "fine" })],
    ["with a score above 1", (row: SampleRow) => ({ ...row, score: 2 })],
    ["without its prompt", ({ prompt: _, ...row }: SampleRow) => row],
    ["that is a list", () => []],
  ])("a row %s is refused", async (name, change) => {
    const out = join(folder, `row ${name}`);
    await runToy({ out });
    const lines = rowsOf(out).map((row, i) => JSON.stringify(i === 4 ? change(row) : row));
    writeFileSync(join(out, "rows.jsonl"), `${lines.join("\n")}\n`);
    await expect(runToy({ out })).rejects.toThrow(
      /rows.jsonl: the line at byte \d+ is not what v4kit writes/,
    );
  });

  test("a task that has not as many problems as it says is refused", async () => {
    const base = sumTask(3);
    for (const count of [2, 4]) {
      const lying = { ...base, count };
      await expect(runToy({ out: join(folder, `lying-${count}`), tasks: [lying] })).rejects.toThrow(
        `expected ${count}, found 3`,
      );
    }
  });
});

describe("money", () => {
  const price: Price = {
    host: "api.example.com",
    models: ["m"],
    fromMs: 0,
    untilMs: Number.POSITIVE_INFINITY,
    cacheHit: 1,
    cacheMiss: 10,
    output: 100,
  };
  const quiet = Date.UTC(2026, 0, 1, 12);

  test("what runs here is free; a host without a price, and a stale price, say so", async () => {
    const find = (host: string | undefined, nowMs = quiet) =>
      findPricing({ identity: { kind: "k", model: "m", ...(host && { host }) }, nowMs });
    for (const host of [
      undefined,
      "localhost:8000",
      "127.0.0.1:1",
      "10.1.2.3",
      "gpu7",
      "[::1]:80",
      "192.168.0.2",
    ])
      expect(await find(host)).toBe("free");
    for (const host of ["api.example.com", "8.8.8.8", "172.32.0.1", "1.10.0.1"])
      expect(await find(host)).toMatchObject({ unknown: expect.stringContaining(host) });
    const file = join(folder, "prices.yaml");
    const row = { host: "gpu7", models: ["m"], from: "2026-01-01", cache_hit: 0, cache_miss: 1, output: 7 };
    writeFileSync(file, JSON.stringify({ checked: "2020-01-01", prices: [row] }));
    const priced = (host: string) =>
      findPricing({ identity: { kind: "k", model: "m", host }, priceFile: file, nowMs: quiet });
    expect(await priced("gpu7")).toMatchObject({ price: { output: 7 } });
    expect(await priced("gpu8")).toBe("free");
    expect(await priced("api.example.com")).toMatchObject({ unknown: expect.stringContaining("no price") });
    const flash = { kind: "k", model: "deepseek-v4-flash", host: "api.deepseek.com" };
    expect(await findPricing({ identity: flash, nowMs: Date.UTC(2026, 9, 30) })).toMatchObject({
      price: { output: 0.6 },
    });
    expect(await findPricing({ identity: flash, nowMs: Date.UTC(2027, 7, 30) })).toMatchObject({
      unknown: expect.stringContaining("90 days"),
    });
    writeFileSync(file, "- host: 1\n");
    await expect(priced("gpu7")).rejects.toMatchObject({ kind: "data" });
  });

  test("a budget is never exceeded, and what was set aside and not spent is there again", async () => {
    const budget = createBudget(10, 1);
    expect(await budget.reserve(5)).toBe(true);
    expect(await budget.reserve(9.5)).toBe(false);
    const later = budget.reserve(6);
    budget.settle(5, 1);
    expect(await later).toBe(true);
    budget.settle(6, 6);
    expect(budget.spent()).toBe(8);
    expect(await budget.reserve(2.5)).toBe(false);
    expect(await budget.reserve(2)).toBe(true);
  });

  test("a run stops at its budget, and goes on with a larger one", async () => {
    const out = join(folder, "budget");
    // A sample costs $0.00013 and may cost $0.00083.
    const options = { out, pricing: { price, table: "t" }, maxCostUsd: 0.0015, yes: true, concurrency: 3 };
    await expect(runToy({ ...options, yes: false })).rejects.toThrow(
      /may cost more than its budget \(expected at most \$0\.00, found \$0\.01\)/,
    );
    const first = await runToy(options);
    expect(first.stopped).toMatchObject({
      kind: "permission",
      fault: { next: expect.stringContaining("--max-cost") },
    });
    const { samples, costUsd } = first.report.summary;
    expect(samples).toBeGreaterThan(0);
    expect(samples).toBeLessThan(10);
    expect(costUsd).toBeLessThanOrEqual(0.0015);
    const second = await runToy({ ...options, maxCostUsd: 1 });
    expect(second.report.summary.samples).toBe(10);
    expect(second.report.summary.costUsd).toBeGreaterThan(costUsd);
  });
});
