import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./cli.ts";
import { readNpy } from "./npy.ts";

const GOLDEN = join(ROOT, "test/fixtures/golden");

export type GoldenCase = "case-a" | "case-s";
export const goldenCheckpoint = (name: GoldenCase): string => join(GOLDEN, name, "checkpoint");

/** A prompt with the logits that an independent implementation computed for it in float64. */
export function goldenPrompt(name: GoldenCase, prompt: string, numerics: "off" | "on" = "off") {
  const folder = join(GOLDEN, name, prompt);
  const { tokens } = JSON.parse(readFileSync(join(folder, "tokens.json"), "utf8")) as { tokens: number[] };
  const { shape, data } = readNpy(join(folder, `logits_${numerics}.npy`));
  return { tokens, vocab: shape[1], logits: data };
}
