import type { Schema } from "../arrow-writer.ts";

/** What a conversion did to one source tensor. One row of `quantize.arrow`. */
export interface ConversionRow {
  /** Official name; of the halves of a fusion, the first. */
  readonly name: string;
  readonly role: string;
  /** -1 outside the layers. */
  readonly layer: number;
  readonly output: string;
  readonly from: string;
  readonly to: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** `copied`, `moved` without arithmetic, or `encoded`. */
  readonly path: string;
  /** sqrt(sum (y - x)^2 / sum x^2): of exact formats over all values, of lossy ones over every sixteenth row. */
  readonly relativeRmse: number;
  /** Values that an exact format could not hold. */
  readonly changed: number;
  readonly importance: string;
  /** Time in workers. */
  readonly workedMs: number;
  /** Of the source's weight bytes. */
  readonly crc32: string;
}

export const CONVERSION: Schema<ConversionRow> = {
  name: "utf8",
  role: "utf8",
  layer: "int32",
  output: "utf8",
  from: "utf8",
  to: "utf8",
  bytesIn: "float64",
  bytesOut: "float64",
  path: "utf8",
  relativeRmse: "float64",
  changed: "float64",
  importance: "utf8",
  workedMs: "float64",
  crc32: "utf8",
};
