import type { Dtype } from "../formats/dtypes.ts";

/** A tensor as some file stores it: what a header says, nothing interpreted. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** The file it lies in, for messages. */
  readonly file: string;
}
