import type { Kernels } from "../../kernels/kernels.ts";
import { readRows, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { Census, CensusEntry } from "../model/census.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { AttentionWeights, CompressorWeights } from "./attention.ts";
import type { LayerWeights } from "./layer.ts";
import { type Linear, storedLinear } from "./linear.ts";
import type { MhcWeights } from "./mhc.ts";
import type { ExpertWeights, MoeWeights } from "./moe.ts";

/** Reads tensors of one checkpoint by official name. */
export interface TensorLoader {
  has(name: string): boolean;
  vector(name: string): Promise<Float32Array>;
  matrix(name: string): Promise<Linear>;
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
  const bytesOf = async (tensor: StoredTensor): Promise<Uint8Array> => {
    const bytes = new Uint8Array(tensor.byteLength);
    await source.read(tensor, 0, bytes);
    return bytes;
  };
  return {
    has: (name) => entries.has(name),
    vector: (name) => values(find(name)),
    async matrix(name) {
      const entry = find(name);
      const weight = await bytesOf(entry.weight);
      const scale = entry.scale && (await bytesOf(entry.scale.tensor));
      return storedLinear(kernels, { entry, weight, ...(scale && { scale }) });
    },
    async table(name) {
      const { weight, format } = find(name);
      const words = new Int32Array((await bytesOf(weight)).buffer);
      // Little-endian I64 ids below 2^31: the low words.
      return format === "i64" ? words.filter((_, i) => i % 2 === 0) : words;
    },
  };
}

/** The weights of a block; `prefix` is `layers.N.` or `mtp.0.`. Routed experts are read when tokens reach them. */
export async function loadLayer(loader: TensorLoader, prefix: string, ratio: number): Promise<LayerWeights> {
  return {
    ratio,
    attnMhc: await loadMhc(loader, `${prefix}hc_attn_`),
    attnNorm: await loader.vector(`${prefix}attn_norm.weight`),
    attention: await loadAttention(loader, `${prefix}attn.`, ratio),
    ffnMhc: await loadMhc(loader, `${prefix}hc_ffn_`),
    ffnNorm: await loader.vector(`${prefix}ffn_norm.weight`),
    moe: await loadMoe(loader, `${prefix}ffn.`),
  };
}

export async function loadMhc(loader: TensorLoader, prefix: string): Promise<MhcWeights> {
  return {
    fn: await loader.vector(`${prefix}fn`),
    scale: await loader.vector(`${prefix}scale`),
    base: await loader.vector(`${prefix}base`),
  };
}

async function loadAttention(loader: TensorLoader, prefix: string, ratio: number): Promise<AttentionWeights> {
  return {
    wqA: await loader.matrix(`${prefix}wq_a.weight`),
    qNorm: await loader.vector(`${prefix}q_norm.weight`),
    wqB: await loader.matrix(`${prefix}wq_b.weight`),
    wkv: await loader.matrix(`${prefix}wkv.weight`),
    kvNorm: await loader.vector(`${prefix}kv_norm.weight`),
    woA: await loader.matrix(`${prefix}wo_a.weight`),
    woB: await loader.matrix(`${prefix}wo_b.weight`),
    sinks: await loader.vector(`${prefix}attn_sink`),
    ...(ratio !== 0 && { compressor: await loadCompressor(loader, `${prefix}compressor.`) }),
    ...(ratio === 4 && {
      indexer: {
        wqB: await loader.matrix(`${prefix}indexer.wq_b.weight`),
        weightsProj: await loader.matrix(`${prefix}indexer.weights_proj.weight`),
        compressor: await loadCompressor(loader, `${prefix}indexer.compressor.`),
      },
    }),
  };
}

async function loadCompressor(loader: TensorLoader, prefix: string): Promise<CompressorWeights> {
  return {
    wkv: await loader.matrix(`${prefix}wkv.weight`),
    wgate: await loader.matrix(`${prefix}wgate.weight`),
    ape: await loader.vector(`${prefix}ape`),
    norm: await loader.vector(`${prefix}norm.weight`),
  };
}

async function loadMoe(loader: TensorLoader, prefix: string): Promise<MoeWeights> {
  const table = `${prefix}gate.tid2eid`;
  return {
    gate: await loader.matrix(`${prefix}gate.weight`),
    ...(loader.has(table)
      ? { tid2eid: await loader.table(table) }
      : { bias: await loader.vector(`${prefix}gate.bias`) }),
    shared: await loadExpert(loader, `${prefix}shared_experts.`),
    expert: (id) => loadExpert(loader, `${prefix}experts.${id}.`),
  };
}

async function loadExpert(loader: TensorLoader, prefix: string): Promise<ExpertWeights> {
  return {
    w1: await loader.matrix(`${prefix}w1.weight`),
    w2: await loader.matrix(`${prefix}w2.weight`),
    w3: await loader.matrix(`${prefix}w3.weight`),
  };
}
