import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inputError, systemError, V4Error } from "../lib/errors.ts";
import { existingBytes } from "../lib/files.ts";
import { formatBytes } from "../lib/units.ts";
import { type Destination, partialPath } from "./destination.ts";
import { fitsPattern } from "./file-patterns.ts";
import type { RemoteFile, Repository } from "./repository.ts";

/** A file of the repository and what of it is here. */
export interface PlannedFile {
  readonly file: RemoteFile;
  /** `linked` is here under another name of the same content. */
  readonly state: "cached" | "linked" | "partial" | "missing";
  /** Bytes on disk of an unfinished file, not checked yet. */
  readonly partialBytes: number;
}

/** What a download will do. */
export interface DownloadPlan {
  readonly repository: Repository;
  readonly folder: string;
  readonly files: readonly PlannedFile[];
  readonly cachedBytes: number;
  readonly partialBytes: number;
  readonly missingBytes: number;
  readonly freeBytes: number;
}

export interface PlanOptions {
  readonly repository: Repository;
  readonly destination: Destination;
  readonly include: readonly string[] | undefined;
}

/** Compares the listing with the disk. Writes nothing. */
export async function planDownload({ repository, destination, include }: PlanOptions): Promise<DownloadPlan> {
  const chosen = repository.files.filter(
    ({ name }) => include === undefined || include.some((pattern) => fitsPattern(name, pattern)),
  );
  if (chosen.length === 0)
    throw inputError({
      what: include ? "no file fits --include" : "there are no files",
      file: repository.location,
      ...(include && { found: include.join(" ") }),
    });
  const files: PlannedFile[] = [];
  for (const file of chosen) files.push(await lookFor(file, destination));
  const sum = (select: (planned: PlannedFile) => number): number =>
    files.reduce((total, planned) => total + select(planned), 0);
  const isHere = ({ state }: PlannedFile): boolean => state === "cached" || state === "linked";
  return {
    repository,
    folder: destination.folder,
    files,
    cachedBytes: sum((planned) => (isHere(planned) ? planned.file.byteLength : 0)),
    partialBytes: sum(({ partialBytes }) => partialBytes),
    missingBytes: sum((planned) => (isHere(planned) ? 0 : planned.file.byteLength - planned.partialBytes)),
    freeBytes: await freeBytesAt(destination.folder),
  };
}

async function lookFor(file: RemoteFile, destination: Destination): Promise<PlannedFile> {
  if (await destination.holds(file)) return { file, state: "cached", partialBytes: 0 };
  if (await destination.holdsContent(file)) return { file, state: "linked", partialBytes: 0 };
  const onDisk = await existingBytes(partialPath(destination.unfinished(file)));
  const partialBytes = Math.min(onDisk, file.byteLength);
  return { file, state: partialBytes > 0 ? "partial" : "missing", partialBytes };
}

/** Refuses a download that will not fit, before its first byte. */
export function checkSpace({ missingBytes, freeBytes, folder }: DownloadPlan): void {
  if (freeBytes >= missingBytes) return;
  throw new V4Error("io", {
    what: "not enough free space for the download",
    file: folder,
    expected: formatBytes(missingBytes),
    found: `${formatBytes(freeBytes)} free`,
    next: "free space, or choose another --cache-dir or --local-dir",
  });
}

/** Free space where a folder is or will be. */
async function freeBytesAt(folder: string): Promise<number> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path))
        throw systemError(error, path);
    }
  }
}
