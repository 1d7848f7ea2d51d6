import type { CensusEntry, SourceFormat } from "../model/census.ts";

/**
 * Formats that hold every value a source format can have: FP4 and FP8 times a power of two have at most four
 * significant bits; INT4 and NVFP4 have scales with too many for BF16. Where one of these stores a tensor, none of its
 * values may differ.
 */
const HOLDS: Readonly<Partial<Record<SourceFormat, readonly SourceFormat[]>>> = {
  fp4: ["mxfp4", "bf16", "f32", "f64"],
  fp8: ["bf16", "f32", "f64"],
  nvfp4_groups: ["f32", "f64"],
  int4_groups: ["f32", "f64"],
  mlx_affine4: ["f32", "f64"],
  mlx_affine8: ["f32", "f64"],
  bf16: ["f32", "f64"],
  f16: ["f32", "f64"],
  f32: ["f64"],
  i64: ["i32"],
};

/** Whether `stored` keeps a tensor exactly. F32 block scales (Base releases) need not be powers of two. */
export function promisesExact({ format, scale }: CensusEntry, stored: SourceFormat): boolean {
  if (format === stored) return true;
  if (scale?.kind === "f32" && stored === "bf16") return false;
  return HOLDS[format]?.includes(stored) ?? false;
}
