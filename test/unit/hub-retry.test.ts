import { expect, test, vi } from "vitest";
import { RequestError } from "../../tools/hub/request-error.ts";
import { backOffMs, retrying } from "../../tools/hub/retry.ts";
import { dataError, V4Error } from "../../tools/lib/errors.ts";

const failure = (retryAfterMs?: number): RequestError =>
  new RequestError(
    "temporary",
    { what: "the server failed", file: "https://hub/a" },
    { retryable: true, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  );

/** Fails as long as the list has something to fail with. */
const attempts = (errors: readonly unknown[]) => {
  const left = [...errors];
  return vi.fn(async () => {
    if (left.length > 0) throw left.shift();
    return "done";
  });
};

const times = (count: number): RequestError[] => Array.from({ length: count }, () => failure());

test("what passes is repeated, and every time is told", async () => {
  const lines: string[] = [];
  const attempt = attempts(times(7));
  const result = retrying(attempt, { what: "shard 1", baseMs: 0, onRetry: (line) => lines.push(line) });
  await expect(result).resolves.toBe("done");
  expect(attempt).toHaveBeenCalledTimes(8);
  expect(lines).toHaveLength(7);
  expect(lines[0]).toBe("shard 1: https://hub/a: the server failed; again in 0 s");
});

test("eight failures in a row end it, with the last error's kind and the way on", async () => {
  const attempt = attempts(times(20));
  const error = await retrying(attempt, { what: "shard 1", baseMs: 0 }).catch((reason: V4Error) => reason);
  expect(attempt).toHaveBeenCalledTimes(8);
  expect(error).toMatchObject({
    exitCode: 75,
    message:
      "https://hub/a: shard 1: the server failed, given up after 8 failures without progress; the same command goes on where it stopped",
  });
});

test("progress starts the count anew", async () => {
  let count = 0;
  const result = await retrying(
    async (progressed) => {
      if (++count === 30) return count;
      if (count % 7 === 0) progressed();
      throw failure();
    },
    { what: "shard 1", baseMs: 0 },
  );
  expect(result).toBe(30);
});

test.each([
  ["a refusal", new RequestError("permission", { what: "no" }, { retryable: false, status: 403 })],
  ["wrong data", dataError({ what: "no" })],
  ["a bug", new TypeError("undefined is not a function")],
])("%s is never repeated", async (_, error) => {
  const attempt = attempts([error, error]);
  await expect(retrying(attempt, { what: "a", baseMs: 0 })).rejects.toBe(error);
  expect(attempt).toHaveBeenCalledTimes(1);
});

test("a wrong answer that stays wrong keeps its kind", async () => {
  const wrong = new RequestError("data", { what: "another range" }, { retryable: true });
  const attempt = vi.fn(async () => {
    throw wrong;
  });
  await expect(retrying(attempt, { what: "a", baseMs: 0 })).rejects.toMatchObject({ exitCode: 65 });
  expect(attempt).toHaveBeenCalledTimes(8);
});

test("pauses are drawn between 0 and 1 s · 2^k, at most a minute, behind what the server asks for", async () => {
  const bounds = [1, 2, 3, 6, 7, 50].map((failures) => backOffMs(failures, 1000, () => 1));
  expect(bounds).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000]);
  expect(backOffMs(5, 1000, () => 0.25)).toBe(4000);
  const lines: string[] = [];
  const controller = new AbortController();
  const onRetry = (line: string): void => {
    lines.push(line);
    controller.abort(new Error("seen"));
  };
  const options = { what: "a", baseMs: 0, signal: controller.signal, onRetry };
  await expect(retrying(attempts([failure(41_500)]), options)).rejects.toThrow("seen");
  expect(lines[0]).toMatch(/again in 42 s$/);
});

test("an abort ends the pause at once, with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new V4Error("interrupted", { what: "interrupted" });
  const result = retrying(attempts([failure(600_000)]), {
    what: "a",
    signal: controller.signal,
    onRetry: () => controller.abort(reason),
  });
  await expect(result).rejects.toBe(reason);
  await expect(retrying(attempts([]), { what: "a", signal: controller.signal })).rejects.toBe(reason);
});

test("a server that asks for hours of patience is told to the user", async () => {
  const attempt = attempts([failure(7_200_000)]);
  await expect(retrying(attempt, { what: "a" })).rejects.toMatchObject({
    exitCode: 75,
    message: expect.stringMatching(/asks to wait 120 minutes/),
  });
});
