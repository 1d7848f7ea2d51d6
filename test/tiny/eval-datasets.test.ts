import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { cli, ROOT } from "../support/cli.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder } from "../support/scratch.ts";

const MRCR = join(ROOT, "test/vectors/mrcr");
const TABLES = ["2needle/2needle_0", "2needle/2needle_1", "4needle/4needle_0", "4needle/4needle_1"].map(
  (name) => `${name}.parquet`,
);
const scratch = scratchFolder();
const longBench = join(scratch, "LongBench-v2");
mkdirSync(longBench);
writeFileSync(join(longBench, "README.md"), "not read");
writeFileSync(
  join(longBench, "data.json"),
  JSON.stringify([
    {
      ...{ _id: "1", domain: "d", sub_domain: "s", difficulty: "easy", length: "short", question: "Which?" },
      ...{ choice_A: "a", choice_B: "b", choice_C: "c", choice_D: "d", answer: "A", context: "A text." },
    },
  ]),
);
const hub = await startHub({
  "datasets/openai/mrcr": { folder: MRCR, lfs: TABLES },
  "datasets/zai-org/LongBench-v2": { folder: longBench, lfs: ["data.json"] },
});
const cache = String(hub.env.HF_HUB_CACHE);
const v4kit = (...args: string[]) => cli(args, { env: hub.env, cwd: scratch });
const evalSuite = (suite: string, ...args: string[]) =>
  v4kit("eval", "longctx", "--checkpoint", DEMO_CHECKPOINT, "--suite", suite, ...args);
const snapshotOf = (store: string): string => {
  const snapshots = join(cache, store, "snapshots");
  return join(snapshots, readdirSync(snapshots)[0]);
};

test("a dry run without the dataset says what it would fetch; from the cache it asks nobody", async () => {
  const dry = evalSuite("mrcr", "--dry-run", "--json");
  expect(dry.code).toBe(0);
  expect(dry.stderr).toMatch(
    /^datasets\/openai\/mrcr main \([0-9a-f]{12}\) from .*\/datasets\/openai\/mrcr\/tree\//,
  );
  expect(dry.stderr).toMatch(/^to fetch: .* of .*; .* free$/m);
  const { download } = JSON.parse(dry.stdout);
  expect(download).toMatchObject({ status: "dry run", id: "datasets/openai/mrcr" });
  expect(download.files.map(({ name }: { name: string }) => name)).toEqual(TABLES);
  expect(existsSync(cache)).toBe(false);

  expect(v4kit("download", "datasets/openai/mrcr", "--include", "*needle/*").code).toBe(0);
  const snapshot = snapshotOf("datasets--openai--mrcr");
  for (const name of TABLES)
    expect(readFileSync(join(snapshot, name))).toEqual(readFileSync(join(MRCR, name)));
  expect(existsSync(join(snapshot, "make.py"))).toBe(false);
  await hub.clearLog();
  const [cached, local] = [[], ["--dataset", MRCR]].map((more) => {
    const { code, stdout } = evalSuite("mrcr", "--dry-run", "--json", "--quiet", ...more);
    expect(code).toBe(0);
    return JSON.parse(stdout).estimate;
  });
  expect(cached.samples).toBeGreaterThan(0);
  expect(cached).toEqual(local);
  expect(await hub.log()).toEqual([]);
});

test("a run fetches what it reads; the same data from elsewhere is the same run", async () => {
  const run = ["--reply-tokens", "2", "--samples", "1", "--out", join(scratch, "run")];
  const first = evalSuite("longbench", "--dataset", "datasets/zai-org/LongBench-v2@main", ...run);
  expect([first.code, first.stderr]).toEqual([0, expect.stringContaining("to fetch: ")]);
  expect(readdirSync(snapshotOf("datasets--zai-org--LongBench-v2"))).toEqual(["data.json"]);
  const rows = readFileSync(join(scratch, "run/rows.jsonl"), "utf8");
  await hub.clearLog();
  expect(evalSuite("longbench", "--dataset", join(longBench, "data.json"), ...run).code).toBe(0);
  expect(readFileSync(join(scratch, "run/rows.jsonl"), "utf8")).toBe(rows);
});

test("a dataset is no checkpoint, and offline what is not here is not fetched", () => {
  expect(v4kit("eval", "longctx", "--checkpoint", "datasets/openai/mrcr")).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/^v4kit: a dataset, not a checkpoint.*\n$/),
  });
  const env = { ...hub.env, HF_HUB_OFFLINE: "1", HF_HUB_CACHE: join(scratch, "empty") };
  const args = ["eval", "longctx", "--checkpoint", DEMO_CHECKPOINT, "--suite", "mrcr"];
  expect(cli(args, { env, cwd: scratch })).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/^v4kit: .*HF_HUB_OFFLINE.* datasets\/openai\/mrcr@main.*\n$/),
  });
});
