import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SampleFailure } from "../../evals/backend.ts";
import { openBreaker } from "../../evals/clients/breaker.ts";
import { type FailureKind, TryFailure } from "../../evals/clients/failures.ts";
import { openPace } from "../../evals/clients/pace.ts";
import { RETRY_RULES, type SampleOptions, trySample } from "../../evals/clients/sample.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const options = (more: Partial<SampleOptions> = {}): SampleOptions => ({
  pace: openPace({ most: 4 }),
  breaker: openBreaker(),
  rules: RETRY_RULES,
  limitMs: 3_600_000,
  redact: (text) => text.replaceAll("secret", "[key]"),
  keySource: "KEY",
  ...more,
});

const fails = (kind: FailureKind, message: string, facts = {}) => new TryFailure(kind, message, facts);

/** Tries that fail with each of these in turn, then succeed. */
function script(failures: readonly TryFailure[]): () => Promise<string> {
  const left = [...failures];
  return async () => {
    const failure = left.shift();
    if (failure) throw failure;
    return "reply";
  };
}

/** Lets all waiting pass; a rejection is a value. */
async function outcome<T>(promise: Promise<T>): Promise<T | Error> {
  const settled = promise.catch((error: Error) => error);
  await vi.runAllTimersAsync();
  return settled;
}

const A = fails("server", "500: the same");

test("waits double from one second, with full jitter, up to a minute", async () => {
  const waits = vi.spyOn(Math, "random").mockReturnValue(0.5);
  const failures = Array.from({ length: 7 }, (_, i) => fails("server", `500: ${i}`));
  const result = await outcome(trySample(script(failures), options()));
  const { attempts } = result as { attempts: readonly { atMs: number }[] };
  const gaps = attempts.slice(1).map(({ atMs }, i) => atMs - attempts[i].atMs);
  expect(gaps).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000]);
  expect(waits).toHaveBeenCalledTimes(7);
});

test("Retry-After is honoured where it is longer", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const failures = [
    fails("busy", "429", { status: 429, retryAfterMs: 7000 }),
    fails("busy", "429", { retryAfterMs: 1 }),
  ];
  const { attempts } = (await outcome(trySample(script(failures), options()))) as {
    attempts: readonly { atMs: number; status?: number }[];
  };
  expect(attempts[1].atMs - attempts[0].atMs).toBe(7000);
  expect(attempts[2].atMs - attempts[1].atMs).toBe(1000);
  expect(attempts.map(({ status }) => status)).toEqual([429, undefined, 200]);
});

test("eight tries, then the sample is lost to the infrastructure", async () => {
  const failures = Array.from({ length: 20 }, () =>
    fails("transport", "the stream ended before the reply did"),
  );
  const failure = (await outcome(trySample(script(failures), options()))) as SampleFailure;
  expect(failure).toMatchObject({ name: "SampleFailure", kind: "infra" });
  expect(failure.attempts).toHaveLength(8);
});

test("three identical refusals in a row are enough; one of another kind between them begins anew", async () => {
  const at = (failures: readonly TryFailure[]) => outcome(trySample(script(failures), options()));
  expect(await at([A, A, A])).toMatchObject({ kind: "failed", attempts: [{}, {}, {}] });
  expect(await at([A, A, fails("busy", "503"), A, A])).toMatchObject({ value: "reply" });
  expect(await at([A, A, fails("server", "500: another"), A, A])).toMatchObject({ value: "reply" });
});

test("a sample that takes too long is lost, its wait for a place not counted", async () => {
  const pace = openPace({ most: 1 });
  const slot = await pace.take();
  const never = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const waiting = trySample(never, options({ pace, limitMs: 60_000 })).catch((error: Error) => error);
  let settled = false;
  void waiting.then(() => {
    settled = true;
  });
  await vi.advanceTimersByTimeAsync(120_000);
  expect(settled).toBe(false);
  slot.release("done");
  await vi.advanceTimersByTimeAsync(59_000);
  expect(settled).toBe(false);
  await vi.advanceTimersByTimeAsync(1001);
  expect(await waiting).toMatchObject({ kind: "infra", message: "no reply within 1 min 00 s" });
  // The place is free again.
  await expect(pace.take()).resolves.toBeDefined();
});

test("what failed is on record without the key, and with what it may have cost", async () => {
  const failures = [fails("transport", "cut after secret", { billedTokens: 90 })];
  expect(await outcome(trySample(script(failures), options()))).toMatchObject({
    attempts: [{ message: "cut after [key]", billedTokens: 90 }, { status: 200 }],
  });
});

test("a dead key ends every sample of the run", async () => {
  const shared = options();
  const first = outcome(trySample(script([fails("denied", "401: secret", { status: 401 })]), shared));
  expect(await first).toMatchObject({ exitCode: 77, message: expect.stringMatching(/401: \[key\].*KEY/) });
  expect(await outcome(trySample(script([]), shared))).toMatchObject({ exitCode: 77 });
});

test("a mistake of ours is no failed try", async () => {
  const broken = async (): Promise<string> => {
    throw new TypeError("undefined is not a function");
  };
  const shared = options();
  expect(await outcome(trySample(broken, shared))).toBeInstanceOf(TypeError);
  expect(await outcome(trySample(script([]), shared))).toMatchObject({ value: "reply" });
});
