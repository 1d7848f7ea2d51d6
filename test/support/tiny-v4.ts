import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { ROOT } from "./cli.ts";

const FOLDER = join(ROOT, "test/fixtures/tiny-v4");

export const heldoutText = (): string => readFileSync(join(FOLDER, "heldout.txt"), "utf8");

/** A prompt with one needle, and the answer that a greedy continuation gives where `expected.json` says so. */
export interface Needle {
  readonly id: string;
  readonly length: number;
  readonly prompt: string;
  readonly prompt_ids: readonly number[];
  readonly answer_text: string;
  readonly answer_ids: readonly number[];
}

export const singleNeedles = (): readonly Needle[] =>
  gunzipSync(readFileSync(join(FOLDER, "single-needles.jsonl.gz")))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Needle);

/** By fake quantisation of cached rows and indexer: off is our fp32, on our qat. */
interface OffOn<T> {
  readonly fake_quant_off: T;
  readonly fake_quant_on: T;
}

interface Expected {
  readonly heldout: OffOn<{ readonly ppl: number; readonly chunk_nll: readonly number[] }>;
  readonly sample: { readonly ids: readonly number[] } & OffOn<{
    readonly top1: readonly number[];
    readonly top1_logprob: readonly number[];
    readonly next_logprob: readonly number[];
  }>;
  readonly retrieval: {
    /** `[1 where the answer is exact, its log-probability]`. */
    readonly per_prompt: Readonly<
      Record<string, { readonly off: [number, number]; readonly on: [number, number] }>
    >;
  };
}

/** What an independent implementation measured on the embedded checkpoint. */
export const expectedOfTinyV4 = (): Expected =>
  JSON.parse(readFileSync(join(DEMO_CHECKPOINT, "expected.json"), "utf8")) as Expected;
