import { formatBytes, formatCount } from "../lib/units.ts";
import type { ManifestReport } from "./check-manifest.ts";

/** Findings that are printed; `--json` has them all. */
const SHOWN = 20;

/** An artefact held to its manifest, as a person reads it. */
export function renderManifest(report: ManifestReport): string {
  const { findings, certificate, recertified } = report;
  const lines = [
    `${report.artefact}: recipe ${report.recipe}, ${formatCount(report.tensors)} tensors, ${formatBytes(report.byteLength)}`,
    ...findings
      .slice(0, SHOWN)
      .map(
        ({ what, where, expected, found }) => `  ${where}: ${what} (expected ${expected}, found ${found})`,
      ),
  ];
  if (findings.length > SHOWN) lines.push(`  and ${formatCount(findings.length - SHOWN)} more`);
  for (const { role, from, to, values, changed } of certificate)
    if (from === "fp4" || changed > 0)
      lines.push(
        `certificate: ${role} ${from} to ${to}, ${formatCount(values)} values, ${changed === 0 ? "none changed" : `${formatCount(changed)} changed`}`,
      );
  if (recertified)
    lines.push(
      `compared with the source again: ${formatCount(recertified.tensors)} tensors, ${formatCount(recertified.values)} values, ${recertified.unequal === 0 ? "all equal" : `${formatCount(recertified.unequal)} differ`}`,
    );
  lines.push(
    report.result === "pass"
      ? `PASS  every byte is the one that was written, by ${report.checkedBy}`
      : `FAIL  ${formatCount(findings.length)} ${findings.length === 1 ? "thing is" : "things are"} not as the manifest says`,
  );
  return lines.join("\n");
}
