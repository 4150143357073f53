// Random numbers as functions of a key and a place: Philox2x32-10 of Salmon et al., Parallel random
// numbers: as easy as 1, 2, 3. SC 2011. cellstate.ops.noise gives the same numbers on tensors.

#ifndef CELLSTATE_NOISE_H
#define CELLSTATE_NOISE_H

#include "simd.h"

namespace cellstate::CELLSTATE_HERE {

// What numbers are for, as cellstate.ops.noise counts them.
enum Stream : uint32_t { zoneout_stream = 0, projected_zoneout_stream = 4 };
constexpr unsigned step_bits = 28;

// Two numbers of 32 bits in each lane; those of a double stand in its lower half.
struct Words {
  Bits first, second;
};

typedef uint64_t Wide __attribute__((vector_size(vector_bytes)));
constexpr uint64_t word = 0xFFFFFFFFu;

// The product of the lower halves with a constant.
CELLSTATE_INLINE Wide times(Wide v, uint64_t by) {
#if defined(CELLSTATE_AVX512)
  return (Wide)_mm512_mul_epu32((__m512i)v, _mm512_set1_epi64((long long)by));
#elif defined(CELLSTATE_AVX2)
  return (Wide)_mm256_mul_epu32((__m256i)v, _mm256_set1_epi64x((long long)by));
#else
  return (v & word) * by;
#endif
}

struct Product32 {
  Bits high, low;
};

CELLSTATE_INLINE Product32 multiply(Bits v, uint64_t by) {
  const Wide even = times((Wide)v, by);
  if (sizeof(Real) == 8) return {(Bits)(even >> 32), (Bits)(even & word)};
  const Wide odd = times((Wide)v >> 32, by);
  return {(Bits)((even >> 32) | (odd & ~word)), (Bits)((even & word) | (odd << 32))};
}

// The numbers at the places first, first + 1, … of a step.
CELLSTATE_INLINE Words random_words(uint32_t key, uint32_t stream, size_t step, size_t first) {
  Bits place = {}, low = Bits{} + (Bit)((uint32_t)step | stream << step_bits);
  for (size_t lane = 0; lane < lanes; ++lane) place[lane] = (Bit)lane;
  place = (place + (Bit)(uint32_t)first) & (Bit)word;
  CELLSTATE_UNROLL for (int round = 0; round < 10; ++round) {
    const Product32 product = multiply(place, 0xD256D193u);
    place = product.high ^ (Bit)key ^ low;
    low = product.low;
    key += 0x9E3779B9u;
  }
  return {place, low};
}

// The number below which a share of all numbers lie.
CELLSTATE_INLINE Bit threshold(double share) { return (Bit)(share * 4294967296.0); }

// Entries of a dropout mask, row by row: 0 for a share `rate` of them, else 1 / (1 - rate).
static void dropout_mask(uint32_t key, uint32_t stream, double rate, Real* out, size_t first,
                         size_t last) {
  const Bits bound = Bits{} + threshold(rate);
  const Vector kept = broadcast((Real)(1.0 / (1.0 - rate)));
  for (size_t at = first; at < last; at += lanes) {
    const Vector mask = random_words(key, stream, 0, at).first < bound ? Vector{} : kept;
    store_first(out + at, mask, last - at < lanes ? last - at : lanes);
  }
}

}  // namespace cellstate::CELLSTATE_HERE

#endif
