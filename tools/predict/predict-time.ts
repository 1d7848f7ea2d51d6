import type { PredictedTime } from "../plan/plan-report.ts";
import type { DiskRates } from "./disk-rates.ts";
import type { ConversionRates } from "./self-benchmark.ts";

export interface Work {
  readonly sourceBytes: number;
  readonly outputBytes: number;
  /** Tensors of source and output, for each of which something is written at the end. */
  readonly tensors: number;
  /** From the start of the process to the plan: a conversion does the same again. */
  readonly planSeconds: number;
}

/** Manifest, table and checks at the end, for a tensor. */
const SECONDS_PER_TENSOR = 30e-6;

/**
 * Processor, reads and writes overlap, so the slowest decides; but writes pile up in memory first. Where the disk keeps
 * up, what the system lets wait (`dirtyBytes`, or what `dirtySeconds` bring) is left for the sync at the end. Where it
 * does not, it writes without a pause from the moment when so much has piled up.
 */
export function predictTime(work: Work, rates: ConversionRates, disks: DiskRates): PredictedTime {
  const convertSeconds = rates.classes.reduce((sum, each) => sum + each.values / each.valuesPerSecond, 0);
  const readSeconds = work.sourceBytes / disks.readBytesPerSecond;
  const writeSeconds = work.outputBytes / disks.writeBytesPerSecond;
  const produceSeconds = Math.max(convertSeconds, readSeconds);
  const waiting = Math.min(
    1,
    disks.dirtyBytes / work.outputBytes,
    produceSeconds > 0 ? disks.dirtySeconds / produceSeconds : 1,
  );
  const syncSeconds = waiting * writeSeconds;
  // One device reads or writes.
  const diskSeconds =
    waiting * produceSeconds + writeSeconds + (disks.shared ? (1 - waiting) * readSeconds : 0);
  const produced = produceSeconds + syncSeconds;
  const fixedSeconds = work.planSeconds + rates.startSeconds + work.tensors * SECONDS_PER_TENSOR;
  return {
    seconds: fixedSeconds + Math.max(produced, diskSeconds),
    boundBy:
      diskSeconds > produced || syncSeconds > produceSeconds
        ? "writing"
        : convertSeconds > readSeconds
          ? "processor"
          : "reading",
    fixedSeconds,
    convertSeconds,
    readSeconds,
    writeSeconds,
    syncSeconds,
  };
}
