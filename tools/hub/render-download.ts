import { type Column, renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import type { DownloadPlan, PlannedFile } from "./download-plan.ts";
import type { DownloadedFile, DownloadResult } from "./download-result.ts";
import type { Repository } from "./repository.ts";

const COLUMNS: readonly Column[] = [
  { title: "file" },
  { title: "bytes", align: "right" },
  { title: "here", align: "right" },
  { title: "state" },
];

/** Rows of a table that a person still reads; small files beyond it share one. */
const MAX_ROWS = 24;

/** What a download is about to do. */
export function renderDownloadPlan(plan: DownloadPlan, bytesPerSecond?: number): string {
  const { repository, missingBytes, files } = plan;
  const rows = rowsOf(files);
  const time =
    bytesPerSecond && missingBytes > 0
      ? `, about ${formatDuration((1000 * missingBytes) / bytesPerSecond)} at ${formatBytes(bytesPerSecond)}/s`
      : "";
  return [
    headingOf(repository),
    renderTable(COLUMNS, rows),
    "",
    missingBytes > 0
      ? `to fetch: ${formatBytes(missingBytes)} of ${formatBytes(totalOf(files))}${time}; ${formatBytes(plan.freeBytes)} free`
      : `all ${formatBytes(totalOf(files))} are here`,
  ].join("\n");
}

const totalOf = (files: readonly PlannedFile[]): number =>
  files.reduce((sum, { file }) => sum + file.byteLength, 0);

/** A plain folder's name is its location, and it has no revisions. */
const headingOf = ({ id, revision, commit, location }: Repository): string =>
  commit === undefined
    ? location
    : `${id} ${revision}${commit === revision ? "" : ` (${commit.slice(0, 12)})`} from ${location}`;

const STATES: Readonly<Record<PlannedFile["state"], string>> = {
  cached: "cached",
  linked: "cached under another name",
  partial: "to go on with",
  missing: "to fetch",
};

/** The largest files by name, the others by state. */
function rowsOf(files: readonly PlannedFile[]): (readonly string[])[] {
  const shown = new Set(
    files.length <= MAX_ROWS
      ? files
      : [...files].sort((a, b) => b.file.byteLength - a.file.byteLength).slice(0, MAX_ROWS),
  );
  const rest = (Object.keys(STATES) as PlannedFile["state"][]).flatMap((state) => {
    const group = files.filter((file) => !shown.has(file) && file.state === state);
    return group.length > 0 ? [{ state, group }] : [];
  });
  return [
    ...files
      .filter((file) => shown.has(file))
      .map((planned) => [
        planned.file.name,
        formatBytes(planned.file.byteLength),
        shareOf([planned]),
        STATES[planned.state],
      ]),
    ...rest.map(({ state, group }) => [
      `${formatCount(group.length)} smaller files`,
      formatBytes(totalOf(group)),
      shareOf(group),
      STATES[state],
    ]),
  ];
}

function shareOf(files: readonly PlannedFile[]): string {
  const here = files.reduce(
    (sum, { file, state, partialBytes }) =>
      sum + (state === "cached" || state === "linked" ? file.byteLength : partialBytes),
    0,
  );
  const total = totalOf(files);
  return `${total === 0 ? 100 : Math.floor((100 * here) / total)} %`;
}

/** What a download did. */
export function renderDownload(result: DownloadResult): string {
  const { status, path, files, totalBytes } = result;
  if (status === "dry run") return "dry run: nothing was written";
  const count = (wanted: DownloadedFile["status"]): number =>
    files.filter((file) => file.status === wanted).length;
  const counts = (["cached", "fetched", "resumed", "mended", "shared"] as const)
    .filter((wanted) => count(wanted) > 0)
    .map((wanted) => `${formatCount(count(wanted))} ${WORDS[wanted]}`);
  const rate = result.bytesPerSecond ? `, ${formatBytes(result.bytesPerSecond)}/s` : "";
  const kept = result.keptBytes > 0 ? `, ${formatBytes(result.keptBytes)} kept from before` : "";
  const mended = files.flatMap(({ name, mended }) =>
    mended.map(
      ({ start, end, where }) =>
        `  mended: ${name}, bytes ${start} to ${end}, wrong ${where === "disk" ? "on the disk" : "as they came"}`,
    ),
  );
  return [
    status === "up to date"
      ? "up to date: everything was here"
      : `done in ${formatDuration(result.elapsedMs)}: ${formatBytes(result.fetchedBytes)} fetched${kept}${rate}`,
    `${formatCount(files.length)} files, ${formatBytes(totalBytes)}: ${counts.join(", ")}`,
    ...mended,
    ...(result.unverified.length > 0
      ? [`  not verified, for nobody names their hashes: ${result.unverified.join(", ")}`]
      : []),
    `  ${path}`,
  ].join("\n");
}

const WORDS: Readonly<Record<DownloadedFile["status"], string>> = {
  cached: "cached",
  fetched: "fetched",
  resumed: "gone on with",
  mended: "mended",
  shared: "fetched by another process",
};
