import { combineCrc32 } from "../lib/crc32.ts";
import type { PlacedPiece } from "./convert-plan.ts";
import type { PieceRecord } from "./journal.ts";
import type { Prepared } from "./prepare.ts";
import type { RowsResult } from "./rows-task.ts";

/** What a task gave, with the lengths that its checksums are over. */
export interface TaskOutcome {
  readonly result: RowsResult;
  readonly outBytes: readonly number[];
  readonly inBytes: readonly (readonly number[])[];
}

/** The record of a piece from its tasks in order: counts and sums added, checksums joined. */
export function addUp(
  { number, piece }: PlacedPiece,
  outcomes: readonly TaskOutcome[],
  constants: ReadonlyMap<number, number>,
  { global, unmeasured }: Prepared,
): PieceRecord {
  const [first] = outcomes;
  const out = piece.tensor.outputs.map((_, i) => constants.get(i) ?? 0);
  const inputs = first.inBytes.map((input) => input.map(() => 0));
  let [changed, verified, squaredError, squaredReference, workedMs] = [0, 0, 0, 0, 0];
  let scaleSpan: readonly [number, number] | undefined;
  for (const { result, outBytes, inBytes } of outcomes) {
    outBytes.forEach((bytes, i) => {
      if (bytes > 0) out[i] = combineCrc32(out[i], result.outCrcs[i], bytes);
    });
    inBytes.forEach((input, i) => {
      input.forEach((bytes, j) => {
        inputs[i][j] = combineCrc32(inputs[i][j], result.inCrcs[i][j], bytes);
      });
    });
    const { stats } = result;
    if (!stats) continue;
    changed += stats.changed;
    verified += stats.verified;
    squaredError += stats.squaredError;
    squaredReference += stats.squaredReference;
    workedMs += result.workedMs ?? 0;
    if (stats.scaleSpan)
      scaleSpan = [
        Math.min(scaleSpan?.[0] ?? 255, stats.scaleSpan[0]),
        Math.max(scaleSpan?.[1] ?? 0, stats.scaleSpan[1]),
      ];
  }
  return {
    piece: number,
    path: first.result.stats?.path ?? "encoded",
    changed,
    verified,
    squaredError,
    squaredReference,
    ...(scaleSpan && { scaleSpan }),
    out,
    in: inputs,
    ...(global !== undefined && { global }),
    ...(unmeasured && { unmeasured }),
    workedMs: Math.round(workedMs * 10) / 10,
  };
}
