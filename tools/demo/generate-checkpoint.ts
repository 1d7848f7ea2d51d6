import { join } from "node:path";
import { bf16 } from "../../kernels/scalar/elements.ts";
import { byteLengthOf, type Dtype } from "../formats/dtypes.ts";
import { layoutSafetensors } from "../formats/safetensors/layout.ts";
import { createRangedOutput, type RangedOutput, writeFileAtomic } from "../lib/disk.ts";
import { scaleName } from "../model/census.ts";
import { parseConfig } from "../model/config.ts";
import { inventory, type TensorSpec } from "../model/inventory.ts";
import { fp4Table, fp8Table, randomBytes } from "./code-values.ts";
import { formulaValues, type Spread } from "./formula-values.ts";
import { type GeneratedDims, generateConfig } from "./generate-config.ts";
import { generateTokenizer } from "./generate-tokenizer.ts";

export interface GenerateOptions {
  readonly folder: string;
  readonly dims: GeneratedDims;
  readonly seed: number;
  /**
   * `official`: FP4 experts, FP8 matrices, E8M0 scales. `base`: FP8 experts and F32 scales. `f32`: every tensor plain
   * F32, the value of each element a formula of its name and index.
   */
  readonly storage: "official" | "base" | "f32";
  /** Other keys of config.json, to override the generated ones. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A tensor to be generated; `write` fills consecutive chunks of its bytes. */
interface Generated {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly fill: (first: number, into: Uint8Array) => void;
}

const CHUNK_BYTES = 1 << 22;
const FP8_BLOCK = 128;
const FP4_GROUP = 32;

/** Writes a checkpoint of random weights in the official layout, one shard per layer, in bounded memory. */
export async function generateCheckpoint(options: GenerateOptions): Promise<void> {
  const { folder, dims, storage } = options;
  const expertDtype = storage === "official" ? "fp4" : storage === "base" ? "fp8" : undefined;
  const json = { ...generateConfig(dims, expertDtype), ...options.config };
  const config = parseConfig(json, join(folder, "config.json"));
  const shards = new Map<string, Generated[]>();
  for (const spec of inventory(config, dims.mtpBlocks === 1 ? "mtp" : "none")) {
    const key = shardKey(spec);
    shards.set(key, [...(shards.get(key) ?? []), ...generatedTensors(spec, options)]);
  }
  const weightMap: Record<string, string> = {};
  let totalBytes = 0;
  for (const [i, tensors] of [...shards.values()].entries()) {
    const number = (value: number): string => String(value).padStart(5, "0");
    const file = `model-${number(i + 1)}-of-${number(shards.size)}.safetensors`;
    totalBytes += await writeShard(join(folder, file), tensors);
    for (const { name } of tensors) weightMap[name] = file;
  }
  const documents = {
    "model.safetensors.index.json": { metadata: { total_size: totalBytes }, weight_map: weightMap },
    "tokenizer.json": generateTokenizer(),
    "config.json": json,
  };
  for (const [name, document] of Object.entries(documents))
    await writeFileAtomic(
      join(folder, name),
      new TextEncoder().encode(`${JSON.stringify(document, null, 1)}\n`),
    );
}

const shardKey = ({ block, name }: TensorSpec): string =>
  block.kind === "root" ? (name === "embed.weight" ? "embed" : "head") : `${block.kind}.${block.index}`;

async function writeShard(path: string, tensors: readonly Generated[]): Promise<number> {
  const layout = layoutSafetensors(tensors);
  const output = await createRangedOutput(path, { byteLength: layout.byteLength, force: true });
  try {
    await output.write(layout.prefix, 0);
    for (const [i, tensor] of tensors.entries()) await writeTensor(output, tensor, layout.offsets[i]);
    await output.commit();
  } finally {
    await output.discard();
  }
  return layout.byteLength - layout.prefix.length;
}

const chunk = new Uint8Array(CHUNK_BYTES);

async function writeTensor(
  output: RangedOutput,
  { dtype, shape, fill }: Generated,
  offset: number,
): Promise<void> {
  const byteLength = byteLengthOf(
    dtype,
    shape.reduce((product, dimension) => product * dimension, 1),
  );
  for (let done = 0; done < byteLength; done += CHUNK_BYTES) {
    const bytes = chunk.subarray(0, Math.min(CHUNK_BYTES, byteLength - done));
    fill(done, bytes);
    await output.write(bytes, offset + done);
  }
}

function generatedTensors(spec: TensorSpec, { storage, seed, dims }: GenerateOptions): Generated[] {
  const { name, shape } = spec;
  if (spec.storage === "table")
    return [{ name, dtype: "i64", shape, fill: (first, into) => fillTable(first, into, dims) }];
  const spread = spreadOf(spec);
  const plain = (dtype: "f32" | "bf16"): Generated[] => [
    { name, dtype, shape, fill: (first, into) => fillPlain(name, seed, spread, dtype, first, into) },
  ];
  if (storage === "f32" || spec.storage === "f32") return plain("f32");
  if (spec.storage === "float") return plain("bf16");
  const [out, in_] = shape;
  if (spec.storage === "expert" && storage === "official") {
    const exponent = Math.ceil(Math.log2(spread.amplitude / 6));
    return [
      {
        name,
        dtype: "i8",
        shape: [out, in_ / 2],
        fill: codeFiller(name, seed, fp4Table(spread.amplitude / 2 ** exponent)),
      },
      {
        name: scaleName(name),
        dtype: "F8_E8M0",
        shape: [out, in_ / FP4_GROUP],
        fill: codeFiller(scaleName(name), seed, exponentTable(exponent)),
      },
    ];
  }
  const exponent = Math.ceil(Math.log2(spread.amplitude / 448));
  const scaleShape = [Math.ceil(out / FP8_BLOCK), Math.ceil(in_ / FP8_BLOCK)];
  const codes: Generated = {
    name,
    dtype: "F8_E4M3",
    shape,
    fill: codeFiller(name, seed, fp8Table(spread.amplitude / 2 ** exponent)),
  };
  const scale: Generated =
    storage === "base"
      ? {
          name: scaleName(name),
          dtype: "f32",
          shape: scaleShape,
          fill: (_, into) => new Float32Array(into.buffer, 0, into.length / 4).fill(2 ** exponent),
        }
      : {
          name: scaleName(name),
          dtype: "F8_E8M0",
          shape: scaleShape,
          fill: codeFiller(scaleName(name), seed, exponentTable(exponent)),
        };
  return [codes, scale];
}

/** E8M0 bytes of the exponent and, for a quarter of the groups, of the one below. */
const exponentTable = (exponent: number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => 127 + exponent - (byte < 64 ? 1 : 0));

function codeFiller(name: string, seed: number, table: Uint8Array): Generated["fill"] {
  return (first, into) => {
    const start = new Float32Array(1);
    formulaValues(name, seed, { amplitude: 1, center: 0 }, first, start);
    randomBytes(Math.floor((start[0] + 1) * 2 ** 31), into);
    for (let i = 0; i < into.length; i++) into[i] = table[into[i]];
  };
}

/** Spread of a tensor's values: matrices keep the scale of their input, norms lie around 1. */
function spreadOf({ role, part, shape }: TensorSpec): Spread {
  if (role === "norm") return { amplitude: 0.2, center: 1 };
  if (part.endsWith("_scale")) return { amplitude: 0.3, center: 1 };
  if (role === "sink" || role === "router_bias" || role === "ape" || part.endsWith("_base"))
    return { amplitude: 0.5, center: 0 };
  return { amplitude: 2 / Math.sqrt(shape.at(-1) as number), center: 0 };
}

let values = new Float32Array(0);

function fillPlain(
  name: string,
  seed: number,
  spread: Spread,
  dtype: "f32" | "bf16",
  first: number,
  into: Uint8Array,
): void {
  const bytes = dtype === "f32" ? 4 : 2;
  const count = into.length / bytes;
  if (values.length < count) values = new Float32Array(count);
  const part = values.subarray(0, count);
  formulaValues(name, seed, spread, first / bytes, part);
  if (dtype === "f32") into.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  else for (let i = 0; i < count; i++) bf16.encodeBlock?.(part, i, into, 2 * i);
}

/** Routing by token id [vocab, K]: distinct experts for each token as long as there are enough of them. */
function fillTable(first: number, into: Uint8Array, { expertCount, expertsPerToken }: GeneratedDims): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  for (let at = 0; at < into.length; at += 8) {
    const element = (first + at) / 8;
    const token = Math.floor(element / expertsPerToken);
    const slot = element % expertsPerToken;
    const base = token % expertCount;
    const stride = 1 + (Math.floor(token / expertCount) % Math.max(1, expertCount - 1));
    const expert = slot === 0 ? base : (base + slot - 1 + stride) % expertCount;
    view.setBigInt64(at, BigInt(expert), true);
  }
}
