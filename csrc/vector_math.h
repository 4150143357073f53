// exp, sigmoid and tanh on vectors, without branches and without tables.
//
// Largest errors against the exact value, in units in the last place of the type
// (tests/runtime/test_vector_math.py sweeps the range):
//
//             float    double
//   exp      1.1 ulp  1.1 ulp   saturates at the ends of the normal numbers
//   sigmoid  2.3 ulp  2.3 ulp   stays between 0 and the smallest normal number below them
//   tanh     2.6 ulp  2.6 ulp   keeps its relative accuracy down to zero
//
// NaN in, NaN out, in its own lane.

#ifndef CELLSTATE_VECTOR_MATH_H
#define CELLSTATE_VECTOR_MATH_H

#include "simd.h"

namespace cellstate::CELLSTATE_HERE {

// What differs between the types.
template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr float lowest = -87.3f, highest = 88.37f;  // where e^x is a normal number
  static constexpr float one_from = 9.1f;                    // beyond it tanh rounds to one
  static constexpr float rounder = 0x1.8p23f;
  static constexpr int mantissa = 23, bias = 127;
  // ln 2 in two parts: small whole numbers times the first are exact.
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float log2_e = 0x1.715476p+0f;
  // e^r - 1 = r + r^2 p(r) for |r| <= ln(2) / 2: minimax in relative error, 1.4e-8, coefficients
  // rounded to float one after the other.
  static constexpr int terms = 5;
  static constexpr float p[terms] = {0x1.6b9c68p-10f, 0x1.12254ap-7f, 0x1.5556f2p-5f,
                                     0x1.5554b4p-3f, 0x1.fffffep-2f};
};

template <>
struct Exponential<double> {
  static constexpr double lowest = -708.3, highest = 709.4;
  static constexpr double one_from = 19.1;
  static constexpr double rounder = 0x1.8p52;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
  static constexpr double log2_e = 0x1.71547652b82fep+0;
  // Taylor's 1/n! from n = 13 down to 2: what is left out is below 2^-57 of the whole.
  static constexpr int terms = 12;
  static constexpr double p[terms] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800,
                                      1.0 / 3628800,    1.0 / 362880,    1.0 / 40320,
                                      1.0 / 5040,       1.0 / 720,       1.0 / 120,
                                      1.0 / 24,         1.0 / 6,         1.0 / 2};
};

typedef Exponential<Real> E;

// e^x = scale * (1 + fraction), scale a power of two and |ln(1 + fraction)| <= ln(2) / 2.
struct Power {
  Vector scale, fraction;
};

// For x within E::lowest and E::highest, where `scale` is a normal number.
CELLSTATE_INLINE Power power_of_e(Vector x) {
  // Adding 1.5 * 2^mantissa leaves round(x / ln 2) in the low bits of the sum.
  const Vector shifted = multiply_add(x, broadcast(E::log2_e), broadcast(E::rounder));
  const Vector n = shifted - broadcast(E::rounder);
  const Vector scale = from_bits((bits_of(shifted) + E::bias) << E::mantissa);
  Vector r = multiply_add(n, broadcast(-E::ln2_high), x);
  r = multiply_add(n, broadcast(-E::ln2_low), r);
  Vector p = broadcast(E::p[0]);
  CELLSTATE_UNROLL for (int k = 1; k < E::terms; ++k) p = multiply_add(p, r, broadcast(E::p[k]));
  return {scale, multiply_add(p, r * r, r)};
}

CELLSTATE_INLINE Vector exp(Vector x) {
  x = at_least(broadcast(E::lowest), at_most(broadcast(E::highest), x));
  const Power power = power_of_e(x);
  return multiply_add(power.fraction, power.scale, power.scale);
}

// 1 / (1 + e^-x). The scale is a power of two, so 1 + scale is exact but for scales that drown one
// of the two: the sum is rounded once.
CELLSTATE_INLINE Vector sigmoid(Vector x) {
  x = at_least(broadcast(-E::highest), at_most(broadcast(-E::lowest), x));
  const Power power = power_of_e(-x);
  return broadcast(1) / multiply_add(power.fraction, power.scale, broadcast(1) + power.scale);
}

// tanh x = t / (t + 2) with t = e^2x - 1, which loses nothing near zero: there scale is 1 and t is
// the polynomial itself. A rounding of t moves numerator and denominator alike.
CELLSTATE_INLINE Vector tanh(Vector x) {
  x = at_least(broadcast(-E::one_from), at_most(broadcast(E::one_from), x));
  const Power power = power_of_e(x + x);
  const Vector t = multiply_add(power.fraction, power.scale, power.scale - broadcast(1));
  return t / (t + broadcast(2));
}

}  // namespace cellstate::CELLSTATE_HERE

#endif
