import { createProgress, silentProgress } from "../../tools/lib/progress.ts";
import { formatCount, formatDuration } from "../../tools/lib/units.ts";
import type { Estimate } from "./estimate.ts";
import type { SampleRow } from "./row.ts";
import type { Tally } from "./summary.ts";

/** Where a run is: samples, score so far, tokens a second, time left. */
export interface RunProgress {
  /** Tokens of a reply, as they come. */
  tokens(count: number): void;
  ended(row: SampleRow): void;
  stop(): void;
}

export interface RunProgressOptions {
  readonly label: string;
  readonly estimate: Estimate;
  /** Adds up the samples on record, those of earlier sessions among them. */
  readonly tally: Tally;
  readonly quiet: boolean;
}

/** Prompts of one run differ by a factor of hundreds, so what is done is measured in their tokens, not in samples. */
export function createRunProgress({ label, estimate, tally, quiet }: RunProgressOptions): RunProgress {
  let replyTokens = 0;
  const total = estimate.finished + estimate.samples;
  const describe = (done: number, elapsedMs: number): string => {
    const { samples, score } = tally.summary();
    const left = done > 0 ? formatDuration((elapsedMs / done) * (estimate.promptTokens - done)) : "?";
    const rate = Math.round((1000 * (done + replyTokens)) / Math.max(1, elapsedMs));
    return (
      `${formatCount(samples)} of ${formatCount(total)} samples  ` +
      `score ${score === null ? "?" : `${(100 * score).toFixed(1)} %`}  ${formatCount(rate)} tokens/s  ${left} left`
    );
  };
  const reporter =
    quiet || estimate.samples === 0
      ? silentProgress
      : createProgress(label, Math.max(1, estimate.promptTokens), describe);
  return {
    tokens(count) {
      replyTokens += count;
    },
    ended(row) {
      tally.add(row);
      reporter.advance(row.promptTokens);
    },
    stop: () => reporter.stop(),
  };
}
