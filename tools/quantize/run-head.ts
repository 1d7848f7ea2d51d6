import { stat } from "node:fs/promises";
import { readManifest } from "../artefact/manifest-file.ts";
import { sourceDigest, sourceIdentity } from "../checkpoint/source-identity.ts";
import { existingBytes } from "../lib/files.ts";
import { VERSION } from "../lib/package-root.ts";
import { planFingerprint } from "../plan/output-plan.ts";
import { encodersOf } from "./encoders.ts";
import { type JournalHead, journalPath } from "./journal.ts";
import type { Stage } from "./quantize.ts";

/** What a run depends on. */
export async function journalHead({ source, plan, facts }: Stage): Promise<JournalHead> {
  return {
    v4kit: VERSION,
    plan: planFingerprint(plan),
    source: await sourceIdentity(source),
    encoders: encodersOf(plan).join(" "),
    importance: facts.sha256 ?? facts.mode,
  };
}

/** Whether exactly this artefact is there already, complete, with its manifest. */
export async function isFinished(
  { place, files, source, facts }: Stage,
  head: JournalHead,
): Promise<boolean> {
  if ((await existingBytes(journalPath(place.sidecar))) > 0) return false;
  for (const [i, { final }] of place.files.entries())
    if ((await stat(final).catch(() => undefined))?.size !== files[i].byteLength) return false;
  const manifest = await readManifest(place.sidecar);
  return (
    manifest !== undefined &&
    manifest.v4kit === head.v4kit &&
    manifest.plan === head.plan &&
    manifest.source.digest === sourceDigest(source) &&
    // The digest is over headers: other weights of the same shapes differ in their files.
    manifest.run.identity === head.source &&
    manifest.encoders.join(" ") === head.encoders &&
    (manifest.importance.sha256 ?? manifest.importance.mode) === (facts.sha256 ?? facts.mode) &&
    manifest.files.every(({ byteLength }, i) => byteLength === files[i]?.byteLength)
  );
}
