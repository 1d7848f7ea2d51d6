import type { Manifest } from "../artefact/manifest-file.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { PieceRecord } from "./journal.ts";

/**
 * What holds of bytes that came by ranges, for an artefact of which any piece was made of such; undefined for others. A
 * range has no hash of its own: a server that sends wrong bytes of the right length is found where they make no value.
 */
export async function streamProof(
  source: TensorSource,
  records: ReadonlyMap<number, PieceRecord>,
): Promise<Manifest["provenance"]["streamed"]> {
  const origins = new Set([...records.values()].map(({ streamed }) => streamed));
  origins.delete(undefined);
  if (origins.size === 0) return undefined;
  const stated = (await source.fileFacts()).every(({ sha256 }) => sha256 !== undefined);
  const listed = stated && !origins.has("other");
  const { commit } = source;
  return {
    ...(commit && { commit }),
    verified: [
      "size of every file",
      listed
        ? "range, total length and hash tag (ETag) of every answer, against the commit's listing"
        : "range and total length of every answer",
      "structure of every shard's header",
      "values: none that may not be there",
    ],
    unverified: [
      stated ? "SHA-256 of the shards" : "SHA-256 of the shards, which nobody stated",
      ...(listed ? [] : ["that all answers are of one version of the files"]),
    ],
  };
}
