import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeArrow } from "../../reports/arrow-writer.ts";
import {
  LAYERS,
  type LayerRow,
  POSITIONS,
  type PositionRow,
  TENSORS,
  type TensorRow,
} from "../../reports/schemas/validation.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceIdentity } from "../checkpoint/source-identity.ts";
import { checkOutputPath, writeFileAtomic } from "../lib/disk.ts";
import { VERSION } from "../lib/package-root.ts";
import { openModelKernels } from "../reference/model-kernels.ts";
import type { Numerics } from "../reference/rounding.ts";
import { compareTensors } from "./compare-tensors.ts";
import { classOf, loadGate } from "./gate.ts";
import { summariseLogits } from "./logit-summary.ts";
import { loadPrompts, type PromptSet } from "./prompts.ts";
import type { TensorGroup, ValidationReport } from "./report.ts";
import { type Fingerprint, openRunFolder, type RunFolder } from "./run-folder.ts";
import { runForward } from "./run-forward.ts";
import { checkStructure } from "./structure.ts";
import { judge } from "./verdict.ts";

export interface ValidateOptions {
  readonly artefact: string;
  readonly reference?: string;
  /** Folder of the run's files. */
  readonly out: string;
  readonly numerics: Numerics;
  readonly threads: number;
  readonly tokens: { readonly prompts?: string; readonly tokensFile?: string; readonly maxTokens?: number };
  readonly maxKld?: number;
  readonly dumpLogits?: string;
  readonly restart: boolean;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
}

/** A finished piece of a run, as its journal keeps it. */
export type Piece =
  | { readonly kind: "tensor"; readonly row: TensorRow }
  | { readonly kind: "embedded" }
  | { readonly kind: "layer"; readonly row: LayerRow };

/**
 * Proves an artefact against its source, or runs one checkpoint alone: structure, every tensor, every layer's streams,
 * the logits, a verdict. The run's files are written to `out`; one that was interrupted goes on where it stopped.
 */
export async function validate(options: ValidateOptions): Promise<ValidationReport> {
  const artefact = await openCheckpoint(options.artefact);
  try {
    const reference = options.reference === undefined ? undefined : await openCheckpoint(options.reference);
    try {
      return await validateOpened(options, artefact, reference);
    } finally {
      await reference?.close();
    }
  } finally {
    await artefact.close();
  }
}

async function validateOpened(
  options: ValidateOptions,
  artefact: TensorSource,
  reference: TensorSource | undefined,
): Promise<ValidationReport> {
  const startedMs = Date.now();
  const gate = loadGate();
  // Said now, not after hours of layers.
  if (options.dumpLogits !== undefined) await checkOutputPath(options.dumpLogits, true);
  const kernels = openModelKernels(options.threads);
  const structure = await checkStructure(artefact, reference);
  const prompts = await loadPrompts({ source: reference ?? artefact, ...options.tokens });
  const fingerprint: Fingerprint = {
    v4kit: VERSION,
    numerics: options.numerics,
    kernels: kernels.set,
    prompts: prompts.sha256,
    artefact: await sourceIdentity(artefact),
    reference: reference ? await sourceIdentity(reference) : "none",
  };
  const folder = await openRunFolder<Piece>(options.out, fingerprint, options.restart);
  try {
    const { tensors, absent } =
      reference && structure.runnable
        ? await runTensors(options, { artefact, reference }, folder)
        : { tensors: [], absent: [] };
    const { layers, positions } = structure.runnable
      ? await runForward({ ...options, artefact, reference, prompts, kernels, folder })
      : { layers: [], positions: [] };
    const logits = positions.length > 0 ? summariseLogits(positions) : undefined;
    const evidence = {
      structure: structure.findings,
      tensors,
      layers,
      logits,
      paired: reference !== undefined,
      class: classOf(tensors.filter(({ role }) => role === "expert")),
    };
    const report: ValidationReport = {
      v4kit: VERSION,
      artefact: artefact.location,
      ...(reference && { reference: reference.location }),
      numerics: options.numerics,
      kernels: kernels.set,
      prompts: promptFacts(prompts),
      structure: structure.findings,
      absent,
      tensors: groupTensors(tensors),
      layers,
      ...(logits && { logits }),
      verdict: judge(evidence, gate, options.maxKld),
      out: options.out,
      elapsedMs: Date.now() - startedMs,
    };
    await writeRun(options.out, fingerprint, report, { tensors, layers, positions });
    await folder.complete();
    return report;
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function runTensors(
  { threads, quiet, signal }: ValidateOptions,
  sources: { readonly artefact: TensorSource; readonly reference: TensorSource },
  folder: RunFolder<Piece>,
): Promise<{ tensors: TensorRow[]; absent: readonly string[] }> {
  const finished = folder.finished.flatMap((piece) => (piece.kind === "tensor" ? [piece.row] : []));
  const { rows, absent } = await compareTensors({
    ...sources,
    workers: threads,
    quiet,
    finished,
    onRows: (rows) => folder.record(...rows.map((row): Piece => ({ kind: "tensor", row }))),
    ...(signal && { signal }),
  });
  return { tensors: rows, absent };
}

const promptFacts = ({ sha256, sequences, coverage, synthetic }: PromptSet) => ({
  sha256,
  tokens: sequences.reduce((sum, { tokens }) => sum + tokens.length, 0),
  coverage,
  synthetic,
});

/** Tensors of one role and one conversion together, with the worst of them by name. */
function groupTensors(rows: readonly TensorRow[]): TensorGroup[] {
  const groups = new Map<string, TensorRow[]>();
  for (const row of rows) {
    const key = `${row.role} ${row.from} ${row.to}`;
    const group = groups.get(key) ?? [];
    group.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].map((group) => {
    const worst = group.reduce(worse);
    const { role, from, to, promised } = group[0];
    return {
      role,
      from,
      to,
      tensors: group.length,
      values: group.reduce((sum, { values }) => sum + values, 0),
      unequal: group.reduce((sum, { unequal }) => sum + unequal, 0),
      promised,
      worst: { name: worst.name, relativeRmse: worst.relativeRmse },
    };
  });
}

/** NaN is worse than any number. */
const worse = (a: TensorRow, b: TensorRow): TensorRow =>
  Number.isNaN(a.relativeRmse) || b.relativeRmse <= a.relativeRmse ? a : b;

async function writeRun(
  out: string,
  fingerprint: Fingerprint,
  report: ValidationReport,
  rows: {
    readonly tensors: readonly TensorRow[];
    readonly layers: readonly LayerRow[];
    readonly positions: readonly PositionRow[];
  },
): Promise<void> {
  const metadata = Object.fromEntries(
    Object.entries(fingerprint).map(([key, value]) => [key, String(value)]),
  );
  // An earlier run's report would speak of the tables that are written now.
  await rm(join(out, "report.json"), { force: true });
  await writeArrow(join(out, "tensors.arrow"), rows.tensors, { schema: TENSORS, metadata });
  await writeArrow(join(out, "layers.arrow"), rows.layers, { schema: LAYERS, metadata });
  await writeArrow(join(out, "positions.arrow"), rows.positions, { schema: POSITIONS, metadata });
  // Written last: a run with a report has its tables.
  await writeFileAtomic(join(out, "report.json"), Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
}
