import { createHash } from "node:crypto";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { dataError, usageError } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_CONFIG_BYTES } from "../../tools/lib/limits.ts";
import { PACKAGE_ROOT } from "../../tools/lib/package-root.ts";
import type { Usage } from "../backend.ts";

/** US dollars per million tokens, for a time. */
export interface Price {
  readonly host: string;
  readonly models: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
  readonly cacheHit: number;
  readonly cacheMiss: number;
  readonly output: number;
  /** What the price is multiplied with at these hours (UTC, Monday to Friday). */
  readonly peak?: { readonly factor: number; readonly hours: readonly (readonly [number, number])[] };
}

export interface PriceTable {
  /** Names the table in a run's record: the day it was checked and a digest of its text. */
  readonly id: string;
  readonly prices: readonly Price[];
}

const DAY_MS = 86_400_000;
/** Prices of hosted services changed three times in half a year. */
const MAX_AGE_MS = 90 * DAY_MS;
const SHIPPED = join(PACKAGE_ROOT, "configs/evals/prices.yaml");

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const moment = v.pipe(
  v.string(),
  v.transform((text) => Date.parse(text)),
  v.number(),
);
const hour = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(24));
const FILE = v.strictObject({
  checked: v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2}$/)),
  prices: v.array(
    v.strictObject({
      host: v.string(),
      models: v.array(v.string()),
      from: moment,
      until: v.optional(moment),
      cache_hit: amount,
      cache_miss: amount,
      output: amount,
      peak: v.optional(v.strictObject({ factor: amount, hours: v.array(v.tuple([hour, hour])) })),
    }),
  ),
});

/**
 * Reads a table of prices: the user's own (`--price-file`), or the shipped one, which is refused once it is older than 90
 * days: a wrong estimate is worse than none.
 */
export async function loadPrices(file?: string, nowMs: number = Date.now()): Promise<PriceTable> {
  const path = file ?? SHIPPED;
  const text = new TextDecoder().decode(await readSmallFile(path, MAX_CONFIG_BYTES));
  const { checked, prices } = parsedPrices(text, path);
  if (file === undefined && nowMs - Date.parse(checked) > MAX_AGE_MS)
    throw usageError({
      what: `the shipped prices were checked on ${checked}, more than 90 days ago`,
      next: `give current ones with --price-file FILE, in the form of ${SHIPPED}`,
    });
  return {
    id: `${checked} ${createHash("sha256").update(text).digest("hex").slice(0, 12)}`,
    prices: prices.map(({ from, until, cache_hit, cache_miss, peak, ...price }) => ({
      ...price,
      fromMs: from,
      untilMs: until ?? Number.POSITIVE_INFINITY,
      cacheHit: cache_hit,
      cacheMiss: cache_miss,
      ...(peak && { peak }),
    })),
  };
}

function parsedPrices(text: string, file: string): v.InferOutput<typeof FILE> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw dataError({ what: `not YAML: ${(error as Error).message}`, file }, error);
  }
  const result = v.safeParse(FILE, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw dataError({ what: `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`, file });
}

/** The price of a model at a time; undefined where nobody is known to charge for it. */
export function priceOf(
  { prices }: PriceTable,
  { host, model, atMs }: { readonly host: string; readonly model: string; readonly atMs: number },
): Price | undefined {
  return prices.find(
    (price) =>
      price.host === host && price.models.includes(model) && price.fromMs <= atMs && atMs < price.untilMs,
  );
}

/** Dollars for the tokens of a reply at the time it was asked for. Tokens that nobody counted cost nothing here. */
export function costOf(price: Price, usage: Usage, atMs: number): number {
  const { promptTokens = 0, completionTokens = 0 } = usage;
  const hit = Math.min(usage.cachedTokens ?? 0, promptTokens);
  const perMillion =
    hit * price.cacheHit + (promptTokens - hit) * price.cacheMiss + completionTokens * price.output;
  return (perMillion * peakFactor(price, atMs)) / 1e6;
}

/** The most that tokens can cost: no cache, the dearest hour. For estimates and for what is set aside. */
export function mostCostOf(price: Price, usage: Pick<Usage, "promptTokens" | "completionTokens">): number {
  const { promptTokens = 0, completionTokens = 0 } = usage;
  const dearest = Math.max(1, price.peak?.factor ?? 1);
  return (dearest * (promptTokens * price.cacheMiss + completionTokens * price.output)) / 1e6;
}

function peakFactor({ peak }: Price, atMs: number): number {
  if (!peak) return 1;
  const date = new Date(atMs);
  const [day, hours] = [date.getUTCDay(), date.getUTCHours()];
  const weekday = day >= 1 && day <= 5;
  return weekday && peak.hours.some(([from, until]) => hours >= from && hours < until) ? peak.factor : 1;
}
