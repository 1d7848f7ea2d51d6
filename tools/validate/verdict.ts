import type { LayerRow, TensorRow } from "../../reports/schemas/validation.ts";
import type { GateClass, ValidationGate } from "./gate.ts";
import type { LogitSummary } from "./logit-summary.ts";
import type { StructureFinding, Verdict } from "./report.ts";

export interface Evidence {
  readonly structure: readonly StructureFinding[];
  readonly tensors: readonly TensorRow[];
  readonly layers: readonly LayerRow[];
  readonly logits?: LogitSummary | undefined;
  /** False where one checkpoint ran alone: then only what needs no reference is judged. */
  readonly paired: boolean;
  readonly class: GateClass;
}

/** Reasons of one kind beyond these are counted, not listed. */
const LISTED = 5;

/** Judges a run. A failure outweighs doubt; doubt is where the mean KL is within two standard errors of its limit. */
export function judge(evidence: Evidence, gate: ValidationGate, maxKld?: number): Verdict {
  const { structure, tensors, layers, logits, paired } = evidence;
  const limits = gate.classes[evidence.class];
  const failures = [
    ...listed(structure.filter(({ severity }) => severity === "error").map(structureReason)),
    ...listed(tensors.flatMap((row) => tensorReason(row, gate) ?? [])),
  ];
  const badLayer = layers.find(
    ({ rms, nmse }) => !Number.isFinite(rms) || (paired && !(nmse <= limits.nmse)),
  );
  if (badLayer)
    failures.push(
      Number.isFinite(badLayer.rms) && Number.isFinite(badLayer.nmse)
        ? `layer ${badLayer.layer}: the streams' NMSE is ${format(badLayer.nmse)}, limit ${limits.nmse}; it is the first layer beyond it`
        : `layer ${badLayer.layer}: the streams are not finite; it is the first such layer`,
    );
  const doubts: string[] = [];
  if (logits && logits.nonFinite > 0)
    failures.push(`the logits of ${logits.nonFinite} of ${logits.positions} positions are not finite`);
  if (logits && paired) {
    const { kl, top1 } = logits;
    const klLimit = maxKld ?? limits.mean_kl;
    const said = `mean KL ${format(kl.mean)} ± ${format(kl.error)}, limit ${klLimit}`;
    // An infinite KL (a token that the artefact rules out) has no standard error, and is no doubt.
    if (kl.mean === Number.POSITIVE_INFINITY || kl.mean - 2 * kl.error > klLimit) failures.push(said);
    // One position has no standard error: it decides nothing.
    else if (!(kl.mean + 2 * kl.error <= klLimit)) doubts.push(`${said}: more tokens are needed`);
    if (top1.mean + 2 * top1.error < limits.top1)
      failures.push(`top-1 agreement ${percent(top1.mean)}, limit ${percent(limits.top1)}`);
  }
  const result = failures.length > 0 ? "fail" : doubts.length > 0 ? "inconclusive" : "pass";
  return { result, reasons: [...failures, ...doubts], class: evidence.class };
}

function structureReason({ what, where, expected, found }: StructureFinding): string {
  const compared = expected === undefined ? "" : ` (expected ${expected}, found ${found ?? "nothing"})`;
  return `${where}: ${what}${compared}`;
}

function tensorReason(row: TensorRow, gate: ValidationGate): string | undefined {
  const { name, to, promised, unequal, values, relativeRmse } = row;
  if (promised)
    return unequal === 0
      ? undefined
      : `${name}: ${unequal} of ${values} values differ, though ${to} can hold them all (relative RMSE ${format(relativeRmse)})`;
  const limit = gate.tensor_rmse[to] ?? 0;
  if (relativeRmse <= limit) return undefined;
  return `${name}: relative RMSE ${format(relativeRmse)}, limit ${limit} for ${to}`;
}

function listed(reasons: readonly string[]): string[] {
  if (reasons.length <= LISTED) return [...reasons];
  return [...reasons.slice(0, LISTED), `and ${reasons.length - LISTED} more like these`];
}

const format = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toPrecision(3);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
