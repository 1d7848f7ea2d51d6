import { basename, dirname, join } from "node:path";
import { openCheckpoint } from "../checkpoint/open.ts";
import { checkStatedShapes } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { Dtype } from "../formats/dtypes.ts";
import { ggufTensorBytes } from "../formats/gguf/layout.ts";
import { usageError } from "../lib/errors.ts";
import { createProgress, silentProgress } from "../lib/progress.ts";
import { type Census, takeCensus } from "../model/census.ts";
import type { TensorRole } from "../model/inventory.ts";
import { type GgufPlan, type MtpChoice, planGguf } from "../plan/gguf-plan.ts";
import type { Recipe } from "../plan/recipe.ts";
import { type AccountedTensor, accountFor, type Disposition } from "./account.ts";
import { layoutFiles, type OutputFile, runPlan } from "./run-plan.ts";

export interface QuantizeOptions {
  readonly path: string;
  readonly recipe: Recipe;
  /** Final name of the model file, ending in `.gguf`. */
  readonly out: string;
  readonly mtp: MtpChoice;
  readonly workers: number;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
}

/** Output tensors of one role and format, added up. */
export interface OutputClass {
  readonly role: TensorRole;
  readonly file: "model" | "mtp";
  readonly from: string;
  readonly to: Dtype;
  readonly tensors: number;
  readonly byteLength: number;
}

export interface QuantizeResult {
  readonly dryRun: boolean;
  readonly recipe: string;
  readonly outputs: readonly { readonly path: string; readonly byteLength: number }[];
  readonly source: { readonly path: string; readonly byteLength: number; readonly tensors: number };
  readonly bitsPerWeight: number;
  readonly elapsedMs: number;
  readonly dispositions: Readonly<Record<Disposition, number>>;
  readonly classes: readonly OutputClass[];
  /** Every tensor of the source, once. */
  readonly tensors: readonly AccountedTensor[];
}

/** Name of the sidecar that holds the MTP block: `mtp-NAME.gguf` beside `NAME.gguf`. */
const sidecarPath = (out: string): string => join(dirname(out), `mtp-${basename(out)}`);

/** The whole stage: census, plan, conversion, account. A dry run stops before anything is written. */
export async function quantize(options: QuantizeOptions): Promise<QuantizeResult> {
  if (!options.out.endsWith(".gguf"))
    throw usageError({
      what: "the output must be a .gguf file",
      found: options.out,
      next: "give --out NAME.gguf",
    });
  const startedMs = Date.now();
  const source = await openCheckpoint(options.path);
  try {
    const census = takeCensus(source.config, source.tensors, source.location);
    await checkStatedShapes(source, census.entries);
    const plan = planGguf(census, options.recipe, options.mtp);
    const files = await layoutFiles(source, census, plan, [options.out, sidecarPath(options.out)]);
    const inexact = options.dryRun ? new Map<string, number>() : await convert(source, files, options);
    return describeResult({
      source,
      census,
      plan,
      files,
      inexact,
      elapsedMs: Date.now() - startedMs,
      options,
    });
  } finally {
    await source.close();
  }
}

async function convert(
  source: TensorSource,
  files: readonly OutputFile[],
  options: QuantizeOptions,
): Promise<ReadonlyMap<string, number>> {
  const total = files.reduce((sum, { layout }) => sum + layout.byteLength, 0);
  const progress = options.quiet ? silentProgress : createProgress("quantize", total);
  try {
    return await runPlan(source, files, { ...options, progress });
  } finally {
    progress.stop();
  }
}

interface Finished {
  readonly source: TensorSource;
  readonly census: Census;
  readonly plan: GgufPlan;
  readonly files: readonly OutputFile[];
  readonly inexact: ReadonlyMap<string, number>;
  readonly elapsedMs: number;
  readonly options: QuantizeOptions;
}

function describeResult({
  source,
  census,
  plan,
  files,
  inexact,
  elapsedMs,
  options,
}: Finished): QuantizeResult {
  const tensors = accountFor(plan, inexact);
  const dispositions: Record<Disposition, number> = {
    quantized: 0,
    preserved: 0,
    externalised: 0,
    dropped: 0,
  };
  for (const { disposition } of tensors) dispositions[disposition]++;
  const [model] = files;
  const weights = census.entries
    .filter(({ spec }) => spec.block.kind !== "mtp" && spec.role !== "tid2eid")
    .reduce((sum, { spec }) => sum + spec.shape.reduce((product, dimension) => product * dimension, 1), 0);
  return {
    dryRun: options.dryRun,
    recipe: `${plan.recipe.name}@${plan.recipe.version}`,
    outputs: files.map(({ path, layout }) => ({ path, byteLength: layout.byteLength })),
    source: {
      path: source.location,
      byteLength: [...source.tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0),
      tensors: source.tensors.size,
    },
    bitsPerWeight: (8 * model.layout.byteLength) / weights,
    elapsedMs,
    dispositions,
    classes: files.flatMap(classesOf),
    tensors,
  };
}

function classesOf({ file }: OutputFile): OutputClass[] {
  const classes = new Map<string, { -readonly [K in keyof OutputClass]: OutputClass[K] }>();
  for (const tensor of file.tensors) {
    const { spec, format: from } = tensor.parts[0].entry;
    const key = `${spec.role}/${from}/${tensor.dtype}`;
    const sum = classes.get(key) ?? {
      role: spec.role,
      file: file.kind,
      from,
      to: tensor.dtype,
      tensors: 0,
      byteLength: 0,
    };
    sum.tensors++;
    sum.byteLength += ggufTensorBytes(tensor);
    classes.set(key, sum);
  }
  return [...classes.values()];
}
