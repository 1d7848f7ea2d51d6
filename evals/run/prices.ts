import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { dataError } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_CONFIG_BYTES } from "../../tools/lib/limits.ts";
import { PACKAGE_ROOT } from "../../tools/lib/package-root.ts";
import type { BackendIdentity, Usage } from "../backend.ts";

const Dollars = v.pipe(v.number(), v.minValue(0));
const Day = v.pipe(v.string(), v.isoDate());
const PriceRow = v.strictObject({
  host: v.string(),
  models: v.array(v.string()),
  from: Day,
  until: v.optional(Day),
  checked: Day,
  cacheHit: Dollars,
  cacheMiss: Dollars,
  output: Dollars,
  peak: v.optional(
    v.strictObject({
      factor: v.pipe(v.number(), v.minValue(1)),
      hours: v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(23))),
    }),
  ),
});

/** What a hosted model costs, in US dollars per million tokens. */
export type Price = v.InferOutput<typeof PriceRow>;

/** Prices change; one that nobody has looked at for longer is not believed. */
const MAX_AGE_DAYS = 90;

/** A price, `free` for what runs on machines of one's own, or why there is none. */
export type Pricing = Price | "free" | { readonly unknown: string };

export interface PricingOptions {
  readonly identity: BackendIdentity;
  /** A table of the user's own, which is believed whatever its age. */
  readonly priceFile?: string | undefined;
  readonly nowMs: number;
}

export async function findPricing({ identity, priceFile, nowMs }: PricingOptions): Promise<Pricing> {
  const { host, model } = identity;
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const table = await readPrices(priceFile ?? join(PACKAGE_ROOT, "configs/evals/prices.yaml"));
  const price = table.find(
    (row) =>
      row.host === host &&
      row.models.includes(model) &&
      row.from <= today &&
      (row.until === undefined || today < row.until),
  );
  if (price === undefined)
    return host === undefined || isLocal(host)
      ? "free"
      : { unknown: `no price of ${model} at ${host} is known` };
  const ageDays = (nowMs - Date.parse(price.checked)) / 86_400_000;
  if (priceFile === undefined && ageDays > MAX_AGE_DAYS)
    return { unknown: `the price of ${model} at ${host} was last looked up on ${price.checked}` };
  return price;
}

async function readPrices(file: string): Promise<readonly Price[]> {
  const bytes = await readSmallFile(file, MAX_CONFIG_BYTES);
  try {
    return v.parse(v.array(PriceRow), parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw dataError({ what: `not a table of prices: ${(error as Error).message.split("\n")[0]}`, file });
  }
}

/** Loopback, private networks, and names without a domain. */
function isLocal(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return (
    !/[.:]/.test(name) ||
    /\.(local|localhost|internal|lan)$/i.test(name) ||
    /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(name) ||
    /^(::1$|f[cd][0-9a-f]{2}:|fe80:)/i.test(name)
  );
}

/** Tokens of one sample that are paid for. */
export interface PaidTokens extends Usage {
  /** Of tries that failed; what they were is not known, so they count as output. */
  readonly failedTokens?: number;
}

/** What a sample has cost that began at `atMs`. */
export function costOf(price: Price, tokens: PaidTokens, atMs: number): number {
  const { promptTokens = 0, cachedTokens = 0, completionTokens = 0, failedTokens = 0 } = tokens;
  const factor = price.peak?.hours.includes(new Date(atMs).getUTCHours()) ? price.peak.factor : 1;
  const { cacheHit, cacheMiss, output } = price;
  const hits = Math.min(cachedTokens, promptTokens);
  const sum =
    hits * cacheHit + (promptTokens - hits) * cacheMiss + (completionTokens + failedTokens) * output;
  return (factor * sum) / 1e6;
}

/** The most that a sample can cost at its first try: nothing is cached, all tokens are used, the hour is dear. */
export const costBound = (price: Price, promptTokens: number, maxTokens: number): number =>
  ((price.peak?.factor ?? 1) * (promptTokens * price.cacheMiss + maxTokens * price.output)) / 1e6;
