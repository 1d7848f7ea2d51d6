import type { Dtype } from "../formats/dtypes.ts";
import type { GgufMetadata } from "../formats/gguf/values.ts";

/**
 * What headers tell of an artefact, whoever knows it: a plan before it is made, a reader afterwards. An engine's rules
 * are checked against this and nothing else.
 */
export interface ArtefactFacts {
  readonly container: "gguf" | "safetensors";
  /** The model's files in order, then the drafter's sidecar. */
  readonly files: readonly ArtefactFile[];
  /** config.json of a folder, as parsed. Left out by a plan that does not know it yet. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** hf_quant_config.json of a folder, as parsed, where there is one. */
  readonly hfQuantConfig?: Readonly<Record<string, unknown>>;
  /** `weight_map` of the index; a folder with one file may lack it. */
  readonly weightMap?: ReadonlyMap<string, string>;
  /** Names of the folder's other files. Left out where unknown. */
  readonly extraFiles?: readonly string[];
}

export interface ArtefactFile {
  /** Without a folder. */
  readonly name: string;
  readonly kind: "model" | "mtp";
  /** A GGUF's keys with their exact types. Left out by a plan that does not know them yet. */
  readonly metadata?: GgufMetadata;
  /** In the order of the header, under the names in the file. */
  readonly tensors: readonly FactTensor[];
}

export interface FactTensor {
  readonly name: string;
  readonly dtype: Dtype;
  /** Row-major, outermost first, as stored. */
  readonly shape: readonly number[];
}
