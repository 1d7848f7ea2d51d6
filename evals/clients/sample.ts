import { setMaxListeners } from "node:events";
import { V4Error } from "../../tools/lib/errors.ts";
import { MAX_RETRY_AFTER_MS } from "../../tools/lib/limits.ts";
import { formatDuration } from "../../tools/lib/units.ts";
import { type Attempt, SampleFailure } from "../backend.ts";
import type { Breaker } from "./breaker.ts";
import { TryFailure } from "./failures.ts";
import { type Pace, pause } from "./pace.ts";

export interface RetryRules {
  /** The first wait is up to this, each further one up to twice as long. */
  readonly baseMs: number;
  readonly capMs: number;
  readonly tries: number;
  /** So many identical refusals in a row prove that a further try is no use. */
  readonly identical: number;
}

export const RETRY_RULES: RetryRules = { baseMs: 1000, capMs: 60_000, tries: 8, identical: 3 };

export interface SampleOptions {
  readonly pace: Pace;
  readonly breaker: Breaker;
  readonly rules: RetryRules;
  /** The whole sample may take so long, waits between its tries included, the wait for its first place not. */
  readonly limitMs: number;
  /** Takes a key out of what a server said. */
  readonly redact: (text: string) => string;
  readonly keySource: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries a sample until it is there: always from the beginning, never by continuing what a cut stream left. Throws
 * `SampleFailure` or, where the run must end, `V4Error`.
 */
export async function trySample<T>(
  once: (signal: AbortSignal) => Promise<T>,
  options: SampleOptions,
): Promise<{ readonly value: T; readonly attempts: readonly Attempt[] }> {
  const { pace, breaker, rules, limitMs, redact, signal } = options;
  const attempts: Attempt[] = [];
  const scope = openScope([signal, breaker.signal]);
  let identical = 0;
  try {
    for (;;) {
      const slot = await pace.take(scope.signal);
      scope.limit(limitMs);
      const [atMs, startedMs] = [Date.now(), performance.now()];
      const elapsedMs = (): number => Math.round(performance.now() - startedMs);
      let failure: TryFailure;
      try {
        const value = await once(scope.signal);
        slot.release("done");
        attempts.push({ atMs, elapsedMs: elapsedMs(), status: 200 });
        breaker.record(true);
        return { value, attempts };
      } catch (error) {
        slot.release(error instanceof TryFailure && error.kind === "busy" ? "busy" : "other");
        if (!(error instanceof TryFailure)) throw error;
        failure = error;
      }
      const { kind, facts } = failure;
      const message = redact(failure.message);
      const { status, billedTokens, retryAfterMs } = facts;
      const previous = attempts.at(-1)?.message;
      attempts.push({
        atMs,
        elapsedMs: elapsedMs(),
        message,
        ...(status !== undefined && { status }),
        ...(billedTokens !== undefined && { billedTokens }),
      });
      if (kind === "denied" || kind === "rejected")
        throw breaker.trip(endOfRun(kind, message, options.keySource));
      if (kind === "too_long") throw new SampleFailure("too_long", message, attempts);
      // What a crowded or broken network says proves nothing about the sample.
      identical = kind === "server" ? (message === previous ? identical + 1 : 1) : 0;
      if (identical >= rules.identical) throw lost("failed", message, attempts, breaker);
      if (attempts.length >= rules.tries) throw lost("infra", message, attempts, breaker);
      if (retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_AFTER_MS)
        throw breaker.trip(
          new V4Error("temporary", {
            what: `the server asks to wait for ${formatDuration(retryAfterMs)}: ${message}`,
            next: "run the same command again then: it goes on where it stopped",
          }),
        );
      const mostMs = Math.min(rules.capMs, rules.baseMs * 2 ** (attempts.length - 1));
      await pause(Math.max(retryAfterMs ?? 0, Math.random() * mostMs), scope.signal);
    }
  } catch (error) {
    if (!scope.expired) throw error;
    throw lost("infra", `no reply within ${formatDuration(limitMs)}`, attempts, breaker);
  } finally {
    scope.close();
  }
}

function lost(
  kind: "failed" | "infra",
  message: string,
  attempts: readonly Attempt[],
  breaker: Breaker,
): SampleFailure {
  breaker.record(false, message);
  return new SampleFailure(kind, message, attempts);
}

function endOfRun(kind: "denied" | "rejected", message: string, keySource: string): V4Error {
  return kind === "denied"
    ? new V4Error("permission", {
        what: `the server does not let us in (${message})`,
        next: `check the key (${keySource}) and the account's balance; no further request was sent`,
      })
    : new V4Error("usage", {
        what: `the server refuses the form of our request (${message})`,
        next: "check --model, --mode, --max-tokens and --api; no further request was sent",
      });
}

/** One signal for several and a time limit. Listeners are taken off again: a run has one signal and many samples. */
function openScope(sources: readonly (AbortSignal | undefined)[]) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let expired = false;
  const listeners = sources.flatMap((source) => {
    if (!source) return [];
    if (source.aborted) controller.abort(source.reason);
    // A listener per sample in flight is no leak.
    setMaxListeners(0, source);
    const forward = (): void => controller.abort(source.reason);
    source.addEventListener("abort", forward, { once: true });
    return [() => source.removeEventListener("abort", forward)];
  });
  return {
    signal: controller.signal,
    limit(ms: number): void {
      timer ??= setTimeout(() => {
        expired = true;
        controller.abort(new Error("the sample's time is over"));
      }, ms);
    },
    get expired() {
      return expired;
    },
    close(): void {
      clearTimeout(timer);
      for (const remove of listeners) remove();
    },
  };
}
