import { dataError } from "../../lib/errors.ts";
import type { ReadableFile } from "../../lib/files.ts";
import { MAX_SAFETENSORS_HEADER_BYTES } from "../../lib/limits.ts";
import { parseSafetensorsHeader, type SafetensorsHeader } from "./header.ts";

/** Reads and checks the header of an open safetensors file; no tensor data is touched. */
export async function readSafetensorsHeader(file: ReadableFile): Promise<SafetensorsHeader> {
  const { path, byteLength } = file;
  if (byteLength < 8)
    throw dataError({
      what: "too short for a safetensors file",
      file: path,
      expected: "at least 8 bytes",
      found: `${byteLength}`,
    });
  const prefix = new Uint8Array(8);
  await file.read(prefix, 0);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > MAX_SAFETENSORS_HEADER_BYTES)
    throw dataError({
      what: "the header claims to be unreasonably long",
      file: path,
      offset: 0,
      expected: `at most ${MAX_SAFETENSORS_HEADER_BYTES} bytes`,
      found: `${headerBytes}`,
      next: "this is not a safetensors file, or it is damaged",
    });
  if (8 + headerBytes > byteLength)
    throw dataError({
      what: "the header is longer than the file",
      file: path,
      offset: 0,
      expected: `at most ${byteLength - 8} bytes`,
      found: `${headerBytes}`,
      next: "the shard is truncated: fetch it again",
    });
  const json = new Uint8Array(headerBytes);
  await file.read(json, 8);
  return parseSafetensorsHeader(json, byteLength, path);
}
