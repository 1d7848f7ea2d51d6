import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { promisify } from "node:util";
import { chooseKernels } from "../../kernels/load.ts";
import { VERSION } from "../lib/package-root.ts";
import { renderTable } from "../lib/table.ts";
import { formatBytes } from "../lib/units.ts";

export interface Finding {
  readonly item: string;
  readonly found: string;
  /** What is lost without it, where it is missing. */
  readonly note: string;
}

/** Looks at the machine: nothing is changed, nothing is required; each line says what a missing piece costs. */
export async function examine(folder: string): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(folder);
  const { kernels, available, warning } = chooseKernels("");
  return [
    { item: "v4kit", found: VERSION, note: "" },
    { item: "node", found: process.version, note: "" },
    {
      item: "cpu",
      found: `${cpus()[0]?.model.trim() ?? process.arch} (${availableParallelism()} threads)`,
      note: "",
    },
    { item: "memory", found: formatBytes(totalmem()), note: "" },
    { item: "free disk here", found: formatBytes(bavail * bsize), note: "" },
    {
      item: "kernels",
      found: `${kernels.set} (of ${available.map(({ set }) => set).join(", ")})`,
      note: warning ?? "",
    },
    ...(await Promise.all(PROGRAMS.map(program))),
  ];
}

const PROGRAMS = [
  {
    item: "gpu",
    command: "nvidia-smi",
    args: ["--query-gpu=name,memory.total", "--format=csv,noheader"],
    note: "no NVIDIA GPU: the CPU does everything, with the same bytes",
  },
  {
    item: "c compiler",
    command: process.env.CC ?? "cc",
    args: ["--version"],
    note: "native kernels cannot be built here",
  },
  {
    item: "sandbox",
    command: "bwrap",
    args: ["--version"],
    note: "install bubblewrap to grade generated code",
  },
  { item: "python", command: "python3", args: ["--version"], note: "needed to grade Python answers" },
  { item: "g++", command: "g++", args: ["--version"], note: "needed to grade C++ answers" },
];

async function program({ item, command, args, note }: (typeof PROGRAMS)[number]): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { timeout: 10_000 });
    return { item, found: stdout.trim().split("\n")[0] ?? "", note: "" };
  } catch {
    return { item, found: "not found", note };
  }
}

export function renderFindings(findings: readonly Finding[]): string {
  return renderTable(
    [{ title: "item" }, { title: "found" }, { title: "note" }],
    findings.map(({ item, found, note }) => [item, found, note]),
  );
}
