import type { DownloadPlan, PlannedFile } from "./download-plan.ts";
import type { Mended } from "./mend-file.ts";
import type { RemoteFile } from "./repository.ts";
import type { TransferredFile } from "./transfer.ts";

/** What became of one file. */
export interface DownloadedFile {
  readonly name: string;
  readonly byteLength: number;
  /** `shared`: another process fetched it meanwhile. `resumed`: begun by an earlier run. In a dry run what would be. */
  readonly status: "cached" | "fetched" | "resumed" | "mended" | "shared";
  readonly fetchedBytes: number;
  readonly keptBytes: number;
  /** How the bytes were proved; a file that was there is believed by its size. */
  readonly verifiedBy: "sha256" | "git-sha1" | "size" | "nothing";
  readonly mended: readonly Mended[];
}

export interface DownloadResult {
  readonly status: "downloaded" | "up to date" | "dry run";
  readonly id: string;
  readonly name: string;
  readonly location: string;
  readonly revision: string;
  readonly commit?: string;
  /** The folder with the files under their names. */
  readonly path: string;
  readonly files: readonly DownloadedFile[];
  readonly totalBytes: number;
  readonly cachedBytes: number;
  readonly keptBytes: number;
  readonly fetchedBytes: number;
  readonly freeBytes: number;
  readonly elapsedMs: number;
  readonly bytesPerSecond?: number;
  /** Files whose content nobody vouches for. */
  readonly unverified: readonly string[];
}

/** How a download ended. */
interface Outcome {
  readonly plan: DownloadPlan;
  readonly status: DownloadResult["status"];
  readonly transferred: readonly TransferredFile[];
  readonly startedMs: number;
  readonly bytesPerSecond: number | undefined;
}

/** Puts together what became of every file. */
export function resultOf({ plan, status, transferred, startedMs, bytesPerSecond }: Outcome): DownloadResult {
  const { repository } = plan;
  const byName = new Map(transferred.map((file) => [file.file.name, file]));
  const files = plan.files.map((planned) => fileResult(planned, byName.get(planned.file.name)));
  const sum = (select: (file: DownloadedFile) => number): number =>
    files.reduce((total, file) => total + select(file), 0);
  return {
    status,
    id: repository.id,
    name: repository.name,
    location: repository.location,
    revision: repository.revision,
    ...(repository.commit && { commit: repository.commit }),
    path: plan.folder,
    files,
    totalBytes: sum(({ byteLength }) => byteLength),
    cachedBytes: plan.cachedBytes,
    keptBytes: sum(({ keptBytes }) => keptBytes),
    fetchedBytes: sum(({ fetchedBytes }) => fetchedBytes),
    freeBytes: plan.freeBytes,
    elapsedMs: Math.round(performance.now() - startedMs),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    unverified: files.filter(({ verifiedBy }) => verifiedBy === "nothing").map(({ name }) => name),
  };
}

/** A file of the result; in a dry run nothing has been transferred and the numbers are what would be. */
function fileResult({ file, state, partialBytes }: PlannedFile, done?: TransferredFile): DownloadedFile {
  const { name, byteLength } = file;
  if (state === "cached" || state === "linked" || (done && done.came !== "fetched"))
    return {
      name,
      byteLength,
      status: done?.came === "elsewhere" ? "shared" : "cached",
      fetchedBytes: 0,
      keptBytes: 0,
      verifiedBy: "size",
      mended: [],
    };
  const keptBytes = done?.keptBytes ?? partialBytes;
  const mended = done?.mended ?? [];
  return {
    name,
    byteLength,
    status: mended.length > 0 ? "mended" : keptBytes > 0 ? "resumed" : "fetched",
    fetchedBytes: byteLength - keptBytes,
    keptBytes,
    verifiedBy: verifiedBy(file),
    mended,
  };
}

const verifiedBy = ({ sha256, gitSha1 }: RemoteFile): DownloadedFile["verifiedBy"] =>
  sha256 ? "sha256" : gitSha1 ? "git-sha1" : "nothing";
