import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type Contract,
  contractDifferences,
  contractDigest,
  contractTask,
  sampleKey,
  sampleSeed,
} from "../../evals/run/contract.ts";
import { withoutSecrets } from "../../evals/run/run-folder.ts";
import { runToy, sumTask, TERMS } from "../support/evals.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const contract: Contract = { schema: 1, ...TERMS, tasks: [contractTask(sumTask(10))] };

test("a digest does not depend on the order of members, and on everything else", () => {
  const { backend, ...rest } = contract;
  const { kind, ...others } = backend;
  expect(contractDigest({ backend: { ...others, kind }, ...rest })).toBe(contractDigest(contract));
  const changes: Partial<Contract>[] = [
    { benchmark: "other" },
    { epochs: 2 },
    { profile: "v4-0731" },
    { mode: "high" },
    { sampling: { ...contract.sampling, temperature: 0 } },
    { sampling: { ...contract.sampling, topP: 0.9 } },
    { sampling: { ...contract.sampling, seed: 1 } },
    { replyTokens: 1 },
    { answerPrefix: "used" },
    { tokenizerSha256: "1".repeat(64) },
    { backend: { ...backend, serverVersion: "2" } },
    { tasks: [contractTask(sumTask(11))] },
    { tasks: [contractTask(sumTask(10, "sums", { version: "2" }))] },
    { tasks: [contractTask(sumTask(10, "sums", { digest: "f".repeat(64) }))] },
  ];
  const digests = changes.map((change) => contractDigest({ ...contract, ...change }));
  expect(new Set([contractDigest(contract), ...digests]).size).toBe(changes.length + 1);
  for (const change of changes)
    expect(contractDifferences(contract, { ...contract, ...change })).not.toEqual([]);
});

test("differences are named leaf by leaf, also where one side has nothing", () => {
  const { contextTokens: _, ...backend } = contract.backend;
  const other = { ...contract, mode: "max", backend } as const;
  expect(contractDifferences(contract, other)).toEqual([
    { path: "mode", first: '"nonthink"', second: '"max"' },
    { path: "backend.contextTokens", first: "100", second: "nothing" },
  ]);
});

test("a sample's key depends on every part, a seed on run, task, problem and epoch", () => {
  const sample = { contract: "c", task: "t", problem: "p", epoch: 0, promptSha256: "s" };
  const keys = Object.keys(sample).map((name) =>
    sampleKey({ ...sample, [name]: name === "epoch" ? 1 : "x" }),
  );
  expect(new Set([sampleKey(sample), ...keys]).size).toBe(6);
  const seeds = [
    sampleSeed(0, "t", "p", 0),
    sampleSeed(1, "t", "p", 0),
    sampleSeed(0, "u", "p", 0),
    sampleSeed(0, "t", "q", 0),
    sampleSeed(0, "t", "p", 1),
  ];
  expect(new Set(seeds).size).toBe(5);
  expect(seeds.every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31)).toBe(true);
});

test("a run of another contract is refused with the differences, and its folder stays as it is", async () => {
  const out = join(folder, "other");
  await runToy({ out });
  const before = readFileSync(join(out, "run.json"), "utf8");
  const terms = { ...TERMS, sampling: { ...TERMS.sampling, temperature: 0 }, mode: "high" as const };
  await expect(runToy({ out, terms })).rejects.toThrow(
    /other: a run of another contract lies here: mode differs, and so do sampling.temperature \(expected "nonthink", found "high"\); choose another --out/,
  );
  expect(readFileSync(join(out, "run.json"), "utf8")).toBe(before);
  await expect(runToy({ out, tasks: [sumTask(11)] })).rejects.toMatchObject({ kind: "usage" });
});

test.skipIf(!existsSync("/proc/self/stat"))(
  "a folder whose last process is a zombie is taken over",
  async () => {
    const out = join(folder, "zombie");
    mkdirSync(out);
    // The shell becomes a program that collects no children.
    const parent = spawn("sh", ["-c", "true & echo $!; exec sleep 60"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = await once(parent.stdout, "data");
    const stat = () => readFileSync(`/proc/${Number(line)}/stat`, "utf8").split(" ");
    await expect.poll(() => stat()[2]).toBe("Z");
    const holder = { pid: Number(line), host: hostname(), started: stat()[21] };
    symlinkSync(JSON.stringify(holder), join(out, "run.lock"));
    expect((await runToy({ out })).stopped).toBeUndefined();
    parent.kill();
  },
);

test("a folder in which nothing was run yet can be begun otherwise", async () => {
  const out = join(folder, "empty");
  const pricing = { unknown: "no price is known" };
  await expect(runToy({ out, pricing })).rejects.toThrow(/no price is known/);
  const terms = { ...TERMS, mode: "high" as const };
  const { report } = await runToy({ out, terms });
  expect(report.contract.mode).toBe("high");
  expect(JSON.parse(readFileSync(join(out, "run.json"), "utf8"))).toMatchObject({
    contract: { mode: "high" },
    status: "complete",
  });
});

test.each(["", "{", "[]", "null", '{"run":2}', '{"run":1,"id":"x","contractSha256":"y","contract":{}}'])(
  "a run.json that is none is refused: %s",
  async (text) => {
    const out = join(folder, `broken-${Buffer.from(text).toString("hex")}`);
    await runToy({ out });
    writeFileSync(join(out, "run.json"), text);
    await expect(runToy({ out })).rejects.toMatchObject({
      kind: "data",
      message: expect.stringContaining("run.json: not the run.json of an evaluation"),
    });
  },
);

test("credentials inside a URL do not get into the manifest", async () => {
  expect(withoutSecrets("--endpoint=https://me:secret@host:1/v1?api_key=secret#secret")).toBe(
    "--endpoint=https://host:1/v1",
  );
  expect(withoutSecrets("a@b")).toBe("a@b");
  const out = join(folder, "secret");
  await runToy({ out, commandLine: ["--endpoint", "https://me:secret@host/v1"] });
  expect(readFileSync(join(out, "run.json"), "utf8")).not.toContain("secret");
});
