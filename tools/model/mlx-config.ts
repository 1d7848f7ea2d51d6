/** How one module of an MLX checkpoint is quantized. Mode "mxfp4" is always 4 bits in groups of 32. */
export interface MlxModule {
  /** The tensor's name without `.weight`. */
  readonly module: string;
  readonly bits: 4 | 8;
  readonly groupSize: number;
  readonly mode: "affine" | "mxfp4";
}

interface Setting {
  readonly group_size: number;
  readonly bits: number;
  readonly mode: MlxModule["mode"];
}

/** The setting of every module without an entry of its own, and those entries. */
export type MlxQuantization = Setting & { readonly [module: string]: string | number | Setting };

const settingOf = ({ groupSize, bits, mode }: MlxModule): Setting => ({ group_size: groupSize, bits, mode });

/**
 * The object `quantization` of config.json, to be written as `quantization_config` too: what the source has there would
 * be read as another method. Its own setting is the most frequent one of mode "affine" (of any mode if there is none;
 * the first of equals); modules that differ get an entry, in the order given. Undefined if nothing is quantized: the
 * config must then have neither key. Throws RangeError if a module is given twice.
 */
export function mlxQuantization(modules: readonly MlxModule[]): MlxQuantization | undefined {
  const seen = new Set<string>();
  for (const { module } of modules) {
    if (seen.has(module)) throw new RangeError(`mlxQuantization: ${module} is given twice`);
    seen.add(module);
  }
  const affine = modules.filter(({ mode }) => mode === "affine");
  const common = mostFrequent(affine.length > 0 ? affine : modules);
  if (!common) return undefined;
  const own = modules.filter((module) => keyOf(module) !== keyOf(common));
  return {
    ...settingOf(common),
    ...Object.fromEntries(own.map((module) => [module.module, settingOf(module)])),
  };
}

const keyOf = ({ mode, bits, groupSize }: MlxModule): string => `${mode} ${bits} ${groupSize}`;

function mostFrequent(modules: readonly MlxModule[]): MlxModule | undefined {
  const counts = new Map<string, number>();
  for (const module of modules) counts.set(keyOf(module), (counts.get(keyOf(module)) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return modules.find((module) => counts.get(keyOf(module)) === most);
}
