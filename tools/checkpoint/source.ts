import type { GgufMetadata } from "../formats/gguf/values.ts";
import type { ModelConfig } from "../model/config.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";

/**
 * A checkpoint or artefact as every stage sees it: official tensor names in, byte ranges out. Opening one reads
 * headers only; no tensor is ever held as a whole.
 */
export interface TensorSource {
  /** What the user named. */
  readonly location: string;
  readonly layout: "safetensors" | "gguf";
  readonly config: ModelConfig;
  /** A GGUF's keys. */
  readonly metadata?: GgufMetadata;
  /** By official name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The files that hold the tensors. */
  readonly files: readonly string[];
  /** Fills `into` with the tensor's bytes from `byteOffset` on. */
  read(tensor: StoredTensor, byteOffset: number, into: Uint8Array): Promise<void>;
  /** A file beside the tensors (tokenizer.json, ...), or undefined. */
  readSidecar(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}
