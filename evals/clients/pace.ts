/** How many requests run at a time, and how many begin in a minute. */
export interface PaceOptions {
  /** Never more at a time. */
  readonly most: number;
  readonly perMinute?: number | undefined;
}

export interface Slot {
  /** Called once, with what became of the request. */
  release(outcome: "done" | "busy" | "other"): void;
}

export interface Pace {
  /** Waits for a place; rejects with the signal's reason. */
  take(signal?: AbortSignal): Promise<Slot>;
  /** Requests that may run at a time now. */
  readonly limit: number;
}

const START = 8;
const SUCCESSES_PER_STEP = 20;

/**
 * Concurrency that follows the server: it starts at 8, one more per 20 successes, half as many when the server says that
 * it is busy. Refusals of requests that began before the last halving say nothing new. Where little is left, it comes
 * back faster: a server that refuses a few requests whatever their number must not end in single file.
 */
export function openPace({ most, perMinute }: PaceOptions): Pace {
  const gapMs = perMinute === undefined ? 0 : 60_000 / perMinute;
  const waiting: (() => void)[] = [];
  let limit = Math.min(START, most);
  let running = 0;
  let successes = 0;
  let generation = 0;
  let nextStartMs = 0;

  const admit = (): void => {
    while (running < limit && waiting.length > 0) {
      running++;
      waiting.shift()?.();
    }
  };

  const place = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        waiting.splice(waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", leave, { once: true });
      waiting.push(enter);
      admit();
    });

  return {
    async take(signal) {
      signal?.throwIfAborted();
      await place(signal);
      const began = generation;
      const waitMs = nextStartMs - performance.now();
      nextStartMs = Math.max(nextStartMs, performance.now()) + gapMs;
      try {
        await pause(waitMs, signal);
      } catch (error) {
        running--;
        admit();
        throw error;
      }
      return {
        release(outcome) {
          running--;
          if (outcome === "done" && ++successes >= Math.min(SUCCESSES_PER_STEP, 2 * limit)) {
            successes = 0;
            limit = Math.min(most, limit + 1);
          }
          if (outcome === "busy" && began === generation) {
            generation++;
            successes = 0;
            limit = Math.max(1, Math.floor(limit / 2));
          }
          admit();
        },
      };
    },
    get limit() {
      return limit;
    },
  };
}

/** Waits, or rejects with the reason of the signal. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    if (ms <= 0) return resolve();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
