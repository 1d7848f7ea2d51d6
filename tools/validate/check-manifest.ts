import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type Manifest,
  type ManifestTensor,
  manifestPath,
  readManifest,
  sidecarOf,
} from "../artefact/manifest-file.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { byteLengthOf, type Dtype } from "../formats/dtypes.ts";
import { readGgufHeader } from "../formats/gguf/reader.ts";
import { readSafetensorsHeader } from "../formats/safetensors/reader.ts";
import { crcHex } from "../lib/crc32.ts";
import { inputError } from "../lib/errors.ts";
import { openForReading, type ReadableFile } from "../lib/files.ts";
import { TASK_BYTES } from "../lib/limits.ts";
import { createProgress, silentProgress } from "../lib/progress.ts";
import { elementCount } from "../lib/shape.ts";
import { compareTensors } from "./compare-tensors.ts";

/** Something in which an artefact is not what its manifest says. */
export interface ManifestFinding {
  readonly what: string;
  /** A file or a tensor. */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** An artefact held to its manifest and certificate. */
export interface ManifestReport {
  readonly artefact: string;
  /** The manifest's path, or that a GGUF's own keys were used, which travel with the file. */
  readonly checkedBy: string;
  readonly recipe: string;
  readonly digest?: string;
  readonly tensors: number;
  readonly byteLength: number;
  readonly findings: readonly ManifestFinding[];
  readonly certificate: Manifest["certificate"];
  /** Certified tensors that were compared with the source again, value by value. */
  readonly recertified?: { readonly tensors: number; readonly values: number; readonly unequal: number };
  readonly result: "pass" | "fail";
}

export interface ManifestOptions {
  readonly artefact: string;
  readonly reference?: string;
  readonly threads: number;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Checks every byte of an artefact against the checksums of its manifest; with the source, also that it is the one
 * that the manifest names, and every certified tensor value by value.
 */
export async function checkManifest(options: ManifestOptions): Promise<ManifestReport> {
  const { artefact, quiet, signal } = options;
  const sidecar = sidecarOf(artefact);
  const manifest = await readManifest(sidecar);
  const facts = manifest ? factsOf(manifest) : await factsOfKeys(artefact);
  if (!facts)
    throw inputError({
      what: "the artefact has no manifest, and no checksums among its keys",
      file: manifestPath(sidecar),
      next: "only what v4kit made has them; without --manifest any artefact can be validated",
    });
  const folder = (await stat(artefact)).isDirectory() ? artefact : dirname(artefact);
  const findings: ManifestFinding[] = [];
  const total = facts.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const progress = quiet ? silentProgress : createProgress("checksums", total);
  try {
    for (const { name, byteLength } of facts.files) {
      const listed = facts.tensors.filter(({ file }) => file === name);
      const check = { path: join(folder, name), name, byteLength, listed, progress, signal };
      findings.push(...(await checkFile(check)));
    }
  } finally {
    progress.stop();
  }
  const recertified = options.reference === undefined ? undefined : await recertify(options, facts, findings);
  return {
    artefact,
    checkedBy: manifest ? manifestPath(sidecar) : "the checksums among the file's keys",
    recipe: facts.recipe,
    ...(manifest && { digest: manifest.digest }),
    tensors: facts.tensors.length,
    byteLength: total,
    findings,
    certificate: facts.certificate,
    ...(recertified && { recertified }),
    result: findings.length === 0 ? "pass" : "fail",
  };
}

/** What a manifest or the keys of a GGUF say of an artefact. */
interface Facts {
  readonly recipe: string;
  /** Digest of the source's headers. */
  readonly source: string;
  readonly files: Manifest["files"];
  readonly tensors: readonly ManifestTensor[];
  readonly certificate: Manifest["certificate"];
}

const factsOf = ({ recipe, source, files, tensors, certificate }: Manifest): Facts => ({
  recipe: `${recipe.name}@${recipe.version}`,
  source: source.digest,
  files,
  tensors,
  certificate,
});

/** The facts that a GGUF (or every file of a split one) carries itself; undefined for anything else. */
async function factsOfKeys(path: string): Promise<Facts | undefined> {
  if (!path.endsWith(".gguf")) return undefined;
  const source = await openCheckpoint(path);
  await source.close();
  const files: { name: string; byteLength: number }[] = [];
  const tensors: ManifestTensor[] = [];
  for (const part of source.files) {
    const file = await openForReading(part);
    const { metadata, entries } = await readGgufHeader(file).finally(() => file.close());
    const crcs = metadata.get("v4kit.tensor_crc32")?.value as readonly number[] | undefined;
    if (crcs?.length !== entries.length) return undefined;
    const name = basename(part);
    files.push({ name, byteLength: file.byteLength });
    for (const [i, { name: tensor, dtype, ne }] of entries.entries()) {
      const shape = [...ne].reverse();
      tensors.push({
        name: tensor,
        file: name,
        dtype,
        shape,
        byteLength: bytesOf(dtype, shape),
        crc32: crcHex(crcs[i]),
      });
    }
  }
  const text = (key: string): string => String(source.metadata?.get(key)?.value ?? "unknown");
  return { recipe: text("v4kit.recipe"), source: text("v4kit.source"), files, tensors, certificate: [] };
}

interface FileCheck {
  readonly path: string;
  readonly name: string;
  readonly byteLength: number;
  readonly listed: readonly ManifestTensor[];
  readonly progress: { advance(amount: number): void };
  readonly signal: AbortSignal | undefined;
}

async function checkFile({
  path,
  name,
  byteLength,
  listed,
  progress,
  signal,
}: FileCheck): Promise<ManifestFinding[]> {
  const file = await openForReading(path);
  try {
    if (file.byteLength !== byteLength)
      return [
        { what: "another length", where: name, expected: `${byteLength} bytes`, found: `${file.byteLength}` },
      ];
    const stored = await storedTensors(file);
    const findings: ManifestFinding[] = [];
    for (const tensor of listed) {
      signal?.throwIfAborted();
      const found = stored.get(tensor.name);
      stored.delete(tensor.name);
      const expected = `${tensor.dtype} [${tensor.shape.join(", ")}]`;
      if (!found) findings.push({ what: "missing", where: tensor.name, expected, found: "no such tensor" });
      else if (found.facts !== expected)
        findings.push({ what: "another type or shape", where: tensor.name, expected, found: found.facts });
      else {
        const crc = await crcOf(file, found);
        if (crc !== tensor.crc32)
          findings.push({
            what: "other bytes",
            where: tensor.name,
            expected: `CRC-32 ${tensor.crc32}`,
            found: crc,
          });
      }
      progress.advance(tensor.byteLength);
    }
    for (const [extra, { facts }] of stored)
      findings.push({ what: "not in the manifest", where: extra, expected: "nothing", found: facts });
    return findings;
  } finally {
    await file.close();
  }
}

interface Stored {
  readonly facts: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

async function storedTensors(file: ReadableFile): Promise<Map<string, Stored>> {
  const entries = file.path.endsWith(".gguf")
    ? (await readGgufHeader(file)).entries.map(({ ne, ...entry }) => ({ ...entry, shape: [...ne].reverse() }))
    : (await readSafetensorsHeader(file)).entries;
  return new Map(
    entries.map(({ name, dtype, shape, byteOffset }) => [
      name,
      { facts: `${dtype} [${shape.join(", ")}]`, byteOffset, byteLength: bytesOf(dtype, shape) },
    ]),
  );
}

const bytesOf = (dtype: Dtype, shape: readonly number[]): number =>
  byteLengthOf(dtype, elementCount(shape) as number);

async function crcOf(file: ReadableFile, { byteOffset, byteLength }: Stored): Promise<string> {
  const buffer = new Uint8Array(Math.min(TASK_BYTES, byteLength));
  let crc = 0;
  for (let done = 0; done < byteLength; done += buffer.length) {
    const bytes = buffer.subarray(0, byteLength - done);
    await file.read(bytes, byteOffset + done);
    crc = crc32(bytes, crc);
  }
  return crcHex(crc);
}

/** Compares every certified tensor with the source; findings of it are added. */
async function recertify(
  { artefact: path, reference: referencePath, threads, quiet, signal }: ManifestOptions,
  facts: Facts,
  findings: ManifestFinding[],
) {
  const artefact = await openCheckpoint(path);
  try {
    const reference = await openCheckpoint(referencePath as string);
    try {
      const digest = sourceDigest(reference);
      if (digest !== facts.source)
        findings.push({
          what: "made of another source",
          where: reference.location,
          expected: facts.source.slice(0, 16),
          found: digest.slice(0, 16),
        });
      const { rows } = await compareTensors({
        artefact,
        reference,
        workers: threads,
        quiet,
        finished: [],
        onRows: async () => {},
        ...(signal && { signal }),
      });
      // Classes that keep all their values; in others the certificate says how many changed.
      const lossless = new Set(
        facts.certificate.filter(({ changed }) => changed === 0).map(({ role, from }) => `${role} ${from}`),
      );
      const promised = rows.filter(({ role, from }) => lossless.has(`${role} ${from}`));
      for (const { name, unequal, values } of promised)
        if (unequal > 0)
          findings.push({
            what: "not the values of the source",
            where: name,
            expected: "all equal",
            found: `${unequal} of ${values} differ`,
          });
      const sum = (pick: (row: (typeof rows)[number]) => number) =>
        promised.reduce((total, row) => total + pick(row), 0);
      return {
        tensors: promised.length,
        values: sum(({ values }) => values),
        unequal: sum(({ unequal }) => unequal),
      };
    } finally {
      await reference.close();
    }
  } finally {
    await artefact.close();
  }
}
