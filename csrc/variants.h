// How a cell may depart from equations (1) to (6): pointwise, on the units of one vector.
//
// Numbers and sources of the equations: cellstate.ops.variant. Flags are tested at run time: each is
// the same for all units of a call, and next to five activations a test costs nothing.

#ifndef CELLSTATE_VARIANTS_H
#define CELLSTATE_VARIANTS_H

#include "lstm.h"
#include "noise.h"
#include "vector_math.h"

namespace cellstate::CELLSTATE_HERE {

// Which units of which row: `used` of them from `unit` on.
struct Units {
  size_t number, unit, used;
};

// (10): a / 6 + 1 / 2, kept within 0 and 1.
CELLSTATE_INLINE Vector hard_sigmoid(Vector a) {
  const Vector line = multiply_add(a, broadcast(Real(1) / 6), broadcast(Real(0.5)));
  return at_least(Vector{}, at_most(broadcast(1), line));
}

CELLSTATE_INLINE Vector gate(const Variant<Real>& v, Vector a) {
  return v.hard_gates ? hard_sigmoid(a) : sigmoid(a);
}

// The slope of a gate, from its value.
CELLSTATE_INLINE Vector slope(const Variant<Real>& v, Vector s) {
  const Vector inner = s * (broadcast(1) - s);
  if (!v.hard_gates) return inner;
  return inner > Vector{} ? broadcast(Real(1) / 6) : inner;
}

// A factor of each row and unit, such as a dropout mask: (B, size), or null for none.
CELLSTATE_INLINE Vector scaled(Vector value, const Real* factors, size_t size, const Units& at) {
  if (!factors) return value;
  return value * load_first(factors + at.number * size + at.unit, at.used);
}

// What a cell computes before anything is normalised, kept as it was, or put out.
struct Activations {
  Vector i, f, g, o;
};

// f c + i g without (11) and (14), with (13).
CELLSTATE_INLINE Vector unbounded(const Variant<Real>& v, const Activations& a, Vector c_old,
                                  size_t hidden_size, const Units& at) {
  return multiply_add(a.i, scaled(a.g, v.keep_g, hidden_size, at), a.f * c_old);
}

// (11)
CELLSTATE_INLINE Vector bounded(const Variant<Real>& v, Vector c) {
  if (v.clip == 0) return c;
  return at_least(broadcast(-v.clip), at_most(broadcast(v.clip), c));
}

struct Advanced {
  Activations a;
  Vector c;  // before zoneout
};

// Equations (1) to (5) with (7), (8), (10), (11) and (13), from the gates before activation.
CELLSTATE_INLINE Advanced advance(const Variant<Real>& v, const Vector* sums, Vector c_old,
                                  size_t hidden_size, const Units& at) {
  const size_t H = hidden_size;
  const Real* peephole = v.peephole ? v.peephole + at.unit : nullptr;
  Vector to_i = sums[0], to_f = sums[1], to_o = sums[3];
  if (peephole) {
    to_i = multiply_add(load_first(peephole, at.used), c_old, to_i);
    to_f = multiply_add(load_first(peephole + H, at.used), c_old, to_f);
  }
  Advanced out;
  out.a.f = gate(v, to_f);
  out.a.i = v.coupled ? broadcast(1) - out.a.f : gate(v, to_i);
  out.a.g = tanh(sums[2]);
  out.c = bounded(v, unbounded(v, out.a, c_old, H, at));
  if (peephole) to_o = multiply_add(load_first(peephole + 2 * H, at.used), out.c, to_o);
  out.a.o = gate(v, to_o);
  return out;
}

// (14): the share of the old value in the new one, 0 or 1 where it is drawn.
struct Zones {
  Vector c, h;
};

CELLSTATE_INLINE bool has_zones(const Variant<Real>& v) { return v.zoneout_c > 0 || v.zoneout_h > 0; }

CELLSTATE_INLINE Zones zones(const Variant<Real>& v, uint32_t stream, size_t t, size_t size,
                             const Units& at) {
  if (!v.draws) return {broadcast((Real)v.zoneout_c), broadcast((Real)v.zoneout_h)};
  const Words words = random_words(v.key, stream, v.first_step + t, at.number * size + at.unit);
  return {words.first < threshold(v.zoneout_c) ? broadcast(1) : Vector{},
          words.second < threshold(v.zoneout_h) ? broadcast(1) : Vector{}};
}

// The zones of c, and of h where nothing projects; those of a projected h.
CELLSTATE_INLINE Zones cell_zones(const Variant<Real>& v, size_t t, size_t hidden_size, const Units& at) {
  return zones(v, zoneout_stream, t, hidden_size, at);
}
CELLSTATE_INLINE Vector projected_zone(const Variant<Real>& v, size_t t, size_t output_size, const Units& at) {
  return zones(v, projected_zoneout_stream, t, output_size, at).h;
}

// A NaN on the side that is not taken stays there.
CELLSTATE_INLINE Vector zoned(Vector share, Vector old, Vector fresh) {
  const Vector mixed = multiply_add(share, old - fresh, fresh);
  return share == broadcast(1) ? old : (share == Vector{} ? fresh : mixed);
}

// What reaches a cell in the backward pass: the gradient of c before zoneout, without what comes
// through o's peephole, and of o.
struct Received {
  Vector c, o;
};

struct Gradients {
  Activations sums;  // of the gates before activation
  Vector c_old;
};

// The gradient of `advance`. `more` is what the activations themselves received, or null;
// `peephole` is where the row's share of the peepholes' gradient is added.
CELLSTATE_INLINE Gradients retreat(const Variant<Real>& v, const Activations& a, Vector c_old,
                                   const Received& received, const Activations* more,
                                   Real* dpeephole, size_t hidden_size, const Units& at) {
  const size_t H = hidden_size;
  const Vector raw = unbounded(v, a, c_old, H, at), c = bounded(v, raw);
  const Real* peephole = v.peephole ? v.peephole + at.unit : nullptr;
  Gradients d;
  d.sums.o = (more ? received.o + more->o : received.o) * slope(v, a.o);
  Vector dc = received.c;
  if (peephole) dc = multiply_add(d.sums.o, load_first(peephole + 2 * H, at.used), dc);
  if (v.clip != 0) dc = c == raw ? dc : Vector{};
  Vector di = dc * scaled(a.g, v.keep_g, H, at), df = dc * c_old;
  Vector dg = scaled(dc * a.i, v.keep_g, H, at);
  if (more) {
    di += more->i;
    df += more->f;
    dg += more->g;
  }
  if (v.coupled) {
    df -= di;
    di = Vector{};
  }
  d.sums.i = di * slope(v, a.i);
  d.sums.f = df * slope(v, a.f);
  d.sums.g = dg * (broadcast(1) - a.g * a.g);
  d.c_old = dc * a.f;
  if (peephole) {
    d.c_old = multiply_add(d.sums.i, load_first(peephole, at.used), d.c_old);
    d.c_old = multiply_add(d.sums.f, load_first(peephole + H, at.used), d.c_old);
    const auto add = [&](size_t gate, Vector dsum, Vector seen) __attribute__((always_inline)) {
      Real* to = dpeephole + (at.number * 3 + gate) * H + at.unit;
      store_first(to, multiply_add(dsum, seen, load_first(to, at.used)), at.used);
    };
    add(0, d.sums.i, c_old);
    add(1, d.sums.f, c_old);
    add(2, d.sums.o, c);
  }
  return d;
}

// (9): sums in one fixed order, by halves.
CELLSTATE_INLINE Real across(Vector v) {
  Real part[lanes];
  store(part, v);
  CELLSTATE_UNROLL for (size_t half = lanes / 2; half > 0; half /= 2) {
    CELLSTATE_UNROLL for (size_t lane = 0; lane < half; ++lane) part[lane] += part[lane + half];
  }
  return part[0];
}

struct Moments {
  Real mean, scale;  // scale = 1 / sqrt(variance + epsilon)
};

constexpr Real epsilon = Real(1e-5);

// The sum of (value - level)^power, in four chains, so that no addition waits for the last.
template <int power>
CELLSTATE_INLINE Real sum_of_powers(const Real* values, size_t count, Real level) {
  Vector sums[4] = {};
  const auto add = [&](Vector& sum, Vector gap) __attribute__((always_inline)) {
    sum = power == 1 ? sum + gap : multiply_add(gap, gap, sum);
  };
  size_t at = 0;
  for (; at + 4 * lanes <= count; at += 4 * lanes) {
    CELLSTATE_UNROLL for (size_t chain = 0; chain < 4; ++chain) {
      add(sums[chain], load(values + at + chain * lanes) - broadcast(level));
    }
  }
  for (; at + lanes <= count; at += lanes) add(sums[0], load(values + at) - broadcast(level));
  Real total = across((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; at < count; ++at) {
    const Real gap = values[at] - level;
    total += power == 1 ? gap : gap * gap;
  }
  return total;
}

CELLSTATE_INLINE Moments moments(const Real* values, size_t count, Real added = epsilon) {
  const Real mean = sum_of_powers<1>(values, count, 0) / (Real)count;
  const Real variance = sum_of_powers<2>(values, count, mean) / (Real)count;
  return {mean, 1 / (Real)__builtin_sqrt(variance + added)};
}

}  // namespace cellstate::CELLSTATE_HERE

#endif
