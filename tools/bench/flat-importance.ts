import { openCheckpoint } from "../checkpoint/open.ts";
import { layoutGguf } from "../formats/gguf/layout.ts";
import type { GgufValue } from "../formats/gguf/values.ts";
import { writeFileAtomic } from "../lib/disk.ts";
import { takeCensus } from "../model/census.ts";

/** Writes an importance file in which every column of every expert counts the same: what measuring must improve on. */
export async function writeFlatImportance(checkpoint: string, path: string): Promise<void> {
  const source = await openCheckpoint(checkpoint);
  try {
    const { entries, config } = takeCensus(source.config, source.tensors, source.location);
    const columns = new Map(
      entries
        .filter(({ spec }) => spec.role === "expert" && spec.block.kind === "layer")
        .map(({ spec }) => [spec.gguf as string, spec.shape[1]]),
    );
    const tensors = [...columns].flatMap(([name, width]) => [
      { name: `${name}.in_sum2`, dtype: "f32" as const, ne: [width, config.expertCount] },
      { name: `${name}.counts`, dtype: "f32" as const, ne: [1, config.expertCount] },
    ]);
    const keys: [string, GgufValue][] = [["general.type", { type: "string", value: "imatrix" }]];
    const { prefix, offsets, byteLength } = layoutGguf(new Map(keys), tensors);
    const bytes = new Uint8Array(byteLength);
    bytes.set(prefix);
    for (const [i, { ne }] of tensors.entries())
      bytes.set(new Uint8Array(new Float32Array(ne[0] * ne[1]).fill(1).buffer), offsets[i]);
    await writeFileAtomic(path, bytes);
  } finally {
    await source.close();
  }
}
