import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import { renderEngines } from "./engines/render-engines.ts";
import type { MachineFit } from "./machines.ts";
import { CONTEXTS, cacheBytes } from "./memory.ts";
import type { Here, PlanReport, PredictedTime } from "./plan-report.ts";

/** A plan as a person reads it. `file`: where it was written. */
export function renderPlan(report: PlanReport, file: string | undefined): string {
  const { recipe, format, model, sourceBytes, byteLength, bitsPerWeight, importance } = report;
  return [
    `${model}, ${formatBytes(sourceBytes)}: recipe ${recipe.name}@${recipe.version} as ${format}`,
    "",
    renderClasses(report),
    "",
    `${formatBytes(byteLength)}, ${bitsPerWeight.toFixed(2)} bits per weight${importanceNote(importance)}`,
    ...renderFiles(report),
    "",
    renderMachines(report),
    "",
    renderEngines(report.engines, false),
    "",
    `On this machine, with ${report.here.workers} workers and ${report.here.kernels} kernels:`,
    ...renderHere(report.here),
    ...(file === undefined ? [] : ["", `written to ${file}; v4kit quantize SOURCE --plan ${file} makes it`]),
  ].join("\n");
}

const importanceNote = (importance: string): string =>
  importance === "weight-energy"
    ? "; errors weighed by the energy of the weights, for want of --imatrix"
    : importance === "imatrix"
      ? "; errors weighed by the importance file"
      : "";

/** Classes below this share of the bytes are added up in one row. */
const SHOWN_SHARE = 0.002;

function renderClasses({ classes }: PlanReport): string {
  const total = classes.reduce((sum, row) => sum + row.byteLength, 0);
  const share = (byteLength: number): string => `${((100 * byteLength) / total).toFixed(1)} %`;
  const small = classes.filter(({ byteLength }) => byteLength < SHOWN_SHARE * total);
  const large = classes.filter((row) => !small.includes(row));
  const rest = { tensors: 0, byteLength: 0 };
  for (const { tensors, byteLength } of small) {
    rest.tensors += tensors;
    rest.byteLength += byteLength;
  }
  return renderTable(
    [
      { title: "role" },
      { title: "from" },
      { title: "to" },
      { title: "tensors", align: "right" },
      { title: "bytes", align: "right" },
      { title: "share", align: "right" },
    ],
    [
      ...large
        .sort((a, b) => b.byteLength - a.byteLength)
        .map((row) => [
          row.file === "mtp" ? `${row.role} (mtp)` : row.role,
          row.from,
          row.to,
          formatCount(row.tensors),
          formatBytes(row.byteLength),
          share(row.byteLength),
        ]),
      ...(small.length > 0
        ? [
            [
              "small ones",
              "",
              "",
              formatCount(rest.tensors),
              formatBytes(rest.byteLength),
              share(rest.byteLength),
            ],
          ]
        : []),
    ],
  );
}

/** Files that are shown before the rest is only counted. */
const SHOWN_FILES = 3;

function renderFiles({ files }: PlanReport): string[] {
  const shown = files.length > SHOWN_FILES + 1 ? files.slice(0, SHOWN_FILES) : files;
  const nameWidth = Math.max(...shown.map(({ name }) => name.length));
  const bytesWidth = Math.max(...shown.map(({ byteLength }) => formatCount(byteLength).length));
  const lines = shown.map(
    ({ name, byteLength }) =>
      `  ${name.padEnd(nameWidth)}  ${formatCount(byteLength).padStart(bytesWidth)} bytes`,
  );
  return shown.length === files.length ? lines : [...lines, `  and ${files.length - shown.length} more`];
}

/** Machines that do not hold a model are many; those that come nearest are shown. */
const SHOWN_TOO_SMALL = 2;

function renderMachines({ machines, cache }: PlanReport): string {
  const tooSmall = machines
    .filter(({ placement }) => placement === "none")
    .sort((a, b) => b.freeBytes - a.freeBytes);
  const hidden = new Set(tooSmall.slice(SHOWN_TOO_SMALL));
  const contexts = CONTEXTS.map(
    (context) => `${formatBytes(cacheBytes(cache, context))} at ${contextName(context)}`,
  );
  return [
    renderTable(
      [
        { title: "machine" },
        { title: "holds it" },
        { title: "context", align: "right" },
        { title: "spare", align: "right" },
      ],
      machines
        .filter((fit) => !hidden.has(fit))
        .map((fit) => [
          fit.title,
          fit.placement === "none" ? "no" : fit.placement === "device" ? "yes" : fit.placement,
          fit.context === 0 ? "" : contextName(fit.context),
          spare(fit),
        ]),
    ),
    ...(hidden.size > 0 ? [`${hidden.size} more lack at least ${lackOf(tooSmall[SHOWN_TOO_SMALL])}`] : []),
    `cache of one sequence: ${contexts.join(", ")}`,
  ].join("\n");
}

const lackOf = ({ freeBytes }: MachineFit): string => formatBytes(-freeBytes);

const spare = (fit: MachineFit): string =>
  fit.freeBytes < 0 ? `lacks ${lackOf(fit)}` : formatBytes(fit.freeBytes);

const contextName = (tokens: number): string =>
  tokens < 2 ** 20 ? `${tokens / 1024}k` : `${tokens / 2 ** 20}M`;

function renderHere(here: Here): string[] {
  const { time, memoryBytes, diskBytes, freeBytes, elsewhere } = here;
  const room = (bytes: number): string =>
    `${formatBytes(bytes)} at the peak${bytes > freeBytes ? ", not enough" : ""}`;
  const disk = elsewhere
    ? `${room(diskBytes + elsewhere.windowBytes)} with --stream, ${room(diskBytes + elsewhere.downloadBytes)} with the source downloaded`
    : room(diskBytes);
  return [
    ...(elsewhere ? [renderNetwork(elsewhere)] : []),
    ...(time ? renderTime(time, here) : []),
    `  memory  ${formatBytes(memoryBytes)} at the peak`,
    `  disk    ${disk}; ${formatBytes(freeBytes)} free`,
  ];
}

function renderNetwork({
  downloadBytes,
  downloadSeconds,
  bytesPerSecond,
}: NonNullable<Here["elsewhere"]>): string {
  const size = `the source is ${formatBytes(downloadBytes)} to download`;
  return bytesPerSecond === undefined || downloadSeconds === undefined
    ? `  network not measured; ${size}`
    : `  network ${formatBytes(bytesPerSecond)}/s; ${size}, ${formatDuration(1000 * downloadSeconds)}`;
}

function renderTime(time: PredictedTime, here: Here): string[] {
  const { workers, concurrency = 0, readBytesPerSecond, writeBytesPerSecond } = here;
  const seconds = (value: number): string => formatDuration(1000 * value);
  const rate = (bytes: number | undefined): string => `${formatBytes(Math.round(bytes ?? 0))}/s`;
  const bound = { processor: "the processor", reading: "reading", writing: "writing" }[time.boundBy];
  return [
    `  time    ${seconds(time.seconds)}${here.elsewhere ? " with --stream" : ""}, bound by ${bound}`,
    `          ${[
      `convert ${seconds(time.convertSeconds)}, ${concurrency.toFixed(1)} of ${workers} processors at work`,
      `read ${seconds(time.readSeconds)} at ${rate(readBytesPerSecond)}`,
      `write ${seconds(time.writeSeconds)} at ${rate(writeBytesPerSecond)}, ${seconds(time.syncSeconds)} of it at the end`,
    ].join("; ")}`,
  ];
}
