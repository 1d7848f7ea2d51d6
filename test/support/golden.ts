import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./cli.ts";
import { readNpy } from "./npy.ts";

const GOLDEN = join(ROOT, "test/fixtures/golden");

export type GoldenCase = "case-a" | "case-s";
export const goldenCheckpoint = (name: GoldenCase): string => join(GOLDEN, name, "checkpoint");

/**
 * A prompt with the logits that an independent implementation computed for it in float64: of every position, or of
 * those in `file` where only some are kept.
 */
export function goldenPrompt(
  name: GoldenCase,
  prompt: string,
  file: "off" | "on" | "full" | "on_9th" | "full_9th" = "off",
) {
  const folder = join(GOLDEN, name, prompt);
  const { tokens } = JSON.parse(readFileSync(join(folder, "tokens.json"), "utf8")) as { tokens: number[] };
  const { shape, data } = readNpy(join(folder, `logits_${file}.npy`));
  return { tokens, vocab: shape[1], logits: data };
}
