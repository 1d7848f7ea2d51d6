import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceDigest, sourceFiles, sourceRevision } from "../checkpoint/source-identity.ts";
import { crcHex } from "../lib/crc32.ts";
import { dataError, systemError } from "../lib/errors.ts";
import { VERSION } from "../lib/package-root.ts";
import { releaseName } from "../model/identify.ts";
import { type OutputPlan, planFingerprint } from "../plan/output-plan.ts";
import { tensorBytes } from "../plan/storage.ts";
import { accountFor, countDispositions, type Disposition } from "./account.ts";
import { type CertifiedClass, certify } from "./certificate.ts";
import { allPieces, storedCrcs } from "./convert-plan.ts";
import { encodersOf } from "./encoders.ts";
import type { ImportanceFacts } from "./importance.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";

/** A stored tensor as a manifest lists it. */
export interface ManifestTensor {
  readonly name: string;
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly crc32: string;
}

/**
 * What an artefact is and what it was made of. Everything but `provenance` and `run` follows from the inputs alone:
 * `digest` is over it, and the same conversion gives the same digest anywhere.
 */
export interface Manifest {
  readonly manifest: 1;
  readonly v4kit: string;
  readonly model: string;
  readonly format: string;
  readonly recipe: OutputPlan["recipe"];
  readonly mtp: string;
  readonly plan: string;
  readonly encoders: readonly string[];
  readonly importance: ImportanceFacts & { readonly unmeasured: number };
  readonly source: { readonly digest: string; readonly tensors: number; readonly byteLength: number };
  readonly dispositions: Readonly<Record<Disposition, number>>;
  readonly dropped: readonly string[];
  readonly files: readonly { readonly name: string; readonly byteLength: number }[];
  readonly tensors: readonly ManifestTensor[];
  readonly certificate: readonly CertifiedClass[];
  readonly digest: string;
  /** Where the source came from, as far as its place tells. */
  readonly provenance: {
    readonly revision?: string;
    readonly files: readonly {
      readonly name: string;
      readonly byteLength: number;
      readonly sha256?: string;
    }[];
  };
  readonly run: Readonly<Record<string, string | number>>;
}

export interface ManifestInput {
  readonly source: TensorSource;
  readonly plan: OutputPlan;
  readonly files: readonly LaidOutFile[];
  /** Final names, by file of the plan. */
  readonly names: readonly string[];
  readonly records: ReadonlyMap<number, PieceRecord>;
  readonly importance: ImportanceFacts;
  readonly run: Manifest["run"];
}

export async function makeManifest(input: ManifestInput): Promise<Manifest> {
  const { source, plan, files, names, records, importance, run } = input;
  const crcs = storedCrcs(files, records);
  const facts = {
    manifest: 1,
    v4kit: VERSION,
    model: releaseName(plan.census),
    format: plan.format,
    recipe: plan.recipe,
    mtp: plan.mtp,
    plan: planFingerprint(plan),
    encoders: encodersOf(plan),
    importance: {
      ...importance,
      unmeasured: [...records.values()].filter(({ unmeasured }) => unmeasured).length,
    },
    source: {
      digest: sourceDigest(source),
      tensors: source.tensors.size,
      byteLength: [...source.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    },
    dispositions: countDispositions(accountFor(plan, changedBySource(files, records))),
    dropped: plan.dropped,
    files: files.map(({ byteLength }, i) => ({ name: names[i], byteLength })),
    tensors: files.flatMap(({ file }, f) =>
      file.tensors
        .flatMap(({ outputs }) => outputs)
        .map(({ name, dtype, shape, ...rest }, i) => ({
          name,
          file: names[f],
          dtype,
          shape,
          byteLength: tensorBytes({ dtype, shape, ...rest }),
          crc32: crcHex(crcs[f][i]),
        })),
    ),
    certificate: certify(files, records),
  } as const;
  const revision = sourceRevision(source);
  return {
    ...facts,
    digest: digestOf(facts),
    provenance: {
      ...(revision && { revision }),
      files: (await sourceFiles(source)).map(({ mtimeMs: _, ...file }) => file),
    },
    run,
  };
}

const digestOf = (facts: object): string => createHash("sha256").update(JSON.stringify(facts)).digest("hex");

/** Values that were changed where exactness was at stake, by source tensor. */
export function changedBySource(
  files: readonly LaidOutFile[],
  records: ReadonlyMap<number, PieceRecord>,
): ReadonlyMap<string, number> {
  const changed = new Map<string, number>();
  for (const { number, piece } of allPieces(files)) {
    const record = records.get(number);
    if (!record?.changed) continue;
    for (const { entry } of piece.parts)
      changed.set(entry.weight.name, (changed.get(entry.weight.name) ?? 0) + record.changed);
  }
  return changed;
}

export const manifestPath = (sidecar: string): string => join(sidecar, "manifest.json");

/** Reads a manifest and checks that its digest is that of its content; undefined where there is none. */
export async function readManifest(sidecar: string): Promise<Manifest | undefined> {
  const path = manifestPath(sidecar);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw systemError(error, path);
  }
  let manifest: Manifest;
  try {
    manifest = (JSON.parse(text) ?? {}) as Manifest;
  } catch {
    throw dataError({ what: "the manifest is not JSON", file: path });
  }
  const { digest, provenance: _p, run: _r, ...facts } = manifest;
  if (digest !== digestOf(facts))
    throw dataError({
      what: "the manifest does not fit its own digest",
      file: path,
      expected: digest,
      found: digestOf(facts),
      next: "it was edited or damaged",
    });
  return manifest;
}
