import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { writeFileAtomic } from "../../tools/lib/disk.ts";
import { dataError } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_BLOB_BYTES } from "../../tools/lib/limits.ts";

/** Texts under the SHA-256 of their UTF-8, each written once: `blobs/sha256/ab/ab12….gz`. */
export interface BlobStore {
  /** Returns the SHA-256 once the text is on the disk. */
  put(text: string): Promise<string>;
  get(sha256: string): Promise<string>;
}

const gzipText = promisify(gzip);
const gunzipText = promisify(gunzip);

const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");

export function openBlobStore(folder: string): BlobStore {
  const pathOf = (sha256: string): string => join(folder, "sha256", sha256.slice(0, 2), `${sha256}.gz`);
  // Two samples may end with the same text at the same time.
  const writing = new Map<string, Promise<void>>();
  const write = async (sha256: string, text: string): Promise<void> => {
    const path = pathOf(sha256);
    if (await stat(path).catch(() => undefined)) return;
    await writeFileAtomic(path, await gzipText(text));
  };
  return {
    async put(text) {
      const sha256 = sha256Of(text);
      const busy = writing.get(sha256) ?? write(sha256, text).finally(() => writing.delete(sha256));
      writing.set(sha256, busy);
      await busy;
      return sha256;
    },
    async get(sha256) {
      const path = pathOf(sha256);
      const packed = await readSmallFile(path, MAX_BLOB_BYTES);
      const text = await gunzipText(packed, { maxOutputLength: MAX_BLOB_BYTES }).then(
        (bytes) => bytes.toString("utf8"),
        () => undefined,
      );
      if (text !== undefined && sha256Of(text) === sha256) return text;
      throw dataError({ what: "the text is not the one that its name promises", file: path });
    },
  };
}
