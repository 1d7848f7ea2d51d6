import { V4Error } from "../../tools/lib/errors.ts";
import type { BackendIdentity } from "../backend.ts";
import { loadPrices, type Price, priceOf } from "../clients/prices.ts";

/** A price and the table it is from, `free` for what runs on machines of one's own, or why there is none. */
export type Pricing =
  | "free"
  | { readonly price: Price; readonly table: string }
  | { readonly unknown: string };

export interface PricingOptions {
  readonly identity: BackendIdentity;
  /** A table of the user's own. */
  readonly priceFile?: string | undefined;
  readonly nowMs: number;
}

export async function findPricing({ identity, priceFile, nowMs }: PricingOptions): Promise<Pricing> {
  const { host, model } = identity;
  if (host === undefined || (priceFile === undefined && isLocal(host))) return "free";
  try {
    const table = await loadPrices(priceFile, nowMs);
    const price = priceOf(table, { host, model, atMs: nowMs });
    if (price) return { price, table: table.id };
    return isLocal(host) ? "free" : { unknown: `no price of ${model} at ${host} is known` };
  } catch (error) {
    // The shipped table is too old. One of the user's that is broken is the user's error.
    if (!(error instanceof V4Error) || priceFile !== undefined) throw error;
    return { unknown: error.fault.what };
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
