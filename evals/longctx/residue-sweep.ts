import type { ModelConfig } from "../../tools/model/config.ts";

/** What of a model's geometry decides where attention changes its path. */
export type AttentionGeometry = Pick<ModelConfig, "slidingWindow" | "compressRatios"> & {
  readonly indexer: Pick<ModelConfig["indexer"], "topK">;
};

/** Multiples of the coarsest ratio (128) that are tried with their neighbours. */
const MULTIPLES = [1, 2, 3, 4, 8, 16, 32];

/**
 * Prompt lengths at which compressed attention can go wrong, shortest first: around the window's end, every residue of the
 * fine ratio (4), around multiples of the coarse one (128), and around the position from which the indexer has to drop rows
 * (fine ratio x top-k). Each costs far less than a long context and finds the same faults.
 */
export function residueLengths(geometry: AttentionGeometry, longest: number): number[] {
  const { slidingWindow: window, compressRatios, indexer } = geometry;
  const ratios = [...new Set(compressRatios.filter((ratio) => ratio > 0))].sort((a, b) => a - b);
  const fine = ratios.at(0) ?? 1;
  const coarse = ratios.at(-1) ?? window;
  const full = fine * indexer.topK;
  const around = (length: number): number[] => [length - 1, length, length + 1];
  const residues = (length: number): number[] => Array.from({ length: fine }, (_, i) => length + i);
  const quarter = Math.floor(window / 4);
  const lengths = [
    window - quarter,
    ...around(window),
    window + quarter,
    ...residues(2 * coarse),
    ...residues(2 * coarse + window),
    ...MULTIPLES.flatMap((k) => around(k * coarse)),
    ...around(full),
    ...residues(full + fine),
    ...around(full + window),
    ...around(full + coarse),
  ];
  return [...new Set(lengths)].filter((length) => length > 0 && length <= longest).sort((a, b) => a - b);
}
