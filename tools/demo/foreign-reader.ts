import { gguf } from "@huggingface/gguf";
import { dtypeOfGgmlType } from "../formats/dtypes.ts";
import { readGgufHeader } from "../formats/gguf/reader.ts";
import type { GgufValue } from "../formats/gguf/values.ts";
import { openForReading } from "../lib/files.ts";

/** What two parsers that share no code make of one file. */
export interface ForeignVerdict {
  readonly keys: number;
  readonly tensors: number;
  /** Keys and tensors on which they disagree. */
  readonly disagreements: readonly string[];
}

/** Parses a GGUF with Hugging Face's reader and with ours, and compares every key and every tensor's place. */
export async function compareReaders(path: string): Promise<ForeignVerdict> {
  const file = await openForReading(path);
  const ours = await readGgufHeader(file).finally(() => file.close());
  const theirs = await gguf(path, { allowLocalFile: true });
  const disagreements: string[] = [];
  const foreignKeys = theirs.metadata as unknown as Record<string, unknown>;
  for (const [key, value] of ours.metadata) if (!sameValue(value, foreignKeys[key])) disagreements.push(key);
  // The foreign reader adds the header's three counts as keys of their own.
  const extra = Object.keys(foreignKeys).filter(
    (key) => !ours.metadata.has(key) && !["version", "tensor_count", "kv_count"].includes(key),
  );
  const foreignTensors = new Map(theirs.tensorInfos.map((info) => [info.name, info]));
  for (const { name, dtype, ne, byteOffset } of ours.entries) {
    const info = foreignTensors.get(name);
    const same =
      info !== undefined &&
      dtypeOfGgmlType(info.dtype)?.name === dtype &&
      info.shape.map(Number).join() === ne.join() &&
      Number(theirs.tensorDataOffset + info.offset) === byteOffset;
    if (!same) disagreements.push(name);
    foreignTensors.delete(name);
  }
  disagreements.push(...extra, ...foreignTensors.keys());
  return { keys: ours.metadata.size, tensors: ours.entries.length, disagreements };
}

function sameValue(ours: GgufValue, theirs: unknown): boolean {
  if (ours.type === "array")
    return (
      Array.isArray(theirs) &&
      theirs.length === ours.value.length &&
      theirs.every((item, i) => item === ours.value[i])
    );
  return theirs === ours.value;
}
