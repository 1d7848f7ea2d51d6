import { SingleBar } from "cli-progress";
import { formatBytes, formatDuration } from "./units.ts";

/** Progress in bytes. */
export interface ProgressReporter {
  advance(bytes: number): void;
  stop(): void;
}

export const silentProgress: ProgressReporter = { advance() {}, stop() {} };

/** How often a run without a terminal says where it is. */
const LINE_INTERVAL_MS = 30_000;

/** A bar with rate and time left on a terminal, a line every 30 s elsewhere; both on stderr. */
export function createProgress(label: string, totalBytes: number): ProgressReporter {
  return process.stderr.isTTY ? barProgress(label, totalBytes) : lineProgress(label, totalBytes);
}

function describe(label: string, done: number, total: number, startedMs: number): string {
  const elapsedMs = Date.now() - startedMs;
  const rate = done / Math.max(1, elapsedMs);
  const left = rate > 0 ? formatDuration((total - done) / rate) : "?";
  return `${label}  ${formatBytes(done)} of ${formatBytes(total)}  ${formatBytes(Math.round(rate * 1000))}/s  ${left} left`;
}

function barProgress(label: string, totalBytes: number): ProgressReporter {
  const startedMs = Date.now();
  let done = 0;
  const bar = new SingleBar({
    format: "{bar} {percentage}%  {text}",
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    fps: 8,
  });
  bar.start(totalBytes, 0, { text: label });
  return {
    advance(bytes) {
      done += bytes;
      bar.update(done, { text: describe(label, done, totalBytes, startedMs) });
    },
    stop: () => bar.stop(),
  };
}

function lineProgress(label: string, totalBytes: number): ProgressReporter {
  const startedMs = Date.now();
  let done = 0;
  const timer = setInterval(
    () => process.stderr.write(`${describe(label, done, totalBytes, startedMs)}\n`),
    LINE_INTERVAL_MS,
  );
  timer.unref();
  return {
    advance(bytes) {
      done += bytes;
    },
    stop: () => clearInterval(timer),
  };
}
