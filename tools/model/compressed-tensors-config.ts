/** The matrices of a compressed-tensors checkpoint by how they are stored, as module names without `.weight`. */
export interface CompressedModules {
  readonly int4: readonly string[];
  readonly int4Group: number;
  readonly fp8: readonly string[];
  readonly fp8Block: readonly [number, number];
  readonly plain: readonly string[];
  /** Whether a drafter is among the tensors. */
  readonly drafter: boolean;
}

/**
 * The object `quantization_config` of a compressed-tensors checkpoint: experts in the first group, dense matrices that
 * stayed FP8 in a second one, everything else that is a matrix under `ignore`.
 *
 * Loaders compare module names, with or without a prefix such as `model.`, so every pattern leaves the beginning open
 * and layer and expert numbers too. A drafter is ignored as a whole: its experts keep the release's FP4, for which this
 * method has no group, and no loader of this method reads it.
 */
export function compressedTensorsConfig(modules: CompressedModules): object {
  const { int4, int4Group, fp8, fp8Block, plain, drafter } = modules;
  const patterns = patternsOf([int4, fp8, plain]);
  const experts = {
    targets: patterns[0],
    format: "pack-quantized",
    input_activations: null,
    output_activations: null,
    weights: {
      num_bits: 4,
      type: "int",
      symmetric: true,
      strategy: "group",
      group_size: int4Group,
      dynamic: false,
      actorder: null,
      observer: "minmax",
    },
  };
  const dense = {
    targets: patterns[1],
    format: "float-quantized",
    input_activations: {
      num_bits: 8,
      type: "float",
      symmetric: true,
      strategy: "group",
      group_size: fp8Block[1],
      dynamic: true,
    },
    output_activations: null,
    weights: {
      num_bits: 8,
      type: "float",
      symmetric: true,
      strategy: "block",
      block_structure: fp8Block,
      dynamic: false,
    },
  };
  return {
    quant_method: "compressed-tensors",
    format: fp8.length > 0 ? "mixed-precision" : "pack-quantized",
    quantization_status: "compressed",
    config_groups: { group_0: experts, ...(fp8.length > 0 && { group_1: dense }) },
    ignore: [...patterns[2], ...(drafter ? ["re:.*mtp\\..*"] : [])],
    kv_cache_scheme: null,
  };
}

/** One pattern for the modules that differ in their numbers alone, unless another class has such a module too. */
function patternsOf(classes: readonly (readonly string[])[]): string[][] {
  const general = classes.map((modules) => new Set(modules.map((module) => patternOf(module, true))));
  return classes.map((modules, i) => [
    ...new Set(
      modules.map((module) => {
        const pattern = patternOf(module, true);
        const shared = general.some((other, j) => j !== i && other.has(pattern));
        return shared ? patternOf(module, false) : pattern;
      }),
    ),
  ]);
}

const patternOf = (module: string, anyNumber: boolean): string => {
  const parts = module.split(".").map((part) => (anyNumber && /^\d+$/.test(part) ? "\\d+" : part));
  return `re:.*${parts.join("\\.")}$`;
};
