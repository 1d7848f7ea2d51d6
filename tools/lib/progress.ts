import { SingleBar } from "cli-progress";
import { formatBytes, formatDuration } from "./units.ts";

/** Progress in bytes, or in things that are counted. */
export interface ProgressReporter {
  advance(amount: number): void;
  stop(): void;
}

export const silentProgress: ProgressReporter = { advance() {}, stop() {} };

/** How often a run without a terminal says where it is. */
const LINE_INTERVAL_MS = 30_000;

/** Says where a task is, beside the bar. */
export type Describe = (done: number, elapsedMs: number) => string;

/**
 * A bar with rate and time left on a terminal, a line every 30 s elsewhere; both on stderr. `counted` names what the
 * total counts where that is not bytes, e.g. `layers`, or says where the task is in words of its own.
 */
export function createProgress(label: string, total: number, counted?: string | Describe): ProgressReporter {
  const task = { label, total, startedMs: Date.now(), ...(counted && { counted }) };
  return process.stderr.isTTY ? barProgress(task) : lineProgress(task);
}

interface Task {
  readonly label: string;
  readonly total: number;
  readonly startedMs: number;
  readonly counted?: string | Describe;
}

function describe({ label, total, startedMs, counted }: Task, done: number): string {
  const elapsedMs = Date.now() - startedMs;
  if (typeof counted === "function") return `${label}  ${counted(done, elapsedMs)}`;
  const rate = done / Math.max(1, elapsedMs);
  const left = rate > 0 ? formatDuration((total - done) / rate) : "?";
  if (counted)
    return `${label}  ${done} of ${total} ${counted}  ${done > 0 ? formatDuration(1 / rate) : "?"} each  ${left} left`;
  return `${label}  ${formatBytes(done)} of ${formatBytes(total)}  ${formatBytes(Math.round(rate * 1000))}/s  ${left} left`;
}

function barProgress(task: Task): ProgressReporter {
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
  bar.start(task.total, 0, { text: task.label });
  return {
    advance(amount) {
      done += amount;
      bar.update(done, { text: describe(task, done) });
    },
    stop: () => bar.stop(),
  };
}

function lineProgress(task: Task): ProgressReporter {
  let done = 0;
  const timer = setInterval(() => process.stderr.write(`${describe(task, done)}\n`), LINE_INTERVAL_MS);
  timer.unref();
  return {
    advance(amount) {
      done += amount;
    },
    stop: () => clearInterval(timer),
  };
}
