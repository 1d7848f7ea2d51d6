import type { LayerObserver } from "../reference/layer.ts";

/** What router and indexer of one layer chose for every token. */
export interface Choices extends LayerObserver {
  experts(token: number, ids: Int32Array): void;
  rows(token: number, indices: Int32Array): void;
  /** Tokens for which the indexer had a choice. */
  indexerTokens(): number;
  compare(other: Choices): {
    /** Share of tokens with another set of experts. */
    readonly expertsChanged: number;
    /** Mean share of a token's experts that both chose. */
    readonly expertOverlap: number;
    readonly indexerTokens: number;
    /** Share of those tokens with another set of compressed rows. */
    readonly rowsChanged: number;
  };
  expertsOf(token: number): Int32Array;
  /** A digest of the set of rows chosen for a token; 0 where there was no choice. */
  rowsDigest(token: number): number;
}

/** Keeps a token's experts as they are, and of its up to 1,024 rows a digest of the set: enough to see a change. */
export function createChoices(tokens: number, expertsPerToken: number): Choices {
  const experts = new Int32Array(tokens * expertsPerToken);
  const digests = new Float64Array(tokens);
  const expertsOf = (token: number): Int32Array =>
    experts.subarray(token * expertsPerToken, (token + 1) * expertsPerToken);
  const indexerTokens = (): number => digests.reduce((count, digest) => count + (digest === 0 ? 0 : 1), 0);
  return {
    experts(token, ids) {
      experts.set(ids, token * expertsPerToken);
    },
    rows(token, indices) {
      digests[token] = setDigest(indices);
    },
    expertsOf,
    rowsDigest: (token) => digests[token],
    indexerTokens,
    compare(other) {
      let changed = 0;
      let shared = 0;
      let rowsChanged = 0;
      for (let token = 0; token < tokens; token++) {
        const theirs = other.expertsOf(token);
        const common = expertsOf(token).reduce((count, id) => count + (theirs.includes(id) ? 1 : 0), 0);
        shared += common;
        if (common !== expertsPerToken) changed++;
        if (digests[token] !== other.rowsDigest(token)) rowsChanged++;
      }
      const chosen = indexerTokens();
      return {
        expertsChanged: changed / tokens,
        expertOverlap: shared / (tokens * expertsPerToken),
        indexerTokens: chosen,
        rowsChanged: chosen === 0 ? 0 : rowsChanged / chosen,
      };
    },
  };
}

/** The same for any order of the same indices: a sum of hashes of 52 bits, never 0. */
function setDigest(indices: Int32Array): number {
  let low = 0;
  let high = 0;
  for (const index of indices) {
    let h = Math.imul(index + 1, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
    low = (low + (h ^ (h >>> 13))) | 0;
    high = (high + Math.imul(h, 0xc2b2ae35)) | 0;
  }
  return (high & 0xfffff) * 2 ** 32 + (low >>> 0) + 1;
}
