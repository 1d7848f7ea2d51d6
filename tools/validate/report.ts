import type { LayerRow } from "../../reports/schemas/validation.ts";
import type { LogitSummary } from "./logit-summary.ts";

/** Something about an artefact that headers tell. */
export interface StructureFinding {
  readonly severity: "error" | "note";
  readonly what: string;
  /** Tensor name or metadata key. */
  readonly where: string;
  readonly expected?: string;
  readonly found?: string;
}

export interface Verdict {
  readonly result: "pass" | "fail" | "inconclusive";
  /** Every reason names a tensor, a layer, a key or a statistic with its limit. */
  readonly reasons: readonly string[];
  /** Which row of the gate's classes the artefact was judged by. */
  readonly class: string;
}

/** A validation run, as `--json` prints it and report.json keeps it. */
export interface ValidationReport {
  readonly v4kit: string;
  readonly artefact: string;
  readonly reference?: string;
  readonly numerics: string;
  readonly kernels: string;
  readonly prompts: {
    readonly sha256: string;
    readonly tokens: number;
    readonly coverage: string;
    readonly synthetic: boolean;
  };
  readonly structure: readonly StructureFinding[];
  /** Tensors of the source that the artefact does not hold. */
  readonly absent: readonly string[];
  readonly tensors: readonly TensorGroup[];
  readonly layers: readonly LayerRow[];
  readonly logits?: LogitSummary;
  readonly verdict: Verdict;
  /** The run's folder. */
  readonly out: string;
  readonly elapsedMs: number;
}

/** Tensors of one role that were stored the same way. */
export interface TensorGroup {
  readonly role: string;
  readonly from: string;
  readonly to: string;
  readonly tensors: number;
  readonly values: number;
  readonly unequal: number;
  readonly promised: boolean;
  readonly worst: { readonly name: string; readonly relativeRmse: number };
}
