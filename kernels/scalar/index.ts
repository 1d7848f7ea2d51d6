import type { DecodableFormat, EncodableFormat, EncodeOptions, Kernels } from "../kernels.ts";
import { OK } from "../kernels.ts";
import { attend, indexScores } from "./attention.ts";
import type { BlockCodec } from "./block-codec.ts";
import { columnEnergy } from "./column-energy.ts";
import { compare } from "./compare.ts";
import { bf16, f16, f32 } from "./elements.ts";
import { hadamard, rmsNorm, softmax, swiglu, topK } from "./forward.ts";
import { decodeFp4 } from "./fp4.ts";
import { decodeF8 } from "./fp8.ts";
import { gemm } from "./gemm.ts";
import { normaliseImportance } from "./importance.ts";
import { iq2_s } from "./iq2-s.ts";
import { iq2_xs } from "./iq2-xs.ts";
import { iq2_xxs } from "./iq2-xxs.ts";
import { iq3_s } from "./iq3-s.ts";
import { iq3_xxs } from "./iq3-xxs.ts";
import { iq4_nl } from "./iq4_nl.ts";
import { iq4_xs } from "./iq4_xs.ts";
import { q4_1, q5_0, q5_1 } from "./legacy.ts";
import { F16_MAX } from "./limits.ts";
import { matchFp4 } from "./match-fp4.ts";
import { mxfp4, repackMxfp4 } from "./mxfp4.ts";
import { nvfp4 } from "./nvfp4.ts";
import { q2_K } from "./q2_k.ts";
import { q3_K } from "./q3_k.ts";
import { q4_0 } from "./q4_0.ts";
import { q4_K } from "./q4_k.ts";
import { q5_K } from "./q5_k.ts";
import { q6_K } from "./q6_k.ts";
import { q8_0 } from "./q8_0.ts";
import { roundBf16, roundF4, roundF8 } from "./rounding.ts";
import { safetensorsTwins } from "./safetensors.ts";
import { streamsIn, streamsOut } from "./streams.ts";

export const codecs: Partial<Record<DecodableFormat, BlockCodec>> = {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_K,
  q3_K,
  q4_K,
  q5_K,
  q6_K,
  iq4_nl,
  iq4_xs,
  nvfp4,
  mxfp4,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
};

function codecOf(format: DecodableFormat): BlockCodec {
  const codec = codecs[format];
  if (!codec) throw new RangeError(`no ${format} kernel`);
  return codec;
}

function decode(format: DecodableFormat, src: Uint8Array, dst: Float32Array): number {
  const { blockLength, blockBytes, decodeBlock } = codecOf(format);
  const blocks = dst.length / blockLength;
  if (src.length !== blocks * blockBytes)
    throw new RangeError(`decode ${format}: ${src.length} bytes do not hold ${dst.length} values`);
  for (let b = 0; b < blocks; b++) if (!decodeBlock(src, b * blockBytes, dst, b * blockLength)) return b;
  return OK;
}

function encode(format: EncodableFormat, src: Float32Array, dst: Uint8Array, options: EncodeOptions): number {
  const { blockLength, blockBytes, encodeBlock, largest = F16_MAX } = codecOf(format);
  const { rowLength, importance } = options;
  const blocks = src.length / blockLength;
  if (!encodeBlock) throw new RangeError(`no ${format} encoder`);
  if (rowLength % blockLength !== 0 || src.length % rowLength !== 0 || dst.length !== blocks * blockBytes)
    throw new RangeError(
      `encode ${format}: ${src.length} values, rows of ${rowLength}, ${dst.length} bytes out`,
    );
  if (importance && importance.length !== rowLength)
    throw new RangeError(
      `encode ${format}: ${importance.length} importance weights for rows of ${rowLength}`,
    );
  const weights = importance && normaliseImportance(importance);
  for (let i = 0; i < src.length; i++) if (!(Math.abs(src[i]) <= largest)) return i;
  for (let b = 0; b < blocks; b++)
    encodeBlock(src, b * blockLength, dst, b * blockBytes, weights, (b * blockLength) % rowLength);
  return OK;
}

/** The TypeScript twins: the specification of every kernel, and what runs where no compiled set exists. */
export const scalar: Kernels = {
  set: "scalar",
  decode,
  encode,
  decodeF8,
  decodeFp4,
  repackMxfp4,
  matchFp4,
  compare,
  columnEnergy,
  streamsIn,
  streamsOut,
  gemm: (options) => gemm(options, codecs),
  rmsNorm,
  softmax,
  swiglu,
  hadamard,
  topK,
  attend,
  indexScores,
  roundF8,
  roundF4,
  roundBf16,
  ...safetensorsTwins,
};
