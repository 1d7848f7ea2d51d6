import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { makeFolder, writeFileAtomic } from "../../tools/lib/disk.ts";
import { dataError, printable, systemError, V4Error } from "../../tools/lib/errors.ts";
import { readOptionalFile } from "../../tools/lib/files.ts";
import { MAX_RUN_BYTES } from "../../tools/lib/limits.ts";
import { damagedLog, type LineLog, type LinePlace, openLineLog } from "../../tools/lib/line-log.ts";
import { lockOutput } from "../../tools/lib/output-lock.ts";
import { VERSION } from "../../tools/lib/package-root.ts";
import { type BlobStore, openBlobStore } from "./blobs.ts";
import { type Contract, contractDifferences, contractDigest, sampleKey } from "./contract.ts";
import { isSampleRow, type SampleRow } from "./row.ts";

/** `run.json`: written first, and unchanged from then on but for its end. */
export interface RunManifest {
  readonly run: 1;
  readonly id: string;
  readonly v4kit: string;
  readonly status: "running" | "complete";
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly contractSha256: string;
  readonly contract: Contract;
  readonly commandLine: readonly string[];
  /** The table that costs are counted by. */
  readonly prices?: string;
  readonly host: Readonly<Record<string, string | number>>;
}

/**
 * The folder of an evaluation: `run.json`, `rows.jsonl` with a line per finished sample, `blobs/` with prompts and
 * replies; in the end the reports. One process at a time writes it.
 */
export interface RunFolder {
  readonly path: string;
  readonly manifest: RunManifest;
  readonly blobs: BlobStore;
  /** Puts a row on record; resolves once it is on the disk. */
  record(row: SampleRow): Promise<LinePlace>;
  read(place: LinePlace): Promise<SampleRow>;
  /** Notes that every sample is on record. */
  complete(): Promise<void>;
  close(): Promise<void>;
}

export interface RunFolderOptions {
  readonly path: string;
  readonly contract: Contract;
  readonly commandLine: readonly string[];
  readonly prices?: string;
  /** Hears of every row of earlier sessions; false says that no sample of this run has it. */
  readonly onRow: (row: SampleRow, place: LinePlace) => boolean;
}

const NEXT = "choose another --out";
const Begun = v.looseObject({
  run: v.literal(1),
  id: v.string(),
  contractSha256: v.string(),
  contract: v.looseObject({ schema: v.literal(1) }),
});

/** Opens a run's folder to go on with it, or begins one. A run of another contract is refused, with the difference. */
export async function openRunFolder(options: RunFolderOptions): Promise<RunFolder> {
  const { path, contract, onRow } = options;
  await makeFolder(path);
  const release = await lockOutput(join(path, "run"));
  try {
    const rowsPath = join(path, "rows.jsonl");
    const found = await readManifest(path);
    // What was planned and never run binds nobody.
    const rows = await stat(rowsPath).catch(() => undefined);
    const begun = rows && rows.size > 0 ? found : undefined;
    if (begun) refuseOther(path, begun.contract, contract);
    let manifest = begun ?? newManifest(options);
    if (!begun) await writeManifest(path, manifest);
    const contractSha256 = contractDigest(contract);
    const log = await openRows(rowsPath, contractSha256, onRow);
    return {
      path,
      manifest,
      blobs: openBlobStore(join(path, "blobs")),
      record: (row) => log.append(row),
      read: async (place) => (await log.read(place)) as SampleRow,
      async complete() {
        if (manifest.status === "complete") return;
        manifest = { ...manifest, status: "complete", endedAt: new Date().toISOString() };
        await writeManifest(path, manifest);
      },
      async close() {
        await log.close();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw systemError(error, path);
  }
}

function openRows(path: string, contract: string, onRow: RunFolderOptions["onRow"]): Promise<LineLog> {
  return openLineLog(path, {
    next: NEXT,
    onLine(row, place) {
      const isOurs =
        isSampleRow(row) && row.key === sampleKey({ contract, ...row, promptSha256: row.prompt });
      if (!isOurs || !onRow(row, place)) throw damagedLog(path, `the line at byte ${place.position}`, NEXT);
    },
  });
}

function newManifest({ contract, commandLine, prices }: RunFolderOptions): RunManifest {
  return {
    run: 1,
    id: randomUUID(),
    v4kit: VERSION,
    status: "running",
    startedAt: new Date().toISOString(),
    contractSha256: contractDigest(contract),
    contract,
    commandLine: commandLine.map(withoutSecrets),
    ...(prices !== undefined && { prices }),
    host: {
      platform: platform(),
      release: release(),
      arch: arch(),
      cpu: cpus()[0]?.model ?? "unknown",
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      node: process.version,
    },
  };
}

/** Keys come from the environment or a file; what is left are credentials inside a URL. */
export const withoutSecrets = (argument: string): string =>
  argument.replace(/(https?:\/\/)[^/@\s]*@/gi, "$1").replace(/(https?:\/\/[^?#\s]*)[?#]\S*/gi, "$1");

const writeManifest = (path: string, manifest: RunManifest): Promise<void> =>
  writeFileAtomic(join(path, "run.json"), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));

async function readManifest(path: string): Promise<RunManifest | undefined> {
  const file = join(path, "run.json");
  const bytes = await readOptionalFile(file, MAX_RUN_BYTES);
  if (!bytes) return undefined;
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes));
  } catch {}
  if (!v.is(Begun, manifest))
    throw dataError({ what: "not the run.json of an evaluation", file, next: NEXT });
  return manifest as unknown as RunManifest;
}

function refuseOther(path: string, begun: Contract, now: Contract): void {
  const [first, ...others] = contractDifferences(begun, now);
  if (first === undefined) return;
  const more = others.length > 0 ? `, and so do ${others.map((other) => other.path).join(", ")}` : "";
  throw new V4Error("usage", {
    what: printable(`a run of another contract lies here: ${first.path} differs${more}`, 400),
    file: path,
    expected: printable(first.first, 80),
    found: printable(first.second, 80),
    next: "choose another --out, or the flags it was begun with",
  });
}
