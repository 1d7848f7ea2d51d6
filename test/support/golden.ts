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

const json = (name: GoldenCase, ...path: string[]): unknown =>
  JSON.parse(readFileSync(join(GOLDEN, name, ...path), "utf8"));

/** Positions whose logits float32 may honestly miss: a choice between experts or rows is closer than 2e-4. */
export const fragilePositions = (prompt: string): readonly number[] =>
  json("case-a", prompt, "fragile_off.json") as number[];

/** fp32 streams `[layers + 1, positions, 4, 256]` at some positions of a prompt of case-a. */
export function goldenStreams(prompt: string) {
  const { positions } = json("case-a", prompt, "streams_off.json") as { positions: number[] };
  return { positions, ...readNpy(join(GOLDEN, "case-a", prompt, "streams_off.npy")) };
}

/** What p037 of case-a chooses in fp32: experts `[layer][token]`, and the visible rows of the CSA layers. */
export const goldenChoices = () =>
  json("case-a", "p037", "choices_off.json") as {
    readonly experts: readonly (readonly (readonly number[])[])[];
    readonly rows: Readonly<Record<string, readonly (readonly number[])[]>>;
  };

/** Tokens that greedy decoding appends to p037 of case-a in fp32. */
export const goldenGreedy = (): readonly number[] =>
  (json("case-a", "greedy.json") as { tokens: number[] }).tokens;
