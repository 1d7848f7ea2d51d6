import { renderTable } from "../lib/table.ts";
import type { ForwardBenchRow } from "./bench-forward.ts";
import type { KernelBenchRow } from "./bench-kernels.ts";

const COLUMNS = [
  "operation",
  "format",
  "importance",
  "distribution",
  "set",
  "megaWeightsPerSecond",
  "gigabytesPerSecond",
  "timesTwin",
  "ofCopy",
  "timesPeer",
  "errorOfPeer",
] as const;

/** One line per measurement, for `test/bench/<machine>.csv`. */
export function benchCsv(rows: readonly KernelBenchRow[]): string {
  const cell = (value: string | number | undefined): string =>
    typeof value === "number" ? value.toPrecision(4) : (value ?? "");
  return `${[COLUMNS.join(), ...rows.map((row) => COLUMNS.map((column) => cell(row[column])).join())].join("\n")}\n`;
}

/** The measurements as people read them: speed first, then errors. */
export function renderBench(rows: readonly KernelBenchRow[]): string {
  const speed = rows.filter((row) => row.megaWeightsPerSecond !== undefined);
  const errors = rows.filter((row) => row.errorOfPeer !== undefined);
  const parts = [
    renderTable(
      [
        { title: "kernel" },
        { title: "importance" },
        { title: "M weights/s", align: "right" },
        { title: "GB/s", align: "right" },
        { title: "x twin", align: "right" },
        { title: "of a copy", align: "right" },
        { title: "x llama.cpp", align: "right" },
      ],
      speed.map((row) => [
        `${row.operation} ${row.format}`,
        row.importance === "none" ? "" : row.importance,
        row.megaWeightsPerSecond?.toFixed(1) ?? "",
        row.gigabytesPerSecond?.toFixed(2) ?? "",
        row.timesTwin?.toFixed(0) ?? "",
        row.ofCopy === undefined ? "" : `${(100 * row.ofCopy).toFixed(0)} %`,
        row.timesPeer?.toFixed(1) ?? "",
      ]),
    ),
    `set ${rows[0]?.set ?? "?"}, one thread, rows of 4096; llama.cpp's base library is a generic x86-64 build`,
  ];
  if (errors.length > 0)
    parts.push(
      "",
      errorTable(errors),
      "sum of importance (y - x)^2, ours over llama.cpp's: below 1 is better",
    );
  return parts.join("\n");
}

/** A row per format and importance, a column per distribution. */
function errorTable(errors: readonly KernelBenchRow[]): string {
  const distributions = [...new Set(errors.map((row) => row.distribution))];
  const keys = [...new Set(errors.map((row) => `${row.format} ${row.importance}`))];
  return renderTable(
    [
      { title: "error, format" },
      { title: "importance" },
      ...distributions.map((title) => ({ title, align: "right" as const })),
    ],
    keys.map((key) => {
      const [format, importance] = key.split(" ");
      const at = (distribution: string) =>
        errors.find(
          (row) =>
            row.format === format && row.importance === importance && row.distribution === distribution,
        );
      return [
        format,
        importance === "none" ? "" : importance,
        ...distributions.map((distribution) => at(distribution)?.errorOfPeer?.toFixed(3) ?? ""),
      ];
    }),
  );
}

/** Prefill and decode for people. */
export function renderForward(rows: readonly ForwardBenchRow[]): string {
  return renderTable(
    [
      { title: "phase" },
      { title: "tokens", align: "right" },
      { title: "threads", align: "right" },
      { title: "tokens/s", align: "right" },
      { title: "llama.cpp", align: "right" },
      { title: "ours over theirs", align: "right" },
    ],
    rows.map(({ phase, tokens, threads, ours, llama, ratio }) => [
      phase,
      String(tokens),
      String(threads),
      ours.toPrecision(3),
      llama?.toPrecision(3) ?? "",
      ratio?.toFixed(2) ?? "",
    ]),
  );
}
