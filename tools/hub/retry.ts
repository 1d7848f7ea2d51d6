import { setTimeout as pause } from "node:timers/promises";
import pRetry from "p-retry";
import { V4Error } from "../lib/errors.ts";
import { MAX_FAILURES, MAX_PAUSE_MS, MAX_RETRY_AFTER_MS } from "../lib/limits.ts";
import { RequestError } from "./request-error.ts";

export interface RetryOptions {
  /** What is being tried, for messages. */
  readonly what: string;
  readonly signal?: AbortSignal;
  readonly onRetry?: (line: string) => void;
  /** The first pause is between 0 and this; the bound doubles with every failure in a row. */
  readonly baseMs?: number;
}

/**
 * Repeats what failed for a reason that may pass: exponential back-off with full jitter (between 0 and 1 s · 2^k, at most
 * a minute), never before a server's Retry-After. An attempt that called `progressed` starts the count anew. Errors: after
 * MAX_FAILURES in a row the last one with its own kind; the signal's reason at once after an abort; all others as they are.
 */
export async function retrying<T>(
  attempt: (progressed: () => void) => Promise<T>,
  { what, signal, onRetry, baseMs = 1000 }: RetryOptions,
): Promise<T> {
  let failures = 0;
  const progressed = (): void => {
    failures = 0;
  };
  return pRetry(() => attempt(progressed), {
    // The count, the pauses and the end are ours: p-retry knows no progress, no Retry-After and no full jitter.
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 0,
    ...(signal && { signal }),
    onFailedAttempt: async ({ error }) => {
      signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
      failures++;
      const asked = error instanceof RequestError ? (error.facts.retryAfterMs ?? 0) : 0;
      if (failures >= MAX_FAILURES || asked > MAX_RETRY_AFTER_MS) throw givenUp(error, what, failures, asked);
      const pauseMs = asked + backOffMs(failures, baseMs);
      onRetry?.(`${what}: ${error.message}; again in ${Math.ceil(pauseMs / 1000)} s`);
      await pause(pauseMs, undefined, signal && { signal }).catch((reason) => {
        throw signal?.reason ?? reason;
      });
    },
  });
}

/** Full jitter: all who were refused at once must not come back at once. */
export const backOffMs = (failures: number, baseMs: number, random: () => number = Math.random): number =>
  random() * Math.min(MAX_PAUSE_MS, baseMs * 2 ** (failures - 1));

const isPassing = (error: unknown): error is V4Error =>
  error instanceof RequestError
    ? error.facts.retryable
    : error instanceof V4Error && error.kind === "temporary";

function givenUp(error: V4Error, what: string, failures: number, askedMs: number): V4Error {
  const end =
    askedMs > MAX_RETRY_AFTER_MS
      ? `the server asks to wait ${Math.ceil(askedMs / 60_000)} minutes`
      : `given up after ${failures} failures without progress`;
  const { fault } = error;
  return new V4Error(
    error.kind,
    {
      ...fault,
      what: `${what}: ${fault.what}, ${end}`,
      next: fault.next ?? "the same command goes on where it stopped",
    },
    error,
  );
}
