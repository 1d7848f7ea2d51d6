import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import type { StoredTensor } from "../../tools/model/stored-tensor.ts";
import { referenceModel } from "../../tools/reference/forward.ts";
import { openLayerStream } from "../../tools/reference/layer-stream.ts";
import { openModelKernels } from "../../tools/reference/model-kernels.ts";
import { batchTokens } from "../../tools/reference/token-batches.ts";
import { streamLayer } from "../../tools/validate/stream-layers.ts";

/**
 * npx tsx test/bench/validate-layers.ts CHECKPOINT ARTEFACT [TOKENS] [LAYERS]: time and memory of every layer of a
 * validation with Flash's geometry. The checkpoint has three layers of Flash's dimensions (sliding and hash routed, CSA,
 * HCA: `v4kit demo generate --preset flash-layer --set layerCount=3`); each stands for all layers of its kind.
 */
const [checkpoint, artefact, tokens = "128", layers = "43"] = process.argv.slice(2);
const layerCount = Number(layers);

/** A source whose layers repeat the stored ones, in Flash's order: two sliding, then CSA and HCA in turn. */
function repeated(source: TensorSource): TensorSource {
  const kindOf = (layer: number): number => (layer < 2 ? 0 : layer % 2 === 0 ? 1 : 2);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of source.tensors) {
    const [, stored, rest] = /^layers\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (stored === undefined) tensors.set(name, tensor);
    for (let layer = 0; layer < layerCount; layer++)
      if (stored !== undefined && kindOf(layer) === Number(stored)) {
        const own = `layers.${layer}.${rest}`;
        tensors.set(own, { ...tensor, name: own });
      }
  }
  const compressRatios = [...Array.from({ length: layerCount }, (_, layer) => [0, 4, 128][kindOf(layer)]), 0];
  return {
    ...source,
    config: { ...source.config, layerCount, hashLayerCount: 2, compressRatios },
    tensors,
  };
}

const status = (field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) / 1024;

const folder = mkdtempSync(join(tmpdir(), "v4kit-layers-"));
const kernels = openModelKernels(2);
const sources = [repeated(await openCheckpoint(checkpoint)), repeated(await openCheckpoint(artefact))];
const { config } = sources[0];
const ids = Array.from({ length: Number(tokens) }, (_, i) => (i * 7919 + 13) % config.vocabSize);
const batches = batchTokens([ids], config);
const [reference, candidate] = await Promise.all(
  sources.map((source, i) =>
    openLayerStream({
      model: referenceModel(source, kernels, "fp32"),
      batches,
      folder,
      name: ["reference", "artefact"][i],
    }),
  ),
);
await reference.embed();
await candidate.embed();
console.log("layer,kind,seconds,resident_mib,peak_mib,nmse");
for (let layer = 0; layer < layerCount; layer++) {
  const startedMs = performance.now();
  const ratio = config.compressRatios[layer];
  const row = await streamLayer({
    pair: { reference, candidate },
    batches,
    layer,
    ratio,
    expertsPerToken: config.expertsPerToken,
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const kind = ratio === 0 ? "sliding" : ratio === 4 ? "csa" : "hca";
  console.log(
    `${layer},${kind},${seconds},${status("VmRSS").toFixed(0)},${status("VmHWM").toFixed(0)},${row.nmse.toExponential(2)}`,
  );
}
await reference.close();
await candidate.close();
rmSync(folder, { recursive: true });
