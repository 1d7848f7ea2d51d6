import { layoutGguf } from "../formats/gguf/layout.ts";
import { layoutSafetensors } from "../formats/safetensors/layout.ts";
import type { PlannedFile } from "../plan/output-plan.ts";
import type { FileMetadata } from "./gguf-metadata.ts";

/** A planned file with the place of every byte. */
export interface LaidOutFile {
  readonly file: PlannedFile;
  readonly byteLength: number;
  /** Absolute position of every stored tensor, by matrix and output. */
  readonly offsets: readonly (readonly number[])[];
  /** Header and metadata. Its length does not depend on the checksums: CRC-32 of every stored tensor, in order. */
  prefix(crcs: readonly number[]): Uint8Array;
}

/** Number of tensors that a file stores. */
export const storedTensors = ({ tensors }: PlannedFile): number =>
  tensors.reduce((sum, { outputs }) => sum + outputs.length, 0);

/** Lays out one file: a GGUF with its metadata, or a safetensors shard. */
export function layoutFile(file: PlannedFile, metadata: FileMetadata): LaidOutFile {
  const outputs = file.tensors.flatMap((tensor) => tensor.outputs);
  const layOut = (crcs: readonly number[]) =>
    metadata.container === "gguf"
      ? layoutGguf(
          metadata.keys(crcs),
          outputs.map(({ name, dtype, shape }) => ({ name, dtype, ne: [...shape].reverse() })),
        )
      : layoutSafetensors(outputs, metadata.strings);
  const { offsets, byteLength } = layOut(outputs.map(() => 0));
  let next = 0;
  return {
    file,
    byteLength,
    offsets: file.tensors.map((tensor) => tensor.outputs.map(() => offsets[next++])),
    prefix: (crcs) => layOut(crcs).prefix,
  };
}
