import type { Schema } from "../arrow-writer.ts";

/** The tables of a validation run: a column per field of a row. */

/** How one tensor of the artefact compares with its source. One row of `tensors.arrow`. */
export interface TensorRow {
  /** Official name. */
  readonly name: string;
  readonly role: string;
  /** -1 outside the layers. */
  readonly layer: number;
  readonly from: string;
  readonly to: string;
  readonly values: number;
  /** True where the stored format can hold every value of the source: then none may differ. */
  readonly promised: boolean;
  readonly unequal: number;
  readonly relativeRmse: number;
  readonly maxDifference: number;
  readonly cosine: number;
  /** Signal to quantization noise in dB; Infinity for equal tensors. */
  readonly sqnr: number;
}

/** What one layer did to the streams of all tokens. One row of `layers.arrow`. */
export interface LayerRow {
  readonly layer: number;
  readonly ratio: number;
  readonly tokens: number;
  /** Root mean square of the artefact's streams. */
  readonly rms: number;
  readonly nmse: number;
  readonly cosine: number;
  readonly maxDifference: number;
  /** Share of tokens with another set of experts, and the mean share of experts in common. */
  readonly expertsChanged: number;
  readonly expertOverlap: number;
  /** Tokens for which the indexer had a choice, and the share of them with another set of rows. */
  readonly indexerTokens: number;
  readonly rowsChanged: number;
}

/** One token of one sequence. One row of `positions.arrow`; log-probabilities are natural. */
export interface PositionRow {
  readonly sequence: string;
  readonly position: number;
  readonly token: number;
  /** The token that follows, or -1. */
  readonly next: number;
  /** KL(reference || candidate). */
  readonly kl: number;
  /** Log-probability of the token that follows; NaN where none does. */
  readonly referenceLogProb: number;
  readonly candidateLogProb: number;
  readonly referenceTop1: number;
  readonly candidateTop1: number;
  /** How many of the five likeliest tokens are the same. */
  readonly top5Overlap: number;
  /** Entropy of the reference. */
  readonly entropy: number;
  /** False where a logit is NaN or +infinity. */
  readonly finite: boolean;
}

export const TENSORS: Schema<TensorRow> = {
  name: "utf8",
  role: "utf8",
  layer: "int32",
  from: "utf8",
  to: "utf8",
  values: "uint32",
  promised: "bool",
  unequal: "uint32",
  relativeRmse: "float64",
  maxDifference: "float64",
  cosine: "float64",
  sqnr: "float64",
};

export const LAYERS: Schema<LayerRow> = {
  layer: "int32",
  ratio: "int32",
  tokens: "int32",
  rms: "float64",
  nmse: "float64",
  cosine: "float64",
  maxDifference: "float64",
  expertsChanged: "float64",
  expertOverlap: "float64",
  indexerTokens: "int32",
  rowsChanged: "float64",
};

export const POSITIONS: Schema<PositionRow> = {
  sequence: "utf8",
  position: "int32",
  token: "int32",
  next: "int32",
  kl: "float64",
  referenceLogProb: "float64",
  candidateLogProb: "float64",
  referenceTop1: "int32",
  candidateTop1: "int32",
  top5Overlap: "int32",
  entropy: "float64",
  finite: "bool",
};
