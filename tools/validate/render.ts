import type { LayerRow } from "../../reports/schemas/validation.ts";
import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import type { Estimate, LogitSummary } from "./logit-summary.ts";
import type { RebuildResult } from "./rebuild-tensor.ts";
import type { ValidationReport } from "./report.ts";

/** A validation run for people. */
export function renderValidation(report: ValidationReport): string {
  const { artefact, reference, prompts, structure, layers, logits } = report;
  const paired = reference !== undefined;
  const blocks = [
    [
      `artefact   ${artefact}`,
      ...(paired ? [`reference  ${reference}`] : []),
      `tokens     ${prompts.coverage}`,
      ...(prompts.synthetic ? ["           random ids: there is no tokenizer that fits, so no text"] : []),
      `numerics   ${report.numerics}, ${report.kernels} kernels`,
    ],
    structure.map(
      ({ severity, where, what, expected, found }) =>
        `${severity}  ${where}: ${what}${expected === undefined ? "" : ` (expected ${expected}, found ${found})`}`,
    ),
    renderTensors(report),
    renderLayers(layers, paired),
    logits ? renderLogits(logits, paired) : [],
    renderVerdict(report),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n");
}

function renderTensors({ tensors, absent }: ValidationReport): string[] {
  if (tensors.length === 0) return [];
  const rows = tensors.map(({ role, from, to, tensors: count, unequal, values, worst, promised }) => [
    role,
    from,
    to,
    formatCount(count),
    unequal === 0 ? "all equal" : `${((100 * (values - unequal)) / values).toFixed(1)} %`,
    unequal === 0 ? "" : `${number(worst.relativeRmse)}${promised ? "  !" : ""}`,
    unequal === 0 ? "" : worst.name,
  ]);
  const columns = [
    { title: "role" },
    { title: "from" },
    { title: "to" },
    { title: "tensors", align: "right" },
    { title: "kept", align: "right" },
    { title: "worst RMSE", align: "right" },
    { title: "in" },
  ] as const;
  const missing =
    absent.length === 0
      ? []
      : [
          `not in this file: ${formatCount(absent.length)} tensors${absent.every((name) => name.startsWith("mtp.")) ? " of the drafter (mtp), which goes to a file of its own or was dropped" : ` (${absent[0]}, ...)`}`,
        ];
  return [renderTable(columns, rows), ...missing];
}

const BAR_WIDTH = 24;

/** A bar over decades: a full one is an NMSE of 1, an empty one 1e-8 or less. */
function bar(nmse: number): string {
  const share = Math.min(1, Math.max(0, (Math.log10(nmse) + 8) / 8));
  return "█".repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "·");
}

function renderLayers(layers: readonly LayerRow[], paired: boolean): string[] {
  if (layers.length === 0) return [];
  const kind = (ratio: number): string => (ratio === 0 ? "sliding" : ratio === 4 ? "csa" : "hca");
  const common = [
    { title: "layer", align: "right" },
    { title: "kind" },
    { title: "rms", align: "right" },
  ] as const;
  if (!paired)
    return [
      renderTable(
        common,
        layers.map(({ layer, ratio, rms }) => [String(layer), kind(ratio), number(rms)]),
      ),
    ];
  const columns = [
    ...common,
    { title: "NMSE", align: "right" },
    { title: "1e-8                   1" },
    { title: "cosine", align: "right" },
    { title: "experts", align: "right" },
    { title: "rows", align: "right" },
  ] as const;
  const rows = layers.map((row) => [
    String(row.layer),
    kind(row.ratio),
    number(row.rms),
    number(row.nmse),
    bar(row.nmse),
    row.cosine.toFixed(5),
    changed(row.expertsChanged),
    row.indexerTokens === 0 ? "" : changed(row.rowsChanged),
  ]);
  return [
    renderTable(columns, rows),
    "experts, rows: share of tokens whose experts or compressed rows are not the reference's",
  ];
}

const changed = (share: number): string => (share === 0 ? "same" : `${(100 * share).toFixed(1)} %`);

function renderLogits(logits: LogitSummary, paired: boolean): string[] {
  const { kl, top1, top5, perplexity, logRatio, deltaP } = logits;
  if (!paired)
    return [`perplexity  ${estimate(perplexity.candidate)}  over ${formatCount(logits.scored)} tokens`];
  return [
    `KL divergence   mean ${estimate(kl)}  median ${number(kl.median)}  p90 ${number(kl.p90)}  p99 ${number(kl.p99)}  p99.9 ${number(kl.p999)}  max ${number(kl.max)}  (nats)`,
    `same top token  ${share(top1)}   five likeliest ${(100 * top5).toFixed(1)} %`,
    `perplexity      ${estimate(perplexity.candidate)}  reference ${estimate(perplexity.reference)}  ln ratio ${estimate(logRatio)}`,
    `change of p     rms ${(100 * deltaP.rms).toFixed(3)} %  mean ${(100 * deltaP.mean).toFixed(3)} %`,
  ];
}

function renderVerdict({ verdict, out, elapsedMs, reference, tensors }: ValidationReport): string[] {
  const against =
    reference === undefined
      ? ": every figure was asked to be finite, with nothing to compare"
      : tensors.length === 0
        ? ""
        : ` (limits for ${verdict.class} experts)`;
  return [
    `${verdict.result.toUpperCase()}${against}`,
    ...verdict.reasons.map((reason) => `  ${reason}`),
    `done in ${formatDuration(elapsedMs)}; tables and report in ${out}`,
  ];
}

const number = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
    ? value.toExponential(1)
    : value.toPrecision(3);
const estimate = ({ mean, error }: Estimate): string => `${number(mean)} ± ${number(error)}`;
const share = ({ mean, error }: Estimate): string =>
  `${(100 * mean).toFixed(2)} % ± ${(100 * error).toFixed(2)}`;

/** The comparison of a rebuilt tensor for people. */
export function renderRebuild(result: RebuildResult): string {
  const { name, tensors, format, byteLength, equal, different, first } = result;
  const what = `${name}${tensors > 1 ? ` (${formatCount(tensors)} tensors)` : ""}, ${format}, ${formatBytes(byteLength)}`;
  if (equal) return `EQUAL  ${what}: rebuilt from the reference byte for byte`;
  const place = first
    ? `\n  first at ${first.tensor} byte ${first.byteOffset}: row ${first.row}, column ${first.column}: rebuilt ${first.rebuilt}, stored ${first.stored}`
    : "";
  return `DIFFERENT  ${what}: ${formatCount(different)} bytes differ (${((100 * different) / byteLength).toPrecision(3)} %)${place}`;
}
