/**
 * The version of every encoder: raised when its bytes change for any input. An artefact records those it was made
 * with, and a conversion begun with others is not continued.
 */
export const ENCODER_VERSIONS = {
  f32: 1,
  f16: 1,
  bf16: 1,
  q4_0: 1,
  q8_0: 1,
  q2_K: 1,
  q3_K: 1,
  q4_K: 1,
  q5_K: 1,
  q6_K: 1,
  iq2_xxs: 1,
  iq2_xs: 1,
  iq2_s: 1,
  iq3_xxs: 1,
  iq3_s: 1,
  iq4_nl: 1,
  iq4_xs: 1,
  mxfp4: 1,
  nvfp4: 1,
  fp4: 1,
  fp8: 1,
  fp8_f32: 1,
  nvfp4_groups: 1,
  int4_g32: 1,
  int4_g128: 1,
  mlx_mxfp4: 1,
  mlx_affine4: 1,
  mlx_affine8: 1,
} as const satisfies Readonly<Record<string, number>>;
