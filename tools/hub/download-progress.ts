import { MultiBar, Presets, type SingleBar } from "cli-progress";
import { formatBytes, formatDuration } from "../lib/units.ts";
import type { RemoteFile } from "./repository.ts";
import type { TransferListener } from "./transfer.ts";

/** How often a run without a terminal says where it is. */
const LINE_INTERVAL_MS = 30_000;

/** After these a rate says something. */
const RATE_MS = 3000;

export interface DownloadProgress extends TransferListener {
  stop(): void;
}

export interface ProgressOptions {
  /** Bytes that are missing, and files. */
  readonly totalBytes: number;
  readonly fileCount: number;
  readonly showBars: boolean;
  readonly onLine: (text: string) => void;
}

/** Bars per file and for all on a terminal, a line every 30 s elsewhere; all on stderr. */
export function createDownloadProgress(options: ProgressOptions): DownloadProgress {
  const { totalBytes, fileCount, showBars, onLine } = options;
  const startedMs = performance.now();
  let left = totalBytes;
  let fetchedBytes = 0;
  let doneCount = 0;
  let measured = false;
  const describe = (): string => {
    const rate = fetchedBytes / Math.max(1, performance.now() - startedMs);
    const time = rate > 0 ? formatDuration(Math.max(0, left) / rate) : "?";
    return `${doneCount} of ${fileCount} files  ${formatBytes(fetchedBytes)} fetched  ${formatBytes(Math.max(0, left))} left  ${formatBytes(Math.round(1000 * rate))}/s  ${time} left`;
  };
  const bars = showBars && process.stderr.isTTY ? createBars(totalBytes) : undefined;
  const timer = showBars && !bars ? setInterval(() => onLine(describe()), LINE_INTERVAL_MS) : undefined;
  timer?.unref();
  return {
    begun: (file, keptBytes) => bars?.begun(file, keptBytes),
    fetched(file, byteLength) {
      fetchedBytes += byteLength;
      left -= byteLength;
      const elapsedMs = performance.now() - startedMs;
      if (!measured && elapsedMs >= RATE_MS) {
        measured = true;
        const rate = fetchedBytes / elapsedMs;
        onLine(`about ${formatDuration(left / rate)} at ${formatBytes(Math.round(1000 * rate))}/s`);
      }
      bars?.fetched(file, byteLength, describe());
    },
    done(file) {
      doneCount++;
      bars?.done(file);
    },
    line: (text) => (bars ? bars.line(text) : onLine(text)),
    stop() {
      clearInterval(timer);
      bars?.stop();
    },
  };
}

function createBars(totalBytes: number) {
  const bars = new MultiBar(
    {
      format: "{bar} {percentage}%  {text}",
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 24,
      fps: 8,
    },
    Presets.shades_classic,
  );
  const total = bars.create(Math.max(1, totalBytes), 0, { text: "" });
  const byName = new Map<string, SingleBar>();
  return {
    begun(file: RemoteFile, keptBytes: number) {
      byName.set(
        file.name,
        bars.create(Math.max(1, file.byteLength), keptBytes, {
          text: `${file.name}  ${formatBytes(file.byteLength)}`,
        }),
      );
    },
    fetched(file: RemoteFile, byteLength: number, text: string) {
      byName.get(file.name)?.increment(byteLength);
      total.increment(byteLength, { text });
    },
    done(file: RemoteFile) {
      const bar = byName.get(file.name);
      if (bar) bars.remove(bar);
      byName.delete(file.name);
    },
    line: (text: string) => bars.log(`v4kit: ${text}\n`),
    stop: () => bars.stop(),
  };
}
