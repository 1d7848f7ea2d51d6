import type { Kernels } from "../../kernels/kernels.ts";
import { readRows, readStored, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { Census, CensusEntry } from "../model/census.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { AttentionWeights, CompressorWeights } from "./attention.ts";
import type { LayerWeights } from "./layer.ts";
import { type Linear, type RowRange, storedLinear } from "./linear.ts";
import type { MhcWeights } from "./mhc.ts";
import type { ExpertWeights, MoeWeights } from "./moe.ts";

/** Reads tensors of one checkpoint by official name. */
export interface TensorLoader {
  has(name: string): boolean;
  vector(name: string): Promise<Float32Array>;
  /** A matrix, or `rows` of it as a matrix of their own. */
  matrix(name: string, rows?: RowRange): Promise<Linear>;
  /** Single rows of a matrix, one after the other: [ids, columns]. */
  rows(name: string, ids: readonly number[]): Promise<Float32Array>;
  /** A routing table as I32. */
  table(name: string): Promise<Int32Array>;
}

export function createLoader(source: TensorSource, census: Census, kernels: Kernels): TensorLoader {
  const entries = new Map(census.entries.map((entry) => [entry.spec.name, entry]));
  const find = (name: string): CensusEntry => {
    const entry = entries.get(name);
    if (!entry) throw new RangeError(`no tensor ${name}`);
    return entry;
  };
  const values = async (entry: CensusEntry): Promise<Float32Array> => {
    const into = new Float32Array(rowCount(entry) * rowLength(entry));
    await readRows(source, kernels, entry, 0, into);
    return into;
  };
  const bytesOf = async (tensor: StoredTensor, byteOffset = 0, byteLength = tensor.byteLength) => {
    const bytes = new Uint8Array(byteLength);
    await source.read(tensor, byteOffset, bytes);
    return bytes;
  };
  return {
    has: (name) => entries.has(name),
    vector: (name) => values(find(name)),
    async matrix(name, rows) {
      const entry = find(name);
      const { first, count } = rows ?? { first: 0, count: rowCount(entry) };
      const stored = await readStored(source, entry, first, count);
      return storedLinear(kernels, { entry, stored, firstRow: first, out: count });
    },
    async rows(name, ids) {
      const entry = find(name);
      const cols = rowLength(entry);
      const into = new Float32Array(ids.length * cols);
      const outside = ids.find((id) => !(id >= 0 && id < rowCount(entry)));
      if (outside !== undefined) throw new RangeError(`${name} has no row ${outside}`);
      // In the order of the table: a token that comes again is in the page cache, and reads go forward.
      const order = ids.map((_, i) => i).sort((a, b) => ids[a] - ids[b]);
      for (const i of order)
        await readRows(source, kernels, entry, ids[i], into.subarray(i * cols, (i + 1) * cols));
      return into;
    },
    async table(name) {
      const { weight, format } = find(name);
      const words = new Int32Array((await bytesOf(weight)).buffer);
      // Little-endian I64 ids below 2^31: the low words.
      return format === "i64" ? words.filter((_, i) => i % 2 === 0) : words;
    },
  };
}

/** Awaits everything named at once: reads overlap, and those of the next layer run behind this one's arithmetic. */
async function together<T extends Readonly<Record<string, unknown>>>(
  parts: T,
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  const values = await Promise.all(Object.values(parts));
  return Object.fromEntries(Object.keys(parts).map((key, i) => [key, values[i]])) as {
    [K in keyof T]: Awaited<T[K]>;
  };
}

/** The weights of a block; `prefix` is `layers.N.` or `mtp.0.`. Routed experts are read when tokens reach them. */
export async function loadLayer(loader: TensorLoader, prefix: string, ratio: number): Promise<LayerWeights> {
  return together({
    ratio,
    attnMhc: loadMhc(loader, `${prefix}hc_attn_`),
    attnNorm: loader.vector(`${prefix}attn_norm.weight`),
    attention: loadAttention(loader, `${prefix}attn.`, ratio),
    ffnMhc: loadMhc(loader, `${prefix}hc_ffn_`),
    ffnNorm: loader.vector(`${prefix}ffn_norm.weight`),
    moe: loadMoe(loader, `${prefix}ffn.`),
  });
}

export async function loadMhc(loader: TensorLoader, prefix: string): Promise<MhcWeights> {
  return together({
    fn: loader.vector(`${prefix}fn`),
    scale: loader.vector(`${prefix}scale`),
    base: loader.vector(`${prefix}base`),
  });
}

async function loadAttention(loader: TensorLoader, prefix: string, ratio: number): Promise<AttentionWeights> {
  return together({
    wqA: loader.matrix(`${prefix}wq_a.weight`),
    qNorm: loader.vector(`${prefix}q_norm.weight`),
    wqB: loader.matrix(`${prefix}wq_b.weight`),
    wkv: loader.matrix(`${prefix}wkv.weight`),
    kvNorm: loader.vector(`${prefix}kv_norm.weight`),
    woA: loader.matrix(`${prefix}wo_a.weight`),
    woB: loader.matrix(`${prefix}wo_b.weight`),
    sinks: loader.vector(`${prefix}attn_sink`),
    ...(ratio !== 0 && { compressor: loadCompressor(loader, `${prefix}compressor.`) }),
    ...(ratio === 4 && {
      indexer: together({
        wqB: loader.matrix(`${prefix}indexer.wq_b.weight`),
        weightsProj: loader.matrix(`${prefix}indexer.weights_proj.weight`),
        compressor: loadCompressor(loader, `${prefix}indexer.compressor.`),
      }),
    }),
  });
}

async function loadCompressor(loader: TensorLoader, prefix: string): Promise<CompressorWeights> {
  return together({
    wkv: loader.matrix(`${prefix}wkv.weight`),
    wgate: loader.matrix(`${prefix}wgate.weight`),
    ape: loader.vector(`${prefix}ape`),
    norm: loader.vector(`${prefix}norm.weight`),
  });
}

async function loadMoe(loader: TensorLoader, prefix: string): Promise<MoeWeights> {
  const table = `${prefix}gate.tid2eid`;
  return together({
    gate: loader.matrix(`${prefix}gate.weight`),
    ...(loader.has(table) ? { tid2eid: loader.table(table) } : { bias: loader.vector(`${prefix}gate.bias`) }),
    shared: loadExpert(loader, `${prefix}shared_experts.`),
    expert: (id: number) => loadExpert(loader, `${prefix}experts.${id}.`),
  });
}

async function loadExpert(loader: TensorLoader, prefix: string): Promise<ExpertWeights> {
  return together({
    w1: loader.matrix(`${prefix}w1.weight`),
    w2: loader.matrix(`${prefix}w2.weight`),
    w3: loader.matrix(`${prefix}w3.weight`),
  });
}
