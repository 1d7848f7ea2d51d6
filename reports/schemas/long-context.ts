import type { Schema } from "../arrow-writer.ts";

/** A mean score from 0 to 1 over problems, with its 95 % interval. */
export interface ScoreEstimate {
  readonly n: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** How one task fared at one length (tokens of prompt and answer). One row of `lengths.arrow`. */
export interface LengthRow extends ScoreEstimate {
  /** `mean` is the mean over all tasks. */
  readonly task: string;
  readonly length: number;
}

/** How one task fared at one length and depth. One row of `heat.arrow`. */
export interface HeatRow extends LengthRow {
  /** Percent of the prompt before what had to be found. */
  readonly depth: number;
  /** Means; 0 where no back-end said so. */
  readonly firstTokenMs: number;
  readonly prefillTokensPerSecond: number;
}

/** What a benchmark reports beside lengths: MRCR's start, LongBench's difficulty. One row of `groups.arrow`. */
export interface GroupRow extends ScoreEstimate {
  readonly task: string;
  readonly group: string;
}

const ESTIMATE = {
  n: "uint32",
  mean: "float64",
  low: "float64",
  high: "float64",
} as const satisfies Schema<ScoreEstimate>;

export const LENGTHS: Schema<LengthRow> = { task: "utf8", length: "uint32", ...ESTIMATE };

export const GROUPS: Schema<GroupRow> = { task: "utf8", group: "utf8", ...ESTIMATE };

export const HEAT: Schema<HeatRow> = {
  ...LENGTHS,
  depth: "float64",
  firstTokenMs: "float64",
  prefillTokensPerSecond: "float64",
};
