import type { GgufMetadata } from "../formats/gguf/values.ts";
import type { FileFacts } from "../lib/files.ts";
import type { ModelConfig } from "../model/config.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";

/** A file that holds tensors of a source. */
export interface SourceFile extends FileFacts {
  readonly name: string;
}

/** Where a byte lies: the file by its name in the folder, and the position in it. */
export interface FilePlace {
  readonly name: string;
  readonly position: number;
}

/**
 * A checkpoint or artefact as every stage sees it: official tensor names in, byte ranges out. Opening one reads
 * headers only; no tensor is ever held as a whole.
 */
export interface TensorSource {
  /** What the user named. */
  readonly location: string;
  /** The commit of the repository that it is, where that is known. */
  readonly commit?: string;
  readonly layout: "safetensors" | "gguf";
  readonly config: ModelConfig;
  /** A GGUF's keys. */
  readonly metadata?: GgufMetadata;
  /** By official name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The files that hold the tensors, as messages call them: paths where `isLocal`. */
  readonly files: readonly string[];
  readonly isLocal: boolean;
  /** What is known of those files without reading them. */
  fileFacts(): Promise<readonly SourceFile[]>;
  /** Where a byte of a tensor lies. */
  placeOf(tensor: StoredTensor, byteOffset: number): FilePlace;
  /** Fills `into` with the tensor's bytes from `byteOffset` on. */
  read(tensor: StoredTensor, byteOffset: number, into: Uint8Array): Promise<void>;
  /** A file beside the tensors (tokenizer.json, ...), or undefined. */
  readSidecar(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}
