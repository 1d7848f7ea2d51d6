import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

export { seededRandom } from "./seeded-random.ts";

/** A folder that lives as long as the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "v4kit-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** True in the full tier, where counts are high enough to prove something once and for all. */
export const FULL = process.env.V4KIT_FULL === "1";
