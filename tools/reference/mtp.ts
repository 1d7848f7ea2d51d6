import { createAttentionState } from "./attention.ts";
import type { ReferenceModel } from "./forward.ts";
import { runLayer } from "./layer.ts";
import { loadLayer, loadMhc } from "./load-layer.ts";
import { hcCollapse } from "./mhc.ts";
import { rmsNorm } from "./norm.ts";

/**
 * The MTP block over a whole sequence (model spec 3.8). `streams` are the trunk's final streams [positions, n, H],
 * `next` the token that follows each position; the result are the logits [positions, vocab] of the token after that.
 */
export async function forwardMtp(
  { config, loader, context }: ReferenceModel,
  streams: Float32Array,
  next: readonly number[],
): Promise<Float32Array> {
  const { hiddenSize, rmsNormEpsilon: epsilon, mhc } = config;
  const { bf16, activation } = context.rounding;
  const count = next.length;
  const width = mhc.streams * hiddenSize;
  const e = await loader.rows("embed.weight", next);
  bf16(rmsNorm(bf16(e), hiddenSize, epsilon, await loader.vector("mtp.0.enorm.weight")));
  const eProj = await loader.matrix("mtp.0.e_proj.weight");
  const projected = bf16(eProj.apply(activation(e, hiddenSize), count));
  // Every stream of a token is a row of its own: z[s] = e_proj e + h_proj RMS(X[s]).
  const h = rmsNorm(
    streams.slice(0, count * width),
    hiddenSize,
    epsilon,
    await loader.vector("mtp.0.hnorm.weight"),
  );
  const hProj = await loader.matrix("mtp.0.h_proj.weight");
  const z = bf16(hProj.apply(activation(bf16(h), hiddenSize), count * mhc.streams));
  for (let i = 0; i < z.length; i++) z[i] += projected[Math.floor(i / width) * hiddenSize + (i % hiddenSize)];
  bf16(z);
  const weights = await loadLayer(loader, "mtp.0.", 0);
  await runLayer(context, weights, [{ state: createAttentionState(config, 0), position: 0, count }], z, next);
  const x = hcCollapse(context, z, await loadMhc(loader, "mtp.0.hc_head_"));
  bf16(rmsNorm(bf16(x), hiddenSize, epsilon, await loader.vector("mtp.0.norm.weight")));
  return (await loader.matrix("head.weight")).apply(x, count);
}
