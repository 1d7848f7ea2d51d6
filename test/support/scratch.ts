import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A folder that lives as long as the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "v4kit-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** True in the full tier, where counts are high enough to prove something once and for all. */
export const FULL = process.env.V4KIT_FULL === "1";

/** A seeded uniform generator in [0, 1), so that a failure can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
