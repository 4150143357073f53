// One vector of floats or doubles, as wide as the instruction set this file is compiled for.
//
// Arithmetic, comparison and shifts are the compiler's vector extensions (GCC and Clang); only the
// fused multiply-add needs an intrinsic, because contraction is switched off to keep every tile
// shape at the same rounding.

#ifndef CELLSTATE_SIMD_H
#define CELLSTATE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(CELLSTATE_AVX512) || defined(CELLSTATE_AVX2)
#include <immintrin.h>
#elif defined(CELLSTATE_NEON)
#include <arm_neon.h>
#endif

#define CELLSTATE_JOIN_NOW(a, b) a##b
#define CELLSTATE_JOIN(a, b) CELLSTATE_JOIN_NOW(a, b)
// A namespace for each instruction set and type, such as in_avx2_float.
#define CELLSTATE_HERE CELLSTATE_JOIN(CELLSTATE_JOIN(in_, CELLSTATE_ISA), CELLSTATE_JOIN(_, CELLSTATE_REAL))

#define CELLSTATE_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define CELLSTATE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CELLSTATE_UNROLL _Pragma("GCC unroll 16")
#endif

namespace cellstate::CELLSTATE_HERE {

typedef CELLSTATE_REAL Real;

// `tile_rows` rows at a time keep their four sums in registers, beside four weights and a factor.
#if defined(CELLSTATE_AVX512)
constexpr size_t vector_bytes = 64;
constexpr int tile_rows = 6;
#elif defined(CELLSTATE_AVX2)
constexpr size_t vector_bytes = 32;
constexpr int tile_rows = 3;
#elif defined(CELLSTATE_NEON)
constexpr size_t vector_bytes = 16;
constexpr int tile_rows = 6;
#else
constexpr size_t vector_bytes = 16;
constexpr int tile_rows = 2;
#endif
constexpr size_t lanes = vector_bytes / sizeof(Real);

template <size_t bytes>
struct BitsOf;
template <>
struct BitsOf<4> {
  typedef uint32_t Type;
};
template <>
struct BitsOf<8> {
  typedef uint64_t Type;
};
typedef BitsOf<sizeof(Real)>::Type Bit;

typedef Real Vector __attribute__((vector_size(vector_bytes)));
typedef Bit Bits __attribute__((vector_size(vector_bytes)));

CELLSTATE_INLINE Vector load(const Real* from) {
  Vector v;
  memcpy(&v, from, sizeof v);
  return v;
}

CELLSTATE_INLINE void store(Real* to, Vector v) { memcpy(to, &v, sizeof v); }

// The first `count` lanes; the others read as zero and are not touched in memory.
#if defined(CELLSTATE_AVX512)
// A copy of so many bytes would be a call, around which all sums in registers go to memory.
CELLSTATE_INLINE __m512 load_first(const float* from, size_t count) {
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}
CELLSTATE_INLINE __m512d load_first(const double* from, size_t count) {
  return _mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), from);
}
CELLSTATE_INLINE void store_first(float* to, __m512 v, size_t count) {
  if (count == lanes) return _mm512_storeu_ps(to, v);
  _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), v);
}
CELLSTATE_INLINE void store_first(double* to, __m512d v, size_t count) {
  if (count == lanes) return _mm512_storeu_pd(to, v);
  _mm512_mask_storeu_pd(to, (__mmask8)((1u << count) - 1), v);
}
#else
CELLSTATE_INLINE Vector load_first(const Real* from, size_t count) {
  if (count == lanes) return load(from);
  Vector v = {};
  memcpy(&v, from, count * sizeof(Real));
  return v;
}

CELLSTATE_INLINE void store_first(Real* to, Vector v, size_t count) {
  if (count == lanes) return store(to, v);
  memcpy(to, &v, count * sizeof(Real));
}
#endif

CELLSTATE_INLINE Vector broadcast(Real value) { return value - Vector{}; }

// a * b + c, rounded once where the instruction set can.
#if defined(CELLSTATE_AVX512)
CELLSTATE_INLINE __m512 multiply_add(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
CELLSTATE_INLINE __m512d multiply_add(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(CELLSTATE_AVX2)
CELLSTATE_INLINE __m256 multiply_add(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
CELLSTATE_INLINE __m256d multiply_add(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
#elif defined(CELLSTATE_NEON)
CELLSTATE_INLINE float32x4_t multiply_add(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
CELLSTATE_INLINE float64x2_t multiply_add(float64x2_t a, float64x2_t b, float64x2_t c) { return vfmaq_f64(c, a, b); }
#else
CELLSTATE_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }
#endif

// v kept within a bound; NaN stays NaN because its comparison is false.
CELLSTATE_INLINE Vector at_most(Vector bound, Vector v) { return bound < v ? bound : v; }
CELLSTATE_INLINE Vector at_least(Vector bound, Vector v) { return bound > v ? bound : v; }

CELLSTATE_INLINE Bits load_bits(const uint32_t* from) {
  Bits v;
  memcpy(&v, from, sizeof v);
  return v;
}

CELLSTATE_INLINE Bits bits_of(Vector v) { return (Bits)v; }
CELLSTATE_INLINE Vector from_bits(Bits v) { return (Vector)v; }

// Whole numbers as floats. GCC takes the portable form apart into scalars.
#if defined(CELLSTATE_AVX512)
CELLSTATE_INLINE __m512 widen(const int8_t* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
}
#elif defined(CELLSTATE_AVX2)
CELLSTATE_INLINE __m256 widen(const int8_t* from) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
}
#elif defined(CELLSTATE_NEON)
CELLSTATE_INLINE float32x4_t widen(const int8_t* from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8((uint32_t)four)))));
}
#else
CELLSTATE_INLINE Vector widen(const int8_t* from) {
  Vector v;
  for (size_t lane = 0; lane < lanes; ++lane) v[lane] = from[lane];
  return v;
}
#endif

}  // namespace cellstate::CELLSTATE_HERE

#endif
