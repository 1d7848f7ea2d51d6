/* Four lanes: AArch64 Advanced SIMD. */
#include <arm_neon.h>

enum { LANES = 4 };
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

V4_INLINE vf vf_set(float x) { return vdupq_n_f32(x); }
V4_INLINE vi vi_set(int32_t x) { return vdupq_n_s32(x); }
V4_INLINE vf vf_load(const float *p) { return vld1q_f32(p); }
V4_INLINE void vf_store(float *p, vf a) { vst1q_f32(p, a); }
V4_INLINE vi vi_load(const int32_t *p) { return vld1q_s32(p); }
V4_INLINE vi vi_load_u8(const uint8_t *p) {
  const int32_t word[4] = {p[0], p[1], p[2], p[3]};
  return vld1q_s32(word);
}
V4_INLINE vi vi_load_i8(const int8_t *p) {
  const int32_t word[4] = {p[0], p[1], p[2], p[3]};
  return vld1q_s32(word);
}
V4_INLINE void vi_store(int32_t *p, vi a) { vst1q_s32(p, a); }

V4_INLINE vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
V4_INLINE vm vf_le(vf a, vf b) { return vcleq_f32(a, b); }
V4_INLINE vm vi_lt(vi a, vi b) { return vcltq_s32(a, b); }
V4_INLINE vm vi_eq(vi a, vi b) { return vceqq_s32(a, b); }
V4_INLINE vm vm_and(vm a, vm b) { return vandq_u32(a, b); }
V4_INLINE vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }
V4_INLINE vm vm_andnot(vm a, vm b) { return vbicq_u32(a, b); }
V4_INLINE vm vm_none(void) { return vdupq_n_u32(0); }
V4_INLINE int vm_any(vm a) { return vmaxvq_u32(a) != 0; }
V4_INLINE vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
V4_INLINE vi vi_select(vm m, vi a, vi b) { return vbslq_s32(m, a, b); }

V4_INLINE vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
/* Not vminq/vmaxq: those order signed zeros, x86 does not. */
V4_INLINE vf vf_min(vf a, vf b) { return vf_select(vf_lt(a, b), a, b); }
V4_INLINE vf vf_max(vf a, vf b) { return vf_select(vf_lt(b, a), a, b); }
V4_INLINE vi vi_min(vi a, vi b) { return vminq_s32(a, b); }
V4_INLINE vi vi_max(vi a, vi b) { return vmaxq_s32(a, b); }
V4_INLINE vi vi_mul(vi a, vi b) { return vmulq_s32(a, b); }
V4_INLINE vi vi_shr(vi a, int n) {
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}

V4_INLINE vi vf_bits(vf a) { return vreinterpretq_s32_f32(a); }
V4_INLINE vf vi_as_float(vi a) { return vreinterpretq_f32_s32(a); }
V4_INLINE vf vf_from_int(vi a) { return vcvtq_f32_s32(a); }
V4_INLINE vf vf_round(vf a) { return vrndnq_f32(a); }
V4_INLINE vi vi_round(vf a) { return vcvtnq_s32_f32(a); }
V4_INLINE vi vi_trunc(vf a) { return vcvtq_s32_f32(a); }

V4_INLINE void vi_store_i8(uint8_t *p, vi a) {
  const int16x4_t half = vmovn_s32(a);
  const int32_t word = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(half, half))), 0);
  memcpy(p, &word, 4);
}

V4_INLINE vi vi_gather(const int32_t *table, vi i) {
  int32_t at[4];
  vst1q_s32(at, i);
  int32_t value[4] = {table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  return vld1q_s32(value);
}
V4_INLINE vf vf_lookup16(const float *table, vi i) {
  int32_t at[4];
  vst1q_s32(at, i);
  float value[4] = {table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  return vld1q_f32(value);
}

V4_INLINE vi vf_to_half(vf a) {
  return vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_f16(vcvt_f16_f32(a))));
}
V4_INLINE vf vf_from_half(vi a) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(vreinterpretq_u32_s32(a))));
}

V4_INLINE void lanes_transpose(const float *const rows[LANES], int columns, float *dst) {
  for (int c = 0; c < columns; c += 4, dst += 16) {
    float32x4_t a = vld1q_f32(rows[0] + c), b = vld1q_f32(rows[1] + c);
    float32x4_t d = vld1q_f32(rows[2] + c), e = vld1q_f32(rows[3] + c);
    float32x4x2_t low = vtrnq_f32(a, b), high = vtrnq_f32(d, e);
    vst1q_f32(dst, vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])));
    vst1q_f32(dst + 4, vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])));
    vst1q_f32(dst + 8, vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])));
    vst1q_f32(dst + 12, vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])));
  }
}
