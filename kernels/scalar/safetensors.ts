import type { SafetensorsKernels } from "../safetensors.ts";
import { decodeF8Bf16, decodeFp4Bf16 } from "./bf16.ts";
import { encodeF8, fp4ToF8 } from "./fp8-encode.ts";
import { decodeInt4, encodeInt4 } from "./int4.ts";
import { decodeMlxAffine, encodeMlxAffine } from "./mlx-affine.ts";
import { decodeNvfp4Groups, encodeNvfp4Groups, fp4ToNvfp4, scanFp4 } from "./nvfp4-modelopt.ts";

/** The twins of the kernels behind safetensors outputs. */
export const safetensorsTwins: SafetensorsKernels = {
  scanFp4,
  fp4ToNvfp4,
  encodeNvfp4Groups,
  decodeNvfp4Groups,
  fp4ToF8,
  encodeF8,
  encodeInt4,
  decodeInt4,
  encodeMlxAffine,
  decodeMlxAffine,
  decodeF8Bf16,
  decodeFp4Bf16,
};
