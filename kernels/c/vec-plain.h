/* One lane: plain C. The reference for the other widths, and what runs where no vector set is known. */
enum { LANES = 1 };
typedef float vf;
typedef int32_t vi;
typedef int vm;

V4_INLINE vf vf_set(float x) { return x; }
V4_INLINE vi vi_set(int32_t x) { return x; }
V4_INLINE vf vf_load(const float *p) { return *p; }
V4_INLINE void vf_store(float *p, vf a) { *p = a; }
V4_INLINE vi vi_load(const int32_t *p) { return *p; }
/* LANES consecutive bytes, zero- or sign-extended. */
V4_INLINE vi vi_load_u8(const uint8_t *p) { return *p; }
V4_INLINE vi vi_load_i8(const int8_t *p) { return *p; }
V4_INLINE void vi_store(int32_t *p, vi a) { *p = a; }

V4_INLINE vf vf_sqrt(vf a) { return sqrtf(a); }
V4_INLINE vf vf_min(vf a, vf b) { return a < b ? a : b; }
V4_INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }
V4_INLINE vi vi_min(vi a, vi b) { return a < b ? a : b; }
V4_INLINE vi vi_max(vi a, vi b) { return a > b ? a : b; }
V4_INLINE vi vi_mul(vi a, vi b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
/* Logical shift right; `>>` on vi is arithmetic. */
V4_INLINE vi vi_shr(vi a, int n) { return (int32_t)((uint32_t)a >> n); }

V4_INLINE vm vf_lt(vf a, vf b) { return a < b; }
V4_INLINE vm vf_le(vf a, vf b) { return a <= b; }
V4_INLINE vm vi_lt(vi a, vi b) { return a < b; }
V4_INLINE vm vi_eq(vi a, vi b) { return a == b; }
V4_INLINE vm vm_and(vm a, vm b) { return a & b; }
V4_INLINE vm vm_or(vm a, vm b) { return a | b; }
/* a and not b. */
V4_INLINE vm vm_andnot(vm a, vm b) { return a & !b; }
V4_INLINE vm vm_none(void) { return 0; }
V4_INLINE int vm_any(vm a) { return a; }
V4_INLINE vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
V4_INLINE vi vi_select(vm m, vi a, vi b) { return m ? a : b; }

V4_INLINE vi vf_bits(vf a) {
  int32_t r;
  memcpy(&r, &a, 4);
  return r;
}
V4_INLINE vf vi_as_float(vi a) {
  float r;
  memcpy(&r, &a, 4);
  return r;
}
V4_INLINE vf vf_from_int(vi a) { return (float)a; }
V4_INLINE vf vf_round(vf a) { return (a + 12582912.0f) - 12582912.0f; }
V4_INLINE vi vi_round(vf a) { return vf_bits(a + 12582912.0f) - 0x4b400000; }
V4_INLINE vi vi_trunc(vf a) { return (int32_t)a; }

/* LANES integers -128 .. 127 as consecutive bytes. */
V4_INLINE void vi_store_i8(uint8_t *p, vi a) { *p = (uint8_t)a; }

/* table[i] for any table; table[i] for 16 floats, i in 0..15. */
V4_INLINE vi vi_gather(const int32_t *table, vi i) { return table[i]; }
V4_INLINE vf vf_lookup16(const float *table, vi i) { return table[i]; }

/* IEEE half as bits in the low 16, round to nearest even (no NaN); and back. */
V4_INLINE vi vf_to_half(vf a) {
  uint32_t word = (uint32_t)vf_bits(a), sign = (word >> 16) & 0x8000, magnitude = word & 0x7fffffff;
  if (magnitude >= 0x477ff000) return (int32_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) /* subnormal: adding 0.5 rounds to multiples of 2^-24 */
    return (int32_t)(sign | (uint32_t)(vf_bits(vi_as_float((int32_t)magnitude) + 0.5f) - 0x3f000000));
  return (int32_t)(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
}
V4_INLINE vf vf_from_half(vi a) {
  uint32_t sign = ((uint32_t)a & 0x8000) << 16, rest = (uint32_t)a & 0x7fff;
  if (rest < 0x400) return vi_as_float((int32_t)((uint32_t)vf_bits((float)rest * 0x1p-24f) | sign));
  uint32_t exponent_shift = rest < 0x7c00 ? 0x38000000 : 0x70000000; /* infinity and NaN keep all ones */
  return vi_as_float((int32_t)(((rest << 13) + exponent_shift) | sign));
}

/* `columns` values of each lane's row to dst[column * LANES + lane]; columns is a multiple of LANES. */
V4_INLINE void lanes_transpose(const float *const rows[LANES], int columns, float *dst) {
  memcpy(dst, rows[0], (size_t)columns * sizeof(float));
}
