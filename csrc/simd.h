// One vector of floats, as wide as the instruction set this file is compiled for.
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

#define CELLSTATE_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define CELLSTATE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CELLSTATE_UNROLL _Pragma("GCC unroll 16")
#endif

namespace cellstate::CELLSTATE_ISA {

// `tile_rows` rows at a time keep their four sums in registers, beside four weights and a factor.
#if defined(CELLSTATE_AVX512)
constexpr size_t lanes = 16;
constexpr int tile_rows = 6;
#elif defined(CELLSTATE_AVX2)
constexpr size_t lanes = 8;
constexpr int tile_rows = 3;
#elif defined(CELLSTATE_NEON)
constexpr size_t lanes = 4;
constexpr int tile_rows = 6;
#else
constexpr size_t lanes = 4;
constexpr int tile_rows = 2;
#endif

typedef float Floats __attribute__((vector_size(lanes * sizeof(float))));
typedef uint32_t Bits __attribute__((vector_size(lanes * sizeof(uint32_t))));

CELLSTATE_INLINE Floats load(const float* from) {
  Floats v;
  memcpy(&v, from, sizeof v);
  return v;
}

CELLSTATE_INLINE void store(float* to, Floats v) { memcpy(to, &v, sizeof v); }

// The first `count` lanes; the others read as zero and are not touched in memory.
CELLSTATE_INLINE Floats load_first(const float* from, size_t count) {
  if (count == lanes) return load(from);
  Floats v = {};
  memcpy(&v, from, count * sizeof(float));
  return v;
}

CELLSTATE_INLINE void store_first(float* to, Floats v, size_t count) {
  if (count == lanes) return store(to, v);
  memcpy(to, &v, count * sizeof(float));
}

CELLSTATE_INLINE Floats broadcast(float value) { return value - Floats{}; }

// a * b + c, rounded once where the instruction set can.
CELLSTATE_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(CELLSTATE_AVX512)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(CELLSTATE_AVX2)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(CELLSTATE_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

// v kept within a bound; NaN stays NaN because its comparison is false.
CELLSTATE_INLINE Floats at_most(Floats bound, Floats v) { return bound < v ? bound : v; }
CELLSTATE_INLINE Floats at_least(Floats bound, Floats v) { return bound > v ? bound : v; }

CELLSTATE_INLINE Bits bits_of(Floats v) { return (Bits)v; }
CELLSTATE_INLINE Floats from_bits(Bits v) { return (Floats)v; }

}  // namespace cellstate::CELLSTATE_ISA

#endif
