import { basename, join } from "node:path";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { type ImportanceFile, openImportance } from "../formats/imatrix/reader.ts";
import type { SourceFolder } from "../lib/files.ts";
import { takeCensus } from "../model/census.ts";
import { releaseName } from "../model/identify.ts";
import { choosePlan, type PlanRequest } from "../plan/choose-plan.ts";
import { checkAllEngines } from "../plan/engines/check-engine.ts";
import { fitOn, knownMachines } from "../plan/machines.ts";
import { modelNeeds } from "../plan/memory.ts";
import { bitsPerWeight, classesOf } from "../plan/output-classes.ts";
import type { OutputPlan } from "../plan/output-plan.ts";
import { planFileOf } from "../plan/plan-file.ts";
import type { Here, PlanReport } from "../plan/plan-report.ts";
import { fileMetadata } from "../quantize/gguf-metadata.ts";
import { importanceFacts } from "../quantize/importance.ts";
import { type LaidOutFile, layoutFile } from "../quantize/layout-files.ts";
import { type ArtefactPlace, artefactName, placeArtefact } from "../quantize/place.ts";
import { measureDisks } from "./disk-rates.ts";
import { factsOfPlan } from "./plan-facts.ts";
import { predictTime } from "./predict-time.ts";
import { predictDisk, predictMemory } from "./resources.ts";
import { measureConversion } from "./self-benchmark.ts";
import { standIn } from "./stand-in.ts";
import { workOf } from "./work.ts";

export interface PlanOptions {
  readonly place: string | SourceFolder;
  /** Set where the source lies elsewhere, and could be downloaded or streamed. */
  readonly elsewhere?: SourceElsewhere;
  /** Of the model, in the artefact's name. */
  readonly name: string;
  readonly request: PlanRequest;
  readonly imatrix?: string | undefined;
  readonly workers: number;
  /** Where the artefact would be written. */
  readonly folder: string;
  /** The kernel set that would run. */
  readonly kernels: string;
  /** Measure this machine to predict a time; else there is none. */
  readonly benchmark: boolean;
}

/** A source that a network is between. */
export interface SourceElsewhere {
  /** Of all its files. */
  readonly downloadBytes: number;
  /** Of `quantize --stream`. */
  readonly windowBytes: number;
  /** Bytes per second, measured for a moment. */
  measureRate(): Promise<number | undefined>;
}

/** Plans a checkpoint from its headers and says what to expect. Reads no tensor except to measure the machine. */
export async function makePlan(options: PlanOptions): Promise<PlanReport> {
  const source = await openCheckpoint(options.place);
  let importance: ImportanceFile | undefined;
  try {
    if (options.imatrix !== undefined) importance = await openImportance(options.imatrix);
    return await planSource(source, importance, options);
  } finally {
    await importance?.close();
    await source.close();
  }
}

/** As `makePlan`, of a source that is open. */
export async function planSource(
  source: TensorSource,
  importance: ImportanceFile | undefined,
  options: Omit<PlanOptions, "place" | "imatrix">,
): Promise<PlanReport> {
  const { request } = options;
  const census = takeCensus(source.config, source.tensors, source.location);
  const digest = sourceDigest(source);
  const plan = choosePlan(census, request, digest);
  const facts = importanceFacts(plan, importance);
  const metadata = await fileMetadata(source, plan, facts);
  const files = plan.files.map((file, i) => layoutFile(file, metadata[i]));
  const place = placeArtefact(plan, join(options.folder, artefactName(options.name, plan)));
  const needs = modelNeeds(plan);
  return {
    ...planFileOf(plan, request, digest),
    model: releaseName(census),
    sourceBytes: [...source.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    classes: classesOf(plan),
    files: files.map(({ file, byteLength }, i) => ({
      name: basename(place.files[i].final),
      kind: file.kind,
      byteLength,
    })),
    byteLength: files.reduce((sum, { byteLength }) => sum + byteLength, 0),
    bitsPerWeight: bitsPerWeight(plan, files),
    importance: facts.mode,
    cache: needs.cache,
    engines: checkAllEngines(await factsOfPlan(source, plan, metadata), census.config),
    machines: knownMachines().map((machine) => fitOn(machine, needs)),
    here: await predictHere({ source, importance, plan, files, place }, options),
  };
}

interface Planned {
  readonly source: TensorSource;
  readonly importance: ImportanceFile | undefined;
  readonly plan: OutputPlan;
  readonly files: readonly LaidOutFile[];
  readonly place: ArtefactPlace;
}

async function predictHere(
  planned: Planned,
  { workers, kernels, folder, benchmark, elsewhere }: Omit<PlanOptions, "place" | "imatrix">,
): Promise<Here> {
  const { source, importance, plan, files, place } = planned;
  const planSeconds = performance.now() / 1000;
  const outputBytes = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const sourceBytes = plan.census.entries
    .filter(({ weight }) => !plan.dropped.includes(weight.name))
    .reduce((sum, { weight, scale }) => sum + weight.byteLength + (scale?.tensor.byteLength ?? 0), 0);
  const rate = benchmark ? await elsewhere?.measureRate() : undefined;
  const here = {
    workers,
    kernels,
    memoryBytes: predictMemory(files, workers, process.memoryUsage.rss()),
    ...(await predictDisk(files, place)),
    ...(elsewhere && { elsewhere: predictElsewhere(elsewhere, sourceBytes, rate) }),
  };
  if (!benchmark || (elsewhere && rate === undefined)) return here;
  const disks = await measureDisks({
    ...(rate === undefined ? { files: source.files } : { readBytesPerSecond: rate }),
    folder,
    outputBytes,
    depth: 2 * workers + 1,
  });
  const rates = await measureConversion(workOf(plan, importance), {
    source: elsewhere ? standIn(source) : source,
    importance,
    folder,
    workers,
  });
  return {
    ...here,
    time: predictTime({ sourceBytes, outputBytes, tensors: source.tensors.size, planSeconds }, rates, disks),
    concurrency: rates.concurrency,
    readBytesPerSecond: disks.readBytesPerSecond,
    writeBytesPerSecond: disks.writeBytesPerSecond,
    rates: rates.classes,
  };
}

/** What a download takes, and the window that a stream has instead. */
const predictElsewhere = (
  { downloadBytes, windowBytes }: SourceElsewhere,
  sourceBytes: number,
  bytesPerSecond: number | undefined,
): NonNullable<Here["elsewhere"]> => ({
  downloadBytes,
  windowBytes: Math.min(windowBytes, sourceBytes),
  ...(bytesPerSecond !== undefined && { bytesPerSecond, downloadSeconds: downloadBytes / bytesPerSecond }),
});
