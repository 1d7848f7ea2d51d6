import { V4Error } from "../../tools/lib/errors.ts";

/** Ends a run that costs time and money for nothing. */
export interface Breaker {
  /** Throws what ended the run. */
  check(): void;
  /** Counts a sample that came or did not; throws when too many did not. */
  record(succeeded: boolean, message?: string): void;
  /** Ends the run for every sample, those in flight included. */
  trip(error: V4Error): V4Error;
  readonly signal: AbortSignal;
}

const WINDOW = 50;
const MOST_FAILURES = 0.2 * WINDOW;

export function openBreaker(): Breaker {
  const last: boolean[] = [];
  const controller = new AbortController();
  const trip = (error: V4Error): V4Error => {
    if (!controller.signal.aborted) controller.abort(error);
    return controller.signal.reason as V4Error;
  };
  return {
    signal: controller.signal,
    trip,
    check: () => controller.signal.throwIfAborted(),
    record(succeeded, message = "") {
      last.push(succeeded);
      if (last.length > WINDOW) last.shift();
      const failures = last.filter((one) => !one).length;
      if (succeeded || failures <= MOST_FAILURES) return;
      throw trip(
        new V4Error("temporary", {
          what: `${failures} of the last ${last.length} samples could not be had; the last one: ${message}`,
          next: "see to the server, then run the same command again: it goes on where it stopped",
        }),
      );
    },
  };
}
