import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openBreaker } from "../../evals/clients/breaker.ts";
import { errorObjectFailure, parseRetryAfter, statusFailure } from "../../evals/clients/failures.ts";
import { openPace, pause, type Slot } from "../../evals/clients/pace.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Takes as many places as there are now. */
async function fill(pace: ReturnType<typeof openPace>): Promise<Slot[]> {
  const slots: Slot[] = [];
  const stop = new AbortController();
  for (;;) {
    const waiting = pace.take(stop.signal).catch(() => undefined);
    const slot = await Promise.race([
      waiting,
      Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => vi.advanceTimersByTimeAsync(1))
        .then(() => "none" as const),
    ]);
    if (slot === "none" || slot === undefined) {
      stop.abort();
      return slots;
    }
    slots.push(slot);
  }
}

test("concurrency starts at 8, grows by one per 20 successes, halves once for refusals of one time", async () => {
  const pace = openPace({ most: 100 });
  const first = await fill(pace);
  expect(first).toHaveLength(8);
  for (const slot of first) slot.release("done");
  for (let i = 0; i < 8; i++) (await pace.take()).release("done");
  // 2 x 8 successes: below ten at a time it grows a little faster.
  expect(pace.limit).toBe(9);
  for (let i = 0; i < 18 + 20 + 20; i++) (await pace.take()).release("done");
  expect(pace.limit).toBe(12);
  const many = await fill(pace);
  expect(many).toHaveLength(12);
  for (const slot of many) slot.release("busy");
  expect(pace.limit).toBe(6);
  for (let i = 0; i < 5; i++) (await pace.take()).release("busy");
  expect(pace.limit).toBe(1);
});

test("never more than asked for, and a place that was given back is taken by who waits", async () => {
  const pace = openPace({ most: 2 });
  const [a, b] = [await pace.take(), await pace.take()];
  let third: Slot | undefined;
  const waiting = pace.take().then((slot) => {
    third = slot;
  });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(third).toBeUndefined();
  a.release("other");
  await waiting;
  expect(third).toBeDefined();
  b.release("other");
});

test("one who waits and is interrupted leaves the queue", async () => {
  const pace = openPace({ most: 1 });
  const slot = await pace.take();
  const stop = new AbortController();
  const gone = pace.take(stop.signal);
  const next = pace.take();
  stop.abort(new Error("stop"));
  await expect(gone).rejects.toThrow("stop");
  slot.release("done");
  await expect(next).resolves.toBeDefined();
});

test("requests per minute are spread over the minute", async () => {
  const pace = openPace({ most: 50, perMinute: 120 });
  let begun = 0;
  for (let i = 0; i < 8; i++) void pace.take().then(() => begun++);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun).toBe(1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toBe(3);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(begun).toBe(8);
});

test("a pause ends at once when it is interrupted", async () => {
  const stop = new AbortController();
  const waiting = pause(1e6, stop.signal);
  stop.abort(new Error("stop"));
  await expect(waiting).rejects.toThrow("stop");
  await expect(pause(5, stop.signal)).rejects.toThrow("stop");
});

test("the breaker counts the last 50 samples", () => {
  const breaker = openBreaker();
  for (let round = 0; round < 20; round++) for (let i = 0; i < 50; i++) breaker.record(i >= 10);
  breaker.check();
  for (let i = 0; i < 10; i++) breaker.record(false);
  expect(() => breaker.record(false, "500: gone")).toThrow(/11 of the last 50 .*500: gone/);
  expect(() => breaker.check()).toThrow(/11 of the last 50/);
});

test.for([
  ["3", 3000],
  ["0.5", 500],
  ["0", 0],
  ["Wed, 21 Oct 2026 07:28:30 GMT", 30_000],
  ["Wed, 21 Oct 2026 07:27:00 GMT", 0],
  ["soon", undefined],
  ["", undefined],
] as const)("Retry-After: %s", ([text, ms]) => {
  expect(parseRetryAfter(text, Date.parse("2026-10-21T07:28:00Z"))).toBe(ms);
});

test.for([
  [400, '{"error":{"message":"bad"}}', "rejected", "400: bad"],
  [
    400,
    '{"error":{"code":"context_length_exceeded","message":"n_prompt_tokens 9"}}',
    "too_long",
    "400: n_prompt_tokens 9",
  ],
  [413, "", "too_long", "413"],
  [401, '{"error":{"message":"no"}}', "denied", "401: no"],
  [402, '{"error":{"message":"Insufficient Balance"}}', "denied", "402: Insufficient Balance"],
  [404, '{"detail":"Not Found"}', "rejected", "404: Not Found"],
  [408, "", "transport", "408"],
  [429, "slow down", "busy", "429: slow down"],
  [500, '{"error":"plain"}', "server", "500: plain"],
  [502, "<html><body><h1>Bad  Gateway</h1></body></html>", "transport", "502: Bad Gateway"],
  [503, "[]", "busy", "503"],
  [529, '{"error":{"type":"overloaded_error","message":"Overloaded"}}', "busy", "529: Overloaded"],
] as const)("status %i with %s", ([status, body, kind, message]) => {
  expect(statusFailure(status, body, undefined)).toMatchObject({ kind, message, facts: { status } });
});

test.for([
  [{ type: "overloaded_error", message: "Overloaded" }, "busy"],
  [{ code: 429, message: "too many" }, "busy"],
  [{ code: 502, message: "provider" }, "transport"],
  [{ message: "maximum context length is 5" }, "too_long"],
  ["gone", "server"],
] as const)("an error in the stream: %j", ([error, kind]) => {
  expect(errorObjectFailure(error)).toMatchObject({ kind });
});
