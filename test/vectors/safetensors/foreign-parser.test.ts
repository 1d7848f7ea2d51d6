import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
// The package has no types; this is all of it that is used.
// @ts-expect-error -- no declaration file
import { SafeTensor as Untyped } from "../../../node_modules/safetensors/dist/safetensors.es.js";
import { openCheckpoint } from "../../../tools/checkpoint/open.ts";
import { goldenCheckpoint } from "../../support/golden.ts";
import { scratchFolder } from "../../support/scratch.ts";
import { copyCheckpoint, readShard, shardPaths, writeShard } from "../../support/shards.ts";

interface ForeignFile {
  readonly metadata: Map<string, { dtype: string; shape: number[] }>;
  getTensor(name: string): Uint8Array;
}
const SafeTensor = Untyped as new (bytes: Uint8Array) => ForeignFile;

test("the npm package safetensors reads the same tensors and bytes from every shard", async () => {
  const folder = copyCheckpoint(goldenCheckpoint("case-a"), join(scratchFolder(), "copy"));
  // It stumbles over __metadata__, which the format allows: take it out for its sake.
  for (const path of shardPaths(folder)) {
    const shard = readShard(path);
    delete shard.header.__metadata__;
    writeShard(shard);
  }
  const source = await openCheckpoint(folder);
  let compared = 0;
  try {
    for (const path of shardPaths(folder)) {
      const foreign = new SafeTensor(new Uint8Array(readFileSync(path)));
      for (const [name, { shape }] of foreign.metadata) {
        const ours = source.tensors.get(name);
        if (!ours) throw new Error(`we do not see ${name}`);
        expect(ours.shape).toEqual(shape);
        const bytes = new Uint8Array(ours.byteLength);
        await source.read(ours, 0, bytes);
        expect(Buffer.compare(bytes, foreign.getTensor(name))).toBe(0);
        compared++;
      }
    }
  } finally {
    await source.close();
  }
  expect(compared).toBe(source.tensors.size);
});

test("tensors at unaligned offsets are read as they are", async () => {
  const folder = copyCheckpoint(goldenCheckpoint("case-a"), join(scratchFolder(), "unaligned"));
  for (const path of shardPaths(folder)) {
    const shard = readShard(path);
    // A header of odd length moves every tensor to an odd position.
    const json = JSON.stringify(shard.header);
    writeShard(shard, json.length % 2 === 0 ? `${json} ` : json);
    expect(Number(readFileSync(path).readBigUInt64LE(0)) % 2).toBe(1);
  }
  writeFileSync(join(folder, "note.txt"), "other files do not matter");
  const plain = await openCheckpoint(goldenCheckpoint("case-a"));
  const moved = await openCheckpoint(folder);
  try {
    for (const [name, tensor] of plain.tensors) {
      const [a, b] = [new Uint8Array(tensor.byteLength), new Uint8Array(tensor.byteLength)];
      await plain.read(tensor, 0, a);
      const twin = moved.tensors.get(name);
      if (!twin) throw new Error(name);
      await moved.read(twin, 0, b);
      expect(Buffer.compare(a, b)).toBe(0);
    }
  } finally {
    await plain.close();
    await moved.close();
  }
});
