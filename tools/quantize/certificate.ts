import type { CertifiedClass } from "../artefact/manifest-file.ts";
import { exactness } from "../plan/exactness.ts";
import { allPieces } from "./convert-plan.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";

/** The certificate of an artefact: its exact classes, in the order of the plan. */
export function certify(
  files: readonly LaidOutFile[],
  records: ReadonlyMap<number, PieceRecord>,
): CertifiedClass[] {
  const classes = new Map<string, { -readonly [K in keyof CertifiedClass]: CertifiedClass[K] }>();
  for (const { number, piece } of allPieces(files)) {
    const { tensor, parts, rows } = piece;
    const { spec, format } = parts[0].entry;
    if (exactness(format, tensor.storage) === "lossy") continue;
    const { changed, verified, scaleSpan } = records.get(number) as PieceRecord;
    const key = `${spec.role} ${format} ${tensor.storage}`;
    const sum = classes.get(key) ?? {
      role: spec.role,
      from: format,
      to: tensor.storage,
      tensors: 0,
      values: 0,
      verified: 0,
      changed: 0,
    };
    sum.tensors += parts.length;
    sum.values += rows * tensor.rowLength;
    sum.verified += verified;
    sum.changed += changed;
    if (scaleSpan)
      sum.scales = [
        Math.min(sum.scales?.[0] ?? 255, scaleSpan[0]),
        Math.max(sum.scales?.[1] ?? 0, scaleSpan[1]),
      ];
    classes.set(key, sum);
  }
  return [...classes.values()];
}
