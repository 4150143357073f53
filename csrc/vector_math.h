// exp, sigmoid and tanh on vectors, without branches and without tables.
//
// Largest errors against the exact value, in units in the last place of a float32
// (tests/runtime/test_vector_math.py sweeps the range):
//
//   exp      1.1 ulp    -87 <= x <= 88       saturates at e^-87.3 and e^88.37
//   sigmoid  2.6 ulp    -87 <= x             below -87 it stays between 0 and 1.2e-38
//   tanh     2.6 ulp    all x                keeps its relative accuracy down to zero
//
// NaN in, NaN out, in its own lane.

#ifndef CELLSTATE_VECTOR_MATH_H
#define CELLSTATE_VECTOR_MATH_H

#include "simd.h"

namespace cellstate::CELLSTATE_ISA {

// e^x = scale * (1 + fraction), scale a power of two and |ln(1 + fraction)| <= ln(2) / 2.
struct Power {
  Floats scale, fraction;
};

// For -87.3 <= x <= 88.4, where `scale` is a normal number.
CELLSTATE_INLINE Power power_of_e(Floats x) {
  // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low bits of the sum.
  const Floats rounder = broadcast(0x1.8p23f);
  const Floats shifted = multiply_add(x, broadcast(0x1.715476p+0f), rounder);
  const Floats n = shifted - rounder;
  const Floats scale = from_bits((bits_of(shifted) + 127) << 23);

  // r = x - n ln 2, with ln 2 in two parts: n times the first is exact.
  Floats r = multiply_add(n, broadcast(-0x1.62e4p-1f), x);
  r = multiply_add(n, broadcast(-0x1.7f7d1cp-20f), r);

  // e^r - 1 = r + r^2 p(r): p is minimax in relative error, 1.4e-8, its coefficients rounded to
  // float one after the other.
  Floats p = broadcast(0x1.6b9c68p-10f);
  p = multiply_add(p, r, broadcast(0x1.12254ap-7f));
  p = multiply_add(p, r, broadcast(0x1.5556f2p-5f));
  p = multiply_add(p, r, broadcast(0x1.5554b4p-3f));
  p = multiply_add(p, r, broadcast(0x1.fffffep-2f));
  return {scale, multiply_add(p, r * r, r)};
}

CELLSTATE_INLINE Floats exp(Floats x) {
  x = at_least(broadcast(-87.3f), at_most(broadcast(88.37f), x));
  const Power power = power_of_e(x);
  return multiply_add(power.fraction, power.scale, power.scale);
}

CELLSTATE_INLINE Floats sigmoid(Floats x) { return broadcast(1.0f) / (broadcast(1.0f) + exp(-x)); }

// tanh x = t / (t + 2) with t = e^2x - 1, which loses nothing near zero: there scale is 1 and t is
// the polynomial itself.
CELLSTATE_INLINE Floats tanh(Floats x) {
  // Beyond 9.1 the answer rounds to one.
  x = at_least(broadcast(-9.1f), at_most(broadcast(9.1f), x));
  const Power power = power_of_e(x + x);
  const Floats t = multiply_add(power.fraction, power.scale, power.scale - broadcast(1.0f));
  return t / (t + broadcast(2.0f));
}

}  // namespace cellstate::CELLSTATE_ISA

#endif
