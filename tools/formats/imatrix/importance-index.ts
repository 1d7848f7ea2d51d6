/** What an importance file says about one tensor: how many vectors, and how long. */
export interface ImportanceEntry {
  /** Values per vector: input columns of the tensor. */
  readonly columns: number;
  /**
   * Vectors, one per expert of a stack. The legacy format knows only their common length, and so does a GGUF made from
   * such a file: there the vectors of a stack are one long one, and `matrices` is 1.
   */
  readonly matrices: number;
}

/** An entry and where its numbers are. */
export interface StoredImportance extends ImportanceEntry {
  /** Position of the sums, f32 [matrices, columns]. */
  readonly sumsOffset: number;
  /** What the sums are divided by: the same number for all, or f32 [matrices] at a position of the file. */
  readonly count: number | { readonly byteOffset: number };
}

/** An importance file without its numbers. */
export interface ImportanceIndex {
  readonly format: "gguf" | "dat";
  /** Names of the calibration texts, as whoever collected the importance called them. */
  readonly datasets: readonly string[];
  /** Chunks of text that went into the sums. */
  readonly chunks?: number;
  readonly entries: ReadonlyMap<string, StoredImportance>;
}
