import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface RawEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export type RawHeader = Record<string, RawEntry>;

/** A safetensors file taken apart, so that a test can break it in one place and put it together again. */
export interface RawShard {
  readonly path: string;
  header: RawHeader;
  data: Uint8Array;
}

export function readShard(path: string): RawShard {
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  return {
    path,
    header: JSON.parse(bytes.subarray(8, 8 + headerBytes).toString("utf8")) as RawHeader,
    data: new Uint8Array(bytes.subarray(8 + headerBytes)),
  };
}

/** Writes a shard; `json` replaces the header's text, for headers that JSON.stringify would never make. */
export function writeShard(shard: RawShard, json: string | Uint8Array = JSON.stringify(shard.header)): void {
  const text = typeof json === "string" ? Buffer.from(json) : Buffer.from(json);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(shard.path, Buffer.concat([prefix, text, shard.data]));
}

/** Copies a checkpoint folder for a test to damage. */
export function copyCheckpoint(from: string, to: string): string {
  cpSync(from, to, { recursive: true });
  return to;
}

export const shardPaths = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".safetensors"))
    .sort()
    .map((name) => join(folder, name));

/** The shard that holds a tensor. */
export function shardOf(folder: string, tensor: string): RawShard {
  for (const path of shardPaths(folder)) {
    const shard = readShard(path);
    if (tensor in shard.header) return shard;
  }
  throw new Error(`no shard holds ${tensor}`);
}

/** Changes bytes of a tensor's data in place. */
export function patchTensor(folder: string, tensor: string, change: (bytes: Uint8Array) => void): void {
  const shard = shardOf(folder, tensor);
  const [begin, end] = shard.header[tensor].data_offsets;
  change(shard.data.subarray(begin, end));
  writeShard(shard);
}

export function editJson(path: string, change: (value: Record<string, unknown>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  change(value);
  writeFileSync(path, JSON.stringify(value));
}

export function editIndex(folder: string, change: (weightMap: Record<string, string>) => void): void {
  editJson(join(folder, "model.safetensors.index.json"), (index) =>
    change(index.weight_map as Record<string, string>),
  );
}
