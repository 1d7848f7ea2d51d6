import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatParameters } from "../lib/units.ts";
import type { CensusSummary, ClassSummary } from "./summary.ts";

/** The census as a person reads it. */
export function renderCensus(summary: CensusSummary & { readonly commit?: string }): string {
  const { layers, experts, drafter } = summary;
  const kinds = [
    [layers.swa, "sliding-window"],
    [layers.csa, "CSA"],
    [layers.hca, "HCA"],
  ]
    .filter(([count]) => count !== 0)
    .map(([count, kind]) => `${count} ${kind}`);
  const lines = [
    `${summary.name}  ${summary.location}`,
    ...(summary.commit ? [`commit ${summary.commit}`] : []),
    `${formatParameters(summary.parameters)} parameters, ${formatBytes(summary.byteLength)}, ${formatCount(summary.tensors)} tensors in ${summary.files} ${summary.files === 1 ? "file" : "files"} (${summary.layout})`,
    `${layers.swa + layers.csa + layers.hca} layers: ${kinds.join(", ")}; ${layers.hash} routed by token id`,
    `${experts.routed} experts of width ${formatCount(experts.width)}, ${experts.active} active, 1 shared; drafter: ${drafter}`,
    "",
    renderTable(
      [
        { title: "role" },
        { title: "stored as" },
        { title: "scale" },
        { title: "tensors", align: "right" },
        { title: "parameters", align: "right" },
        { title: "bytes", align: "right" },
        { title: "share", align: "right" },
      ],
      [...summary.classes]
        .sort((a, b) => b.byteLength - a.byteLength)
        .map((row) => classRow(row, summary.byteLength)),
    ),
  ];
  if (summary.unrecognised.length > 0)
    lines.push(
      "",
      `${summary.unrecognised.length} tensors under mtp. belong to no known drafter: ${summary.unrecognised.slice(0, 3).join(", ")}`,
    );
  return lines.join("\n");
}

function classRow(row: ClassSummary, total: number): string[] {
  return [
    row.where === "drafter" ? `${row.role} (drafter)` : row.role,
    row.format,
    row.scale,
    formatCount(row.tensors),
    row.parameters === 0 ? "" : formatParameters(row.parameters),
    formatBytes(row.byteLength),
    `${((100 * row.byteLength) / total).toFixed(1)} %`,
  ];
}
