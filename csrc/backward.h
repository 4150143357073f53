// The gradient of T steps of a cell, from the last to the first.
//
// A step's dL/dh is what its output received, plus what the next step sends back through W_hh. A
// tile sums the latter for a few rows and the units of one block, and goes on at once to the
// gradient of the gates before activation, which is all that the next tile and the products over
// all time (of the weights and of the input) need.

#include "sums.h"

namespace cellstate::CELLSTATE_HERE {

struct BackwardSpace {
  const Real** sums;   // dsums of the next step, or zeros
  const Real** extra;  // dh_n at the last step, else zeros
  const Real** dh;     // where something projects
  const Real** c;      // the cell state before the step
  uint8_t* anew;       // whether the state started anew before the next step
  Real* partial;       // see `Pass`
  size_t bytes;

  BackwardSpace(const Backward<Real>& call, size_t rows, void* from) {
    Cutter cutter(from);
    sums = cutter.take<const Real*>(rows);
    extra = cutter.take<const Real*>(rows);
    dh = cutter.take<const Real*>(call.projection.count ? rows : 0);
    c = cutter.take<const Real*>(rows);
    anew = cutter.take<uint8_t>(rows);
    partial = cutter.take<Real>(rows * block_width);
    bytes = cutter.bytes();
  }
};

static size_t backward_bytes(const Backward<Real>& call, size_t rows) {
  return BackwardSpace(call, rows, nullptr).bytes;
}

struct GradientTile {
  const Backward<Real>& call;
  const BackwardSpace& space;
  const size_t* numbers;
  size_t t;

  size_t place(size_t row) const { return t * call.shape.batch + numbers[row]; }

  // dL/dh of the outputs of one vector: what the output received, and what came back. Where the
  // state started anew before the next step, what came back belongs to the start.
  __attribute__((always_inline)) inline Vector total(Vector back, size_t row, size_t output,
                                                     size_t used) const {
    if (space.anew[row]) {
      Real* start = call.dstart_h + numbers[row] * call.shape.output_size + output;
      store_first(start, load_first(start, used) + back, used);
      back = Vector{};
    }
    const Vector received = load_first(call.dy + place(row) * call.dy_stride + output, used);
    return received + (load_first(space.extra[row] + output, used) + back);
  }

  // From dL/d(o tanh c) of the units of one vector to the gates before activation.
  __attribute__((always_inline)) inline void update(Vector dh, size_t row, size_t unit,
                                                    size_t used) const {
    const size_t H = call.shape.hidden_size, at = place(row) * 4 * H + unit;
    const Vector one = broadcast(1);
    const Vector i = load_first(call.gates + at, used);
    const Vector f = load_first(call.gates + at + H, used);
    const Vector g = load_first(call.gates + at + 2 * H, used);
    const Vector o = load_first(call.gates + at + 3 * H, used);
    const Vector tanh_c = tanh(load_first(call.cells + place(row) * H + unit, used));
    Real* carried = call.dc0 + numbers[row] * H + unit;
    Vector dc = load_first(carried, used);
    if (space.anew[row]) {
      Real* start = call.dstart_c + numbers[row] * H + unit;
      store_first(start, load_first(start, used) + dc, used);
      dc = Vector{};
    }
    dc += dh * o * (one - tanh_c * tanh_c);
    if (call.dcells) dc += load_first(call.dcells + place(row) * H + unit, used);
    Vector di = dc * g, df = dc * load_first(space.c[row] + unit, used), dg = dc * i;
    Vector d_o = dh * tanh_c;
    if (call.dgates) {
      di += load_first(call.dgates + at, used);
      df += load_first(call.dgates + at + H, used);
      dg += load_first(call.dgates + at + 2 * H, used);
      d_o += load_first(call.dgates + at + 3 * H, used);
    }
    store_first(carried, dc * f, used);
    store_first(call.dsums + at, di * i * (one - i), used);
    store_first(call.dsums + at + H, df * f * (one - f), used);
    store_first(call.dsums + at + 2 * H, dg * (one - g * g), used);
    store_first(call.dsums + at + 3 * H, d_o * o * (one - o), used);
  }
};

// Visits the vectors of a tile's outputs that exist: visit(row, output, used, vector).
template <int R, int N, class Visit>
CELLSTATE_INLINE void for_each_vector(const Sums<R, N>& sums, size_t block, size_t row,
                                      size_t outputs, const Visit& visit) {
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
      const size_t output = (block + n) * block_width + v * lanes;
      const size_t used = used_of(output, lanes, outputs);
      if (!used) break;
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) visit(row + r, output, used, sums.of[n][r][v]);
    }
  }
}

// A step where nothing projects: all of it.
struct PlainTile : GradientTile {
  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.recurrent, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    for_each_vector(sums, block, row, call.shape.output_size,
                    [&](size_t r, size_t output, size_t used, Vector back) __attribute__((always_inline)) {
                      update(total(back, r, output, used), r, output, used);
                    });
  }
};

// A step of a projected cell: to dL/dh ...
struct OutputTile : GradientTile {
  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.recurrent, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    const size_t P = call.shape.output_size;
    for_each_vector(sums, block, row, P,
                    [&](size_t r, size_t output, size_t used, Vector back) __attribute__((always_inline)) {
                      store_first(call.dh + place(r) * P + output, total(back, r, output, used), used);
                    });
  }
};

// ... and from there to the gates.
struct InnerTile : GradientTile {
  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.projection, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    for_each_vector(sums, block, row, call.shape.hidden_size,
                    [&](size_t r, size_t unit, size_t used, Vector dh) __attribute__((always_inline)) {
                      update(dh, r, unit, used);
                    });
  }
};

// What the first step sends back: the gradient of the state before it, or of the start.
struct FirstTile : GradientTile {
  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.recurrent, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    const size_t P = call.shape.output_size;
    for_each_vector(sums, block, row, P,
                    [&](size_t r, size_t output, size_t used, Vector back) __attribute__((always_inline)) {
                      Real* to = (space.anew[r] ? call.dstart_h : call.dh0) + numbers[r] * P + output;
                      const Vector held = space.anew[r] ? load_first(to, used)
                                                        : load_first(space.extra[r] + output, used);
                      store_first(to, held + back, used);
                      if (space.anew[r]) {
                        store_first(call.dh0 + numbers[r] * P + output, Vector{}, used);
                      }
                    });
  }
};

// Brings what the step before t will read of each row nearer.
CELLSTATE_INLINE void prefetch(const Backward<Real>& call, const Walk& walk, const size_t* numbers,
                               size_t t) {
  const Steps<Real>& shape = call.shape;
  constexpr size_t line = 64 / sizeof(Real);
  for (size_t row = 0; row < walk.active(); ++row) {
    const size_t place = t * shape.batch + numbers[row];
    const Real* gates = call.gates + place * 4 * shape.hidden_size;
    for (size_t at = 0; at < 4 * shape.hidden_size; at += line) __builtin_prefetch(gates + at, 0, 2);
    const Real* cells = call.cells + place * shape.hidden_size;
    for (size_t at = 0; at < shape.hidden_size; at += line) __builtin_prefetch(cells + at, 0, 2);
    const Real* dy = call.dy + place * call.dy_stride;
    for (size_t at = 0; at < shape.output_size; at += line) __builtin_prefetch(dy + at, 0, 2);
  }
}

// What each active row's step t needs from its neighbours in time.
CELLSTATE_INLINE void find_neighbours(const Backward<Real>& call, const Walk& walk,
                                      const size_t* numbers, size_t t, const BackwardSpace& space) {
  const Steps<Real>& shape = call.shape;
  const size_t B = shape.batch, H = shape.hidden_size, P = shape.output_size;
  const size_t before = shape.reverse ? t + 1 : t - 1, next = shape.reverse ? t - 1 : t + 1;
  for (size_t row = 0; row < walk.active(); ++row) {
    const size_t number = numbers[row];
    const bool is_last = t == walk.last(number);
    space.sums[row] = is_last ? call.zeros : call.dsums + (next * B + number) * 4 * H;
    space.extra[row] = is_last ? call.dh_n + number * P : call.zeros;
    space.anew[row] = shape.reset && !is_last && shape.reset[next * B + number];
    if (shape.reset && shape.reset[t * B + number]) {
      space.c[row] = shape.start_c;
    } else if (t == walk.first(number)) {
      space.c[row] = call.c0 + number * H;
    } else {
      space.c[row] = call.cells + (before * B + number) * H;
    }
    if (call.projection.count) space.dh[row] = call.dh + (t * B + number) * P;
  }
}

static void backward(const Backward<Real>& call, Rows rows, void* workspace) {
  const Steps<Real>& shape = call.shape;
  const BackwardSpace space(call, rows.count, workspace);
  const size_t B = shape.batch, H = shape.hidden_size, P = shape.output_size;
  const auto sums = operand(call.recurrent, space.sums, 4 * H);
  const auto dh = operand(call.projection, space.dh, P);
  Walk walk(shape, rows, !shape.reverse);
  for (size_t row = 0; row < rows.count; ++row) {
    const size_t number = rows.numbers[row];
    copy(call.dc0 + number * H, call.dc_n + number * H, H);
    for (size_t t = walk.length(number); t < shape.steps; ++t) {
      fill_zero(call.dsums + (t * B + number) * 4 * H, 4 * H);
      if (call.dh) fill_zero(call.dh + (t * B + number) * P, P);
    }
    if (!shape.reset) continue;
    fill_zero(call.dstart_h + number * P, P);
    fill_zero(call.dstart_c + number * H, H);
  }
  for (size_t s = 0; s < shape.steps; ++s) {
    const size_t t = walk.step(s);
    find_neighbours(call, walk, rows.numbers, t, space);
    if (s + 1 < shape.steps) prefetch(call, walk, rows.numbers, shape.reverse ? t + 1 : t - 1);
    const GradientTile tile{call, space, rows.numbers, t};
    if (call.projection.count) {
      for_each_tile(call.recurrent, walk.active(), sums, {}, space.partial, OutputTile{tile});
      for_each_tile(call.projection, walk.active(), dh, {}, space.partial, InnerTile{tile});
    } else {
      for_each_tile(call.recurrent, walk.active(), sums, {}, space.partial, PlainTile{tile});
    }
  }
  for (size_t row = 0; row < rows.count; ++row) {
    const size_t number = rows.numbers[row];
    const bool any = walk.length(number) > 0;
    const size_t place = any ? walk.first(number) * B + number : 0;
    space.sums[row] = any ? call.dsums + place * 4 * H : call.zeros;
    space.extra[row] = any ? call.zeros : call.dh_n + number * P;
    space.anew[row] = any && shape.reset && shape.reset[place];
    if (!space.anew[row]) continue;
    for (size_t unit = 0; unit < H; ++unit) {
      call.dstart_c[number * H + unit] += call.dc0[number * H + unit];
    }
    fill_zero(call.dc0 + number * H, H);
  }
  for_each_tile(call.recurrent, rows.count, sums, {}, space.partial,
                FirstTile{{call, space, rows.numbers, 0}});
}

}  // namespace cellstate::CELLSTATE_HERE
