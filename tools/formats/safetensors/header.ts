import { dataError } from "../../lib/errors.ts";
import { elementCount, formatShape } from "../../lib/shape.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { type Dtype, dtypeOfSafetensors } from "../dtypes.ts";

/** A tensor as a safetensors header states it. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Absolute position in the file. The format promises no alignment. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parses the JSON of a safetensors header and checks every rule of the format: known dtypes, shapes whose size is
 * exactly the byte range, ranges that cover the data region without overlap, hole or trailing bytes.
 * `json` is the header without its length prefix, `fileBytes` the length of the whole file.
 */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  const root = parseStrictJson(json, file);
  if (!isObject(root)) throw dataError({ what: "the safetensors header is not a JSON object", file });
  const dataStart = 8 + json.length;
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(root))
    if (name !== "__metadata__") entries.push(parseEntry(name, value, { dataStart, fileBytes, file }));
  checkCoverage(entries, dataStart, fileBytes, file);
  return { entries, metadata: parseMetadata(root.__metadata__, file) };
}

interface Bounds {
  readonly dataStart: number;
  readonly fileBytes: number;
  readonly file: string;
}

function parseEntry(name: string, value: unknown, { dataStart, fileBytes, file }: Bounds): SafetensorsEntry {
  const at = { file, tensor: name };
  if (!isObject(value)) throw dataError({ what: "the header entry is not an object", ...at });
  const { dtype, shape, data_offsets: offsets } = value;
  const traits = typeof dtype === "string" ? dtypeOfSafetensors(dtype) : undefined;
  if (!traits) throw dataError({ what: "unknown dtype", ...at, found: JSON.stringify(dtype) });
  if (!isSizes(shape))
    throw dataError({
      what: "the shape is not a list of non-negative integers",
      ...at,
      found: JSON.stringify(shape),
    });
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    throw dataError({ what: "data_offsets is not [begin, end]", ...at, found: JSON.stringify(offsets) });
  const count = elementCount(shape);
  if (count === undefined || !Number.isSafeInteger(count * traits.blockBytes))
    throw dataError({ what: "the shape's product exceeds 2^53", ...at, found: formatShape(shape) });
  const byteLength = offsets[1] - offsets[0];
  if (byteLength !== count * traits.blockBytes)
    throw dataError({
      what: "the byte range does not fit dtype and shape",
      ...at,
      expected: `${count * traits.blockBytes} bytes for ${dtype} ${formatShape(shape)}`,
      found: `${byteLength} bytes`,
    });
  if (dataStart + offsets[1] > fileBytes)
    throw dataError({
      what: "the tensor lies beyond the end of the file",
      ...at,
      expected: `at least ${dataStart + offsets[1]} bytes in the file`,
      found: `${fileBytes}`,
      next: "the shard is truncated: fetch it again",
    });
  return { name, dtype: traits.name, shape, byteOffset: dataStart + offsets[0], byteLength };
}

function checkCoverage(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  fileBytes: number,
  file: string,
): void {
  const ordered = [...entries].sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let position = dataStart;
  for (const entry of ordered) {
    if (entry.byteOffset < position)
      throw dataError({
        what: "overlaps the tensor before it",
        file,
        tensor: entry.name,
        offset: entry.byteOffset,
      });
    if (entry.byteOffset > position)
      throw dataError({
        what: `a hole of ${entry.byteOffset - position} bytes lies before the tensor`,
        file,
        tensor: entry.name,
        offset: position,
      });
    position += entry.byteLength;
  }
  if (position !== fileBytes)
    throw dataError({
      what: `${fileBytes - position} bytes follow the last tensor`,
      file,
      offset: position,
      next: "fetch the file again",
    });
}

function parseMetadata(value: unknown, file: string): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isObject(value) || Object.values(value).some((entry) => typeof entry !== "string"))
    throw dataError({ what: "__metadata__ is not a map of strings", file });
  return value as Record<string, string>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
