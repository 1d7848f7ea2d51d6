import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeArrow } from "../../reports/arrow-writer.ts";
import { CONVERSION } from "../../reports/schemas/conversion.ts";
import { type Manifest, manifestPath } from "../artefact/manifest-file.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { checkStatedShapes } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceIdentity } from "../checkpoint/source-identity.ts";
import { type ImportanceFile, openImportance } from "../formats/imatrix/reader.ts";
import { makeFolder, removeIfEmpty, type UnfinishedFile, writeFileAtomic } from "../lib/disk.ts";
import { dataError } from "../lib/errors.ts";
import type { SourceFolder } from "../lib/files.ts";
import { lockOutput } from "../lib/output-lock.ts";
import { VERSION } from "../lib/package-root.ts";
import { createProgress, silentProgress } from "../lib/progress.ts";
import { type Census, takeCensus } from "../model/census.ts";
import { classesOf } from "../plan/output-classes.ts";
import type { OutputPlan } from "../plan/output-plan.ts";
import { conversionRows } from "./conversion-rows.ts";
import { allPieces, convertPlan, storedCrcs } from "./convert-plan.ts";
import { describeResult, type QuantizeResult } from "./describe.ts";
import { finishOutputs, nameOutputs, unnameOutputs } from "./finish-outputs.ts";
import { configFiles, textFile } from "./folder-config.ts";
import { folderFiles } from "./folder-files.ts";
import { fileMetadata } from "./gguf-metadata.ts";
import { type ImportanceFacts, importanceFacts } from "./importance.ts";
import { type Journal, type JournalHead, journalPath, openJournal, type PieceRecord } from "./journal.ts";
import { type LaidOutFile, layoutFile } from "./layout-files.ts";
import { makeManifest } from "./manifest.ts";
import { modelCard } from "./model-card.ts";
import { checkOutputs, discardUnfinished, openOutputs, verifyFinished } from "./open-outputs.ts";
import { type ArtefactPlace, placeArtefact } from "./place.ts";
import { isFinished, journalHead } from "./run-head.ts";
import { openStream, type StreamFacts, type Streaming } from "./stream.ts";

export interface QuantizeOptions {
  /** A path, or a folder elsewhere, which is closed with the run. */
  readonly place: string | SourceFolder;
  /** How tensors of a folder elsewhere are read ahead; else every read is a request. */
  readonly stream?: Streaming;
  /** Decides what every tensor becomes, once the source's headers are read. */
  readonly planFor: (census: Census, source: TensorSource) => OutputPlan | Promise<OutputPlan>;
  /** The model's file, ending in `.gguf`, or its folder; made from the plan where it depends on it. */
  readonly out: string | ((plan: OutputPlan) => string);
  readonly imatrix?: string | undefined;
  readonly workers: number;
  readonly force: boolean;
  readonly restart: boolean;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
  /** Gets one line of what the user should know before hours pass. */
  readonly onWarning?: (line: string) => void;
}

/**
 * The whole stage: census, plan, conversion, manifest. It is journaled: after a crash, a full disk or Ctrl-C the same
 * call goes on where it stopped. A dry run touches nothing.
 */
export async function quantize(options: QuantizeOptions): Promise<QuantizeResult> {
  const startedMs = Date.now();
  const source = await openCheckpoint(options.place);
  let importance: ImportanceFile | undefined;
  try {
    const census = takeCensus(source.config, source.tensors, source.location);
    await checkStatedShapes(source, census.entries);
    const plan = await options.planFor(census, source);
    if (options.imatrix !== undefined) importance = await openImportance(options.imatrix);
    const facts = importanceFacts(plan, importance);
    const metadata = await fileMetadata(source, plan, facts);
    const files = plan.files.map((file, i) => layoutFile(file, metadata[i]));
    const out = typeof options.out === "string" ? options.out : options.out(plan);
    const place = placeArtefact(plan, out);
    if (place.folder) await configFiles(source, plan);
    const stage: Stage = { options, source, plan, importance, facts, files, place, startedMs };
    if (facts.mode === "weight-energy")
      options.onWarning?.(
        "no importance file: the energy of the weights stands in for it, which costs quality at 2 and 3 bits (--imatrix)",
      );
    if (options.dryRun) return describeResult(stage, { status: "dry run", records: new Map(), resumed: 0 });
    return await run(stage);
  } finally {
    await importance?.close();
    await source.close();
  }
}

/** Everything that is known before the first byte moves. */
export interface Stage {
  readonly options: QuantizeOptions;
  readonly source: TensorSource;
  readonly plan: OutputPlan;
  readonly importance: ImportanceFile | undefined;
  readonly facts: ImportanceFacts;
  readonly files: readonly LaidOutFile[];
  readonly place: ArtefactPlace;
  readonly startedMs: number;
}

async function run(stage: Stage): Promise<QuantizeResult> {
  const { options, source, place, files } = stage;
  const head = await journalHead(stage);
  if (!options.force && !options.restart && (await isFinished(stage, head)))
    return describeResult(stage, { status: "up to date", records: new Map(), resumed: 0 });
  await makeFolder(place.sidecar);
  const release = await lockOutput(join(place.sidecar, "run"));
  let journal: Journal | undefined;
  try {
    if (options.restart) await discard(place);
    journal = await openJournal(place.sidecar, head);
    // Without a record nobody knows what an unfinished file holds.
    if (journal.finished.size === 0) await discardUnfinished(place);
    if (journal.finished.size === countPieces(files)) await unnameOutputs(place, files);
    const sourceBytes = [...source.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    await checkOutputs(place, files, {
      force: options.force,
      sources: source.isLocal ? source.files : [],
      scratchBytes: Math.min(options.stream?.windowBytes ?? 0, sourceBytes),
    });
    const outcome = await convert(stage, journal, head);
    await journal.remove();
    return describeResult(stage, { status: "done", ...outcome });
  } catch (error) {
    await journal?.close();
    if (journal?.count() === 0) await discard(place);
    throw error;
  } finally {
    await release();
    await removeIfEmpty(place.sidecar);
  }
}

async function discard(place: ArtefactPlace): Promise<void> {
  await rm(journalPath(place.sidecar), { force: true });
  await discardUnfinished(place);
}

function countPieces(files: readonly LaidOutFile[]): number {
  let count = 0;
  for (const _ of allPieces(files)) count++;
  return count;
}

async function convert(stage: Stage, journal: Journal, head: JournalHead) {
  const { options, source, files, place, importance } = stage;
  const outputs = await openOutputs(place);
  try {
    const total = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const progress = options.quiet ? silentProgress : createProgress("quantize", total);
    const run = { ...options, files, outputs, importance, journal, progress };
    let records: ReadonlyMap<number, PieceRecord>;
    let streamed: StreamFacts | undefined;
    let resumed = 0;
    try {
      const finished = await verifyFinished(files, outputs, { ...run, finished: journal.finished });
      resumed = finished.size;
      const schedule = { source, files, importance, finished };
      const stream = await openStream(options.stream, join(place.sidecar, "window"), schedule);
      try {
        records = await convertPlan({
          ...run,
          source: stream.source,
          streamed: options.stream?.from,
          finished,
        });
      } finally {
        streamed = stream.facts();
        await stream.close();
      }
    } finally {
      progress.stop();
    }
    if ((await sourceIdentity(source)) !== head.source)
      throw dataError({
        what: "the source changed while it was being read",
        file: source.location,
        next: "leave it alone and begin anew with --restart",
      });
    const manifest = await finish(stage, head, { outputs, records });
    return { records, manifest, resumed, ...(streamed && { streamed }) };
  } finally {
    for (const output of outputs) await output.close();
  }
}

interface Converted {
  readonly outputs: readonly UnfinishedFile[];
  readonly records: ReadonlyMap<number, PieceRecord>;
}

/** Headers with their checksums, what belongs beside the tensors; then the final names, and the manifest. */
async function finish(stage: Stage, head: JournalHead, { outputs, records }: Converted): Promise<Manifest> {
  const { options, source, plan, files, place, facts, importance, startedMs } = stage;
  await finishOutputs(files, outputs, storedCrcs(files, records));
  const manifest = await makeManifest({
    source,
    plan,
    files,
    names: place.files.map(({ final }) => basename(final)),
    records,
    importance: facts,
    run: {
      source: source.location,
      identity: head.source,
      workers: options.workers,
      finished: new Date().toISOString(),
      elapsedMs: Date.now() - startedMs,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
  });
  const beside = place.folder
    ? await folderFiles(source, plan, manifest)
    : [textFile("README.md", modelCard(manifest, classesOf(plan)))];
  for (const { name, bytes } of beside)
    await writeFileAtomic(join(place.folder?.partial ?? place.sidecar, name), bytes);
  const measured = { file: importance, expertCount: source.config.expertCount };
  await writeArrow(join(place.sidecar, "quantize.arrow"), conversionRows(files, records, measured), {
    schema: CONVERSION,
    metadata: { v4kit: VERSION, plan: manifest.plan, digest: manifest.digest },
  });
  // Whenever this dies, no manifest lies beside another artefact than its own.
  const path = manifestPath(place.sidecar);
  await rm(path, { force: true });
  await nameOutputs(place, options.force);
  await writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`));
  return manifest;
}
