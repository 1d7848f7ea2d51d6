import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { cli, cliCommand, ROOT } from "../../support/cli.ts";
import { startHub } from "../../support/hub.ts";
import {
  CACHES,
  describeTree,
  REPOSITORY_FOLDER,
  sharedPart,
  TAG,
  UNFINISHED,
  vectorRepository,
} from "../../support/hub-cache.ts";
import { scratchFolder } from "../../support/scratch.ts";

/** The real package: V4KIT_PYTHON names an interpreter that has it. */
const PYTHON = process.env.V4KIT_PYTHON ?? "python3";
const found = spawnSync(PYTHON, ["-c", "import huggingface_hub as h; print(h.__version__)"], {
  encoding: "utf8",
});
const version = found.status === 0 ? found.stdout.trim() : undefined;
if (version === undefined)
  console.warn(
    `SKIPPED: ${PYTHON} has no huggingface_hub (name one that has it in V4KIT_PYTHON); its caches are compared as recorded alone`,
  );

const scratch = scratchFolder();
const hub = await startHub(vectorRepository(join(scratch, "repository")));
beforeEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

const REVISIONS = ["main", TAG];
const COMMIT = (CACHES.complete[`${REPOSITORY_FOLDER}/refs/main`] as { text: string }).text;
const env = { ...process.env, ...hub.env, HF_HUB_DISABLE_XET: "1", HF_HUB_DISABLE_TELEMETRY: "1" };
const FILES = Object.fromEntries(
  Object.keys(CACHES.main).map((name) => [name, statSync(join(scratch, "repository/main", name)).size]),
);

interface Reading {
  readonly snapshots: Readonly<Record<string, { folder: string; files: Record<string, number> } | null>>;
  readonly warnings: readonly string[];
  readonly repositories: Readonly<Record<string, { refs: string[]; files: number; bytes: number }>>;
}

function readByPython(cache: string): Reading {
  const script = join(ROOT, "test/vectors/hub-cache/read.py");
  const { status, stdout, stderr } = spawnSync(PYTHON, [script, cache, CACHES.id, ...REVISIONS, COMMIT], {
    encoding: "utf8",
    env,
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout) as Reading;
}

function downloadByPython(
  folder: string,
  revision: string,
  place: "cache_dir" | "local_dir" = "cache_dir",
): void {
  const code =
    "import sys, huggingface_hub as h; h.snapshot_download(sys.argv[1], revision=sys.argv[2], **{sys.argv[3]: sys.argv[4]})";
  const result = spawnSync(PYTHON, ["-c", code, CACHES.id, revision, place, folder], {
    encoding: "utf8",
    env,
  });
  expect(result).toMatchObject({ status: 0 });
}

const ourArgs = (cache: string, revision: string): string[] => [
  ...["download", CACHES.id, "--revision", revision, "--cache-dir", cache, "--json"],
];
const downloadByUs = (cache: string, revision: string, ...more: string[]): void =>
  expect(cli([...ourArgs(cache, revision), ...more], { env: hub.env })).toMatchObject({ code: 0 });

const fetchedFiles = async (): Promise<readonly string[]> =>
  (await hub.log()).flatMap(({ method, file }) => (method === "GET" && file !== undefined ? [file] : []));

test.skipIf(!version)(
  "Python finds what we wrote, has nothing to warn of, and nothing to fetch",
  async () => {
    const cache = join(scratch, "ours");
    for (const revision of REVISIONS) downloadByUs(cache, revision);
    const { snapshots, warnings, repositories } = readByPython(cache);
    expect(warnings).toEqual([]);
    expect(Object.keys(repositories)).toEqual([CACHES.id]);
    expect(repositories[CACHES.id]).toMatchObject({ refs: ["main", TAG] });
    expect(snapshots.main?.files).toEqual(FILES);
    expect(Object.keys(snapshots[TAG]?.files ?? {})).toEqual(Object.keys(snapshots.main?.files ?? {}));
    await hub.clearLog();
    for (const revision of REVISIONS) downloadByPython(cache, revision);
    expect(await fetchedFiles()).toEqual([]);
    expect(sharedPart(describeTree(cache))).toEqual(sharedPart(CACHES.complete));
  },
);

test.skipIf(!version)("Python sees that a part of a repository is not all of it", () => {
  const cache = join(scratch, "part");
  downloadByUs(cache, "main", "--include", "*.json");
  const { snapshots, warnings } = readByPython(cache);
  expect(warnings).toEqual([]);
  expect([snapshots.main, snapshots[COMMIT]]).toEqual([null, null]);
});

test.skipIf(!version)("we find what Python wrote, and have nothing to fetch", async () => {
  const cache = join(scratch, "python");
  for (const revision of REVISIONS) downloadByPython(cache, revision);
  const before = describeTree(cache);
  expect(sharedPart(before)).toEqual(sharedPart(CACHES.complete));
  await hub.clearLog();
  for (const revision of REVISIONS) downloadByUs(cache, revision);
  expect(await fetchedFiles()).toEqual([]);
  expect(describeTree(cache)).toEqual(before);
});

test.skipIf(!version)("a plain folder is taken over in both directions", async () => {
  const [ours, python] = ["local-ours", "local-python"].map((name) => join(scratch, name));
  const args = (folder: string): string[] => ["download", CACHES.id, "--local-dir", folder, "--json"];
  expect(cli(args(ours), { env: hub.env })).toMatchObject({ code: 0 });
  downloadByPython(python, "main", "local_dir");
  await hub.clearLog();
  expect(cli(args(python), { env: hub.env })).toMatchObject({ code: 0 });
  downloadByPython(ours, "main", "local_dir");
  expect(await fetchedFiles()).toEqual([]);
});

test.skipIf(!version)(
  "Python does not take our unfinished download for a finished one, and completes it",
  async () => {
    const cache = join(scratch, "killed");
    await hub.control({
      rules: [{ on: `^cdn GET .*${UNFINISHED}`, fault: { kind: "stall", atByte: 1000 } }],
    });
    const [command, ...args] = cliCommand(ourArgs(cache, "main"));
    const ours = spawn(command, args, { env, stdio: "ignore" });
    const hasStalled = async (): Promise<boolean> =>
      (await hub.log()).some(({ faults, bytesSent }) => faults.includes("stall") && bytesSent === 1000);
    while (!(await hasStalled())) {
      expect(ours.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    ours.kill("SIGKILL");
    await once(ours, "exit");
    await hub.calm();
    const unfinished = (): string[] =>
      Object.keys(describeTree(cache)).filter((name) => /\.v4kit\b/.test(name));
    expect(unfinished()).not.toEqual([]);
    const half = readByPython(cache);
    expect(half.warnings).toEqual([]);
    expect([half.snapshots.main, half.snapshots[COMMIT]]).toEqual([null, null]);
    downloadByPython(cache, "main");
    const whole = readByPython(cache);
    expect(whole.warnings).toEqual([]);
    expect(whole.snapshots.main?.files).toEqual(FILES);
    await hub.clearLog();
    downloadByUs(cache, "main");
    expect(await fetchedFiles()).toEqual([]);
    expect(unfinished()).toEqual([]);
  },
);
