import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { costOf, loadPrices, mostCostOf, priceOf } from "../../evals/clients/prices.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const HOST = "api.deepseek.com";
const CHECKED_MS = Date.parse("2026-10-27");
const DAY_MS = 86_400_000;
const USAGE = { promptTokens: 1_000_000, completionTokens: 500_000, cachedTokens: 250_000 };

test.for([
  ["deepseek-v4-flash", "2026-05-01T02:00Z", 0.25 * 0.0028 + 0.75 * 0.14 + 0.5 * 0.28],
  ["deepseek-v4-pro", "2026-08-16T15:59Z", 0.25 * 0.003625 + 0.75 * 0.435 + 0.5 * 0.87],
  // The prices of the day after, first off-peak, then on a Monday at three, then on a Saturday at three.
  ["deepseek-v4-pro", "2026-08-16T16:00Z", 0.25 * 0.022 + 0.75 * 0.66 + 0.5 * 1.98],
  ["deepseek-v4-pro", "2026-11-02T03:59Z", 2 * (0.25 * 0.022 + 0.75 * 0.66 + 0.5 * 1.98)],
  ["deepseek-v4-pro", "2026-11-02T04:00Z", 0.25 * 0.022 + 0.75 * 0.66 + 0.5 * 1.98],
  ["deepseek-v4-pro", "2026-11-07T03:00Z", 0.25 * 0.022 + 0.75 * 0.66 + 0.5 * 1.98],
  ["deepseek-v4-flash", "2026-11-07T03:00Z", 0.25 * 0.003 + 0.75 * 0.15 + 0.5 * 0.6],
] as const)("%s at %s", async ([model, at, dollars]) => {
  const atMs = Date.parse(at);
  const price = priceOf(await loadPrices(undefined, CHECKED_MS), { host: HOST, model, atMs });
  expect(costOf(price!, USAGE, atMs)).toBeCloseTo(dollars, 9);
});

test("prices of one model never overlap", async () => {
  const { prices } = await loadPrices(undefined, CHECKED_MS);
  for (const [i, a] of prices.entries())
    for (const b of prices.slice(i + 1))
      if (a.host === b.host && a.models.some((model) => b.models.includes(model)))
        expect(a.untilMs <= b.fromMs || b.untilMs <= a.fromMs).toBe(true);
});

test("an estimate takes no cache and the dearest hour; nobody charges for a server of one's own", async () => {
  const table = await loadPrices(undefined, CHECKED_MS);
  const at = { model: "deepseek-v4-pro", atMs: CHECKED_MS };
  expect(mostCostOf(priceOf(table, { host: HOST, ...at })!, USAGE)).toBeCloseTo(2 * (0.66 + 0.5 * 1.98), 9);
  expect(priceOf(table, { host: "localhost:8000", ...at })).toBeUndefined();
  expect(priceOf(table, { host: HOST, model: "deepseek-chat", atMs: CHECKED_MS })).toBeUndefined();
});

test("an old table is refused unless the user gives it", async () => {
  await expect(loadPrices(undefined, CHECKED_MS + 90 * DAY_MS)).resolves.toBeTruthy();
  await expect(loadPrices(undefined, CHECKED_MS + 91 * DAY_MS)).rejects.toMatchObject({ exitCode: 64 });
  const file = join(folder, "prices.yaml");
  const price = "{host: x, models: [m], from: 2020-01-01T00:00Z, cache_hit: 1, cache_miss: 2, output: 3}";
  writeFileSync(file, `checked: 2020-01-01\nprices: [${price}]\n`);
  const { id, prices } = await loadPrices(file);
  expect(id).toMatch(/^2020-01-01 [0-9a-f]{12}$/);
  expect(costOf(prices[0], { promptTokens: 10, completionTokens: 1 }, 0)).toBeCloseTo(23e-6, 12);
});

test.for([
  ["a negative price", "cache_hit: 1", "cache_hit: -1", /prices\.0\.cache_hit/],
  ["a member that nobody knows", "output: 3", "output: 3, tax: 4", /tax/],
  ["no date", "checked: 2020-01-01", "checked: soon", /checked/],
  ["no YAML", "prices: [", "prices: [[", /not YAML/],
  ["a time that is none", "from: 2020-01-01T00:00Z", "from: then", /prices\.0\.from/],
] as const)("%s is refused by name", async ([, from, to, message]) => {
  const file = join(folder, "broken.yaml");
  const price = "{host: x, models: [m], from: 2020-01-01T00:00Z, cache_hit: 1, cache_miss: 2, output: 3}";
  writeFileSync(file, `checked: 2020-01-01\nprices: [${price}]\n`.replace(from, to));
  await expect(loadPrices(file)).rejects.toMatchObject({
    exitCode: 65,
    message: expect.stringMatching(message),
  });
});
