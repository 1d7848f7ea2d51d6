import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import type { QuantizeResult } from "./describe.ts";

/** What a run did (or, dry, would do) as a person reads it. */
export function renderQuantize(result: QuantizeResult): string {
  const { dispositions, outputs, source } = result;
  const total = outputs.reduce((sum, output) => sum + output.byteLength, 0);
  const rate = total / Math.max(1, result.elapsedMs / 1000);
  const counts = Object.entries(dispositions)
    .filter(([, count]) => count > 0)
    .map(([disposition, count]) => `${formatCount(count)} ${disposition}`);
  const lines = [
    renderTable(
      [
        { title: "role" },
        { title: "from" },
        { title: "to" },
        { title: "tensors", align: "right" },
        { title: "bytes", align: "right" },
        { title: "share", align: "right" },
      ],
      [...result.classes]
        .sort((a, b) => b.byteLength - a.byteLength)
        .map((row) => [
          row.file === "mtp" ? `${row.role} (mtp)` : row.role,
          row.from,
          row.to,
          formatCount(row.tensors),
          formatBytes(row.byteLength),
          `${((100 * row.byteLength) / total).toFixed(1)} %`,
        ]),
    ),
    "",
    `${formatCount(source.tensors)} source tensors: ${counts.join(", ")}`,
    `recipe ${result.recipe} as ${result.format}, ${result.bitsPerWeight.toFixed(2)} bits per weight, ${formatBytes(source.byteLength)} in, ${formatBytes(total)} out`,
    ...result.certificate.filter(({ role }) => role === "expert").map(certified),
  ];
  if (result.status === "dry run") lines.push("dry run: nothing was written; the output would be");
  else if (result.status === "up to date") lines.push("up to date: exactly this was made before");
  else {
    const resumed =
      result.resumed > 0 ? `, ${formatCount(result.resumed)} tensors of it by an earlier run` : "";
    lines.push(`done in ${formatDuration(result.elapsedMs)}, ${formatBytes(Math.round(rate))}/s${resumed}`);
  }
  for (const output of outputs) lines.push(`  ${output.path}  ${formatBytes(output.byteLength)}`);
  if (result.streamed) lines.push(...renderStreamed(result.streamed, result));
  return lines.join("\n");
}

function renderStreamed(
  { commit, verified, unverified, fetchedBytes, fetches, peakBytes }: NonNullable<QuantizeResult["streamed"]>,
  { source, out }: QuantizeResult,
): string[] {
  const fetched =
    fetchedBytes === undefined
      ? ""
      : `: ${formatBytes(fetchedBytes)} in ${formatCount(fetches ?? 0)} requests, window ${formatBytes(peakBytes ?? 0)}`;
  return [
    `streamed from ${source.path}${commit ? ` at ${commit}` : ""}${fetched}`,
    `  verified: ${verified.join("; ")}`,
    `  not verified: ${unverified.join("; ")}`,
    `  with the source downloaded, v4kit validate ${out} --manifest --reference SOURCE compares them`,
  ];
}

/** One line of the certificate. */
const certified = ({ from, to, values, changed, scales }: QuantizeResult["certificate"][number]): string =>
  changed === 0
    ? `experts ${from} to ${to}: lossless, all ${formatCount(values)} values compared${scales ? `, scales 2^${scales[0] - 127} to 2^${scales[1] - 127}` : ""}`
    : `experts ${from} to ${to}: ${formatCount(changed)} of ${formatCount(values)} values changed`;
