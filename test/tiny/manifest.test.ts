import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import { openForReading } from "../../tools/lib/files.ts";
import type { ManifestReport } from "../../tools/validate/check-manifest.ts";
import { cli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const source = join(folder, "source");
const gguf = join(folder, "a.gguf");
const sidecar = join(folder, "a.v4kit");

beforeAll(async () => {
  await generateCheckpoint({ folder: source, dims: TINY_DIMS, seed: 21, storage: "official" });
  expect(cli(["quantize", source, "--bits", "4", "--out", gguf]).code).toBe(0);
});

function check(artefact: string, ...args: string[]): { code: number | null; report: ManifestReport } {
  const { code, stdout } = cli(["validate", artefact, "--manifest", "--json", ...args]);
  return { code, report: JSON.parse(stdout) as ManifestReport };
}

test("an untouched artefact passes, with its source value by value", () => {
  const { code, report } = check(gguf, "--reference", source);
  expect(code).toBe(0);
  expect(report).toMatchObject({ result: "pass", findings: [] });
  expect(report.recertified?.unequal).toBe(0);
  const experts = report.certificate.find(({ from, to }) => from === "fp4" && to === "mxfp4");
  expect(experts?.verified).toBe(experts?.values);
  expect(experts?.values).toBeGreaterThan(1_000_000);
});

test("the checksums travel with the file: without its sidecar a GGUF is checked by its own keys", async () => {
  const alone = join(folder, "alone.gguf");
  copyFileSync(gguf, alone);
  expect(check(alone)).toMatchObject({ code: 0, report: { result: "pass" } });
  const file = await openForReading(alone);
  const { entries } = await readGgufHeader(file);
  await file.close();
  for (const { name, byteOffset, byteLength } of [entries[0], entries[40], entries[entries.length - 1]]) {
    const bytes = readFileSync(alone);
    bytes[byteOffset + byteLength - 1] ^= 4;
    writeFileSync(alone, bytes);
    const { code, report } = check(alone);
    expect(code).toBe(1);
    expect(report.findings).toEqual([expect.objectContaining({ what: "other bytes", where: name })]);
    bytes[byteOffset + byteLength - 1] ^= 4;
    writeFileSync(alone, bytes);
  }
});

test("a truncated file, an edited manifest and another source are named", async () => {
  const bytes = readFileSync(gguf);
  writeFileSync(gguf, bytes.subarray(0, bytes.length - 32));
  expect(check(gguf)).toMatchObject({ code: 1, report: { findings: [{ what: "another length" }] } });
  writeFileSync(gguf, bytes);
  const path = join(sidecar, "manifest.json");
  const manifest = readFileSync(path, "utf8");
  writeFileSync(path, manifest.replace('"changed": 0', '"changed": 1'));
  const edited = cli(["validate", gguf, "--manifest"]);
  expect([edited.code, edited.stderr.trim().split("\n").length]).toEqual([65, 1]);
  expect(edited.stderr).toContain("does not fit its own digest");
  writeFileSync(path, manifest);
  const other = join(folder, "other");
  await generateCheckpoint({ folder: other, dims: TINY_DIMS, seed: 22, storage: "official" });
  const { code, report } = check(gguf, "--reference", other);
  expect(code).toBe(1);
  expect(report.findings[0]).toMatchObject({ what: "not the values of the source" });
});

test("what v4kit did not make has no manifest", () => {
  const { code, stderr } = cli(["validate", source, "--manifest"]);
  expect(code).toBe(66);
  expect(stderr).toContain("has no manifest");
});
