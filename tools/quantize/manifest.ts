import { digestOf, type Manifest } from "../artefact/manifest-file.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { crcHex } from "../lib/crc32.ts";
import { VERSION } from "../lib/package-root.ts";
import { releaseName } from "../model/identify.ts";
import { type OutputPlan, planFingerprint } from "../plan/output-plan.ts";
import { tensorBytes } from "../plan/storage.ts";
import { accountFor, countDispositions } from "./account.ts";
import { certify } from "./certificate.ts";
import { allPieces, storedCrcs } from "./convert-plan.ts";
import { encodersOf } from "./encoders.ts";
import type { ImportanceFacts } from "./importance.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";
import { streamProof } from "./stream-proof.ts";

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
    recipe: { ...plan.recipe },
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
  const streamed = await streamProof(source, records);
  return {
    ...facts,
    digest: digestOf(facts),
    provenance: {
      ...(source.commit && { revision: source.commit }),
      files: (await source.fileFacts()).map(({ mtimeMs: _, ...file }) => file),
      ...(streamed && { streamed }),
    },
    run,
  };
}

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
