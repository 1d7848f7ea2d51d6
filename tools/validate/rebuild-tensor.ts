import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { byteLengthOf, type Dtype, isDtype, traitsOf } from "../formats/dtypes.ts";
import { inputError, usageError } from "../lib/errors.ts";
import { type CensusEntry, takeCensus } from "../model/census.ts";
import { encodeTensor } from "../quantize/encode-tensor.ts";

/** A tensor made again from the source beside what the artefact holds. */
export interface RebuildResult {
  readonly artefact: string;
  readonly reference: string;
  /** What the user named. */
  readonly name: string;
  /** Official names: one, or a whole stack of experts. */
  readonly tensors: number;
  readonly format: string;
  readonly byteLength: number;
  readonly equal: boolean;
  /** Bytes that differ. */
  readonly different: number;
  readonly first?: FirstDifference;
}

/** Where the first byte differs, and the first value of its block that does. */
export interface FirstDifference {
  readonly tensor: string;
  readonly byteOffset: number;
  readonly row: number;
  readonly column: number;
  readonly rebuilt: number;
  readonly stored: number;
}

/**
 * Encodes a tensor from the reference again, in the format that the artefact stores, and compares bytes. `name` is an
 * official name, or a GGUF's, which may be a stack of experts.
 */
export async function rebuildTensor(
  artefactPath: string,
  referencePath: string,
  name: string,
): Promise<RebuildResult> {
  const kernels = loadKernels();
  const artefact = await openCheckpoint(artefactPath);
  const reference = await openCheckpoint(referencePath);
  try {
    const entriesOf = (source: TensorSource) =>
      takeCensus(source.config, source.tensors, source.location).entries.filter(
        ({ spec }) => spec.name === name || spec.gguf === name,
      );
    const stored = new Map(entriesOf(artefact).map((entry) => [entry.spec.name, entry]));
    const entries = entriesOf(reference).filter(({ spec }) => stored.has(spec.name));
    if (entries.length === 0)
      throw inputError({
        what: `no tensor of that name in both checkpoints`,
        file: artefactPath,
        tensor: name,
        expected: "an official name, or a GGUF's",
      });
    let different = 0;
    let byteLength = 0;
    let first: FirstDifference | undefined;
    for (const entry of entries) {
      const twin = stored.get(entry.spec.name) as CensusEntry;
      const found = await compareBytes(kernels, { artefact, reference, entry, twin });
      byteLength += twin.weight.byteLength;
      different += found.different;
      first ??= found.first;
    }
    return {
      artefact: artefactPath,
      reference: referencePath,
      name,
      tensors: entries.length,
      format: (stored.get(entries[0].spec.name) as CensusEntry).format,
      byteLength,
      equal: different === 0,
      different,
      ...(first && { first }),
    };
  } finally {
    await artefact.close();
    await reference.close();
  }
}

interface Pair {
  readonly artefact: TensorSource;
  readonly reference: TensorSource;
  readonly entry: CensusEntry;
  readonly twin: CensusEntry;
}

async function compareBytes(kernels: Kernels, { artefact, reference, entry, twin }: Pair) {
  const { format } = twin;
  const name = entry.spec.name;
  if (twin.scale || !isDtype(format))
    throw usageError({
      what: `${format} with scales of its own cannot be rebuilt alone`,
      expected: "a tensor of a GGUF",
      found: name,
    });
  const rows = rowCount(entry);
  const width = rowLength(entry);
  const planned = {
    name,
    storage: format,
    outputs: [{ name, dtype: format, shape: entry.spec.shape, piece: "codes", rowsPerUnit: 1 }],
    rows,
    rowLength: width,
    parts: [{ entry, rowStart: 0, columnStart: 0 }],
  } as const;
  let different = 0;
  let first: FirstDifference | undefined;
  for await (const { offset, bytes } of encodeTensor(reference, kernels, planned)) {
    const theirs = new Uint8Array(bytes.length);
    await artefact.read(twin.weight, offset, theirs);
    if (Buffer.compare(bytes, theirs) === 0) continue;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== theirs[i]) different++;
    if (first) continue;
    const at = bytes.findIndex((byte, i) => byte !== theirs[i]);
    first = {
      tensor: name,
      byteOffset: offset + at,
      ...firstValue(kernels, format, [bytes, theirs], at, offset, width),
    };
  }
  return { different, first };
}

/** The first value that differs in the block of a byte. Where codes differ that mean the same, the block's first value. */
function firstValue(
  kernels: Kernels,
  format: Dtype,
  [rebuilt, stored]: readonly [Uint8Array, Uint8Array],
  at: number,
  offset: number,
  width: number,
) {
  const { blockBytes, blockLength } = traitsOf(format);
  const block = Math.floor(at / blockBytes);
  const valuesOf = (bytes: Uint8Array): ArrayLike<number> => {
    const own = bytes.slice(block * blockBytes, (block + 1) * blockBytes);
    if (format === "i32") return new Int32Array(own.buffer);
    const values = new Float32Array(blockLength);
    kernels.decode(format as DecodableFormat, own, values);
    return values;
  };
  const [a, b] = [valuesOf(rebuilt), valuesOf(stored)];
  const i = Math.max(
    0,
    Array.from({ length: blockLength }, (_, k) => k).findIndex((k) => a[k] !== b[k]),
  );
  const element = (Math.floor(offset / byteLengthOf(format, blockLength)) + block) * blockLength + i;
  return { row: Math.floor(element / width), column: element % width, rebuilt: a[i], stored: b[i] };
}
