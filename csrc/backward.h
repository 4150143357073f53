// The gradient of T steps of a cell, from the last to the first.
//
// A step's dL/dh is what its output received, plus what the next step sends back through W_hh. A
// tile sums the latter for a few rows and the units of one block, and goes on at once to the
// gradient of the gates before activation, which is all that the next tile and the products over
// all time (of the weights and of the input) need.

#include "sums.h"
#include "variants.h"

namespace cellstate::CELLSTATE_HERE {

struct BackwardSpace {
  const Real** sums;   // dsums of the next step, or zeros
  const Real** extra;  // dh_n at the last step, else zeros
  const Real** dh;     // where something projects
  const Real** c;      // the cell state before the step
  uint8_t* anew;       // whether the state started anew before the next step
  Real* inner;         // (rows, 3H): with layer norm, what reaches a row's cells
  Real* partial;       // see `Pass`
  size_t bytes;

  BackwardSpace(const Backward<Real>& call, size_t rows, void* from) {
    Cutter cutter(from);
    sums = cutter.take<const Real*>(rows);
    extra = cutter.take<const Real*>(rows);
    dh = cutter.take<const Real*>(call.projection.count ? rows : 0);
    c = cutter.take<const Real*>(rows);
    anew = cutter.take<uint8_t>(rows);
    const bool normed = call.variant && call.variant->norm_hh;
    inner = cutter.take<Real>(normed ? rows * 3 * call.shape.hidden_size : 0);
    partial = cutter.take<Real>(rows * block_width);
    bytes = cutter.bytes();
  }
};

static size_t backward_bytes(const Backward<Real>& call, size_t rows) {
  return BackwardSpace(call, rows, nullptr).bytes;
}

struct GradientTile {
  static constexpr bool may_be_narrow = true;
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

  // The same with dropout of h (12) and zoneout (14): dh0 carries what a kept h sends back.
  __attribute__((always_inline)) inline Vector varied_total(Vector back, size_t row, size_t output,
                                                            size_t used) const {
    const Variant<Real>& v = *call.variant;
    const size_t P = call.shape.output_size;
    const Units at{numbers[row], output, used};
    back = scaled(back, v.keep_h, P, at);
    if (!(v.zoneout_h > 0)) return total(back, row, output, used);
    Real* carried = call.dh0 + numbers[row] * P + output;
    const Vector dh = total(back + load_first(carried, used), row, output, used);
    const Vector zone = P == call.shape.hidden_size && !call.projection.count
                            ? cell_zones(v, t, P, at).h
                            : projected_zone(v, t, P, at);
    store_first(carried, zone * dh, used);
    return dh - zone * dh;
  }

  // Cell states and their gradient, beside the gates, of the units of one vector.
  struct Held {
    Activations a;
    Vector c_old;
  };

  __attribute__((always_inline)) inline Held held(size_t row, size_t unit, size_t used) const {
    const size_t H = call.shape.hidden_size;
    const Real* gates = call.gates + place(row) * 4 * H + unit;
    return {{load_first(gates, used), load_first(gates + H, used), load_first(gates + 2 * H, used),
             load_first(gates + 3 * H, used)},
            load_first(space.c[row] + unit, used)};
  }

  // From what a variant's cell and output gate received through h to the gates before activation.
  __attribute__((always_inline)) inline Activations to_sums(Received received, const Held& held,
                                                            size_t row, size_t unit,
                                                            size_t used) const {
    const Variant<Real>& v = *call.variant;
    const size_t H = call.shape.hidden_size, number = numbers[row];
    const Units at{number, unit, used};
    Real* carried = call.dc0 + number * H + unit;
    Vector dc = load_first(carried, used), kept = {};
    if (space.anew[row]) {
      Real* start = call.dstart_c + number * H + unit;
      store_first(start, load_first(start, used) + dc, used);
      dc = Vector{};
    }
    if (call.dcells) dc += load_first(call.dcells + place(row) * H + unit, used);
    if (v.zoneout_c > 0) {
      kept = cell_zones(v, t, H, at).c * dc;
      dc -= kept;
    }
    received.c += dc;
    Activations more;
    if (call.dgates) {
      const Real* from = call.dgates + place(row) * 4 * H + unit;
      more = {load_first(from, used), load_first(from + H, used), load_first(from + 2 * H, used),
              load_first(from + 3 * H, used)};
    }
    const Gradients d = retreat(v, held.a, held.c_old, received, call.dgates ? &more : nullptr,
                                call.dpeephole, H, at);
    store_first(carried, d.c_old + kept, used);
    return d.sums;
  }

  __attribute__((always_inline)) inline void keep_sums(Real* sums, const Activations& d, size_t row,
                                                       size_t unit, size_t used) const {
    const size_t H = call.shape.hidden_size;
    Real* to = sums + place(row) * 4 * H + unit;
    store_first(to, d.i, used);
    store_first(to + H, d.f, used);
    store_first(to + 2 * H, d.g, used);
    store_first(to + 3 * H, d.o, used);
  }

  __attribute__((always_inline)) inline void keep_inner(Vector inner, size_t row, size_t unit,
                                                        size_t used) const {
    if (!call.inner) return;
    store_first(call.inner + place(row) * call.shape.hidden_size + unit, inner, used);
  }

  // From dL/d(o tanh c) of a varied cell to the gates before activation. With layer norm it is set
  // aside until a row has all of it.
  __attribute__((always_inline)) inline void varied_update(Vector dh, size_t row, size_t unit,
                                                           size_t used) const {
    const Variant<Real>& v = *call.variant;
    const size_t H = call.shape.hidden_size;
    if (v.norm_hh) return store_first(space.inner + row * 3 * H + unit, dh, used);
    const Held cell = held(row, unit, used);
    const Vector c = bounded(v, unbounded(v, cell.a, cell.c_old, H, {numbers[row], unit, used}));
    const Vector shown = tanh(c);
    keep_inner(cell.a.o * shown, row, unit, used);
    const Received received{dh * cell.a.o * (broadcast(1) - shown * shown), dh * shown};
    keep_sums(call.dsums, to_sums(received, cell, row, unit, used), row, unit, used);
  }

  // The gradient of layer norm (9), and all that comes after it, for one row.
  void finish(size_t row) const {
    const Variant<Real>& v = *call.variant;
    const size_t H = call.shape.hidden_size, number = numbers[row];
    const Real* stats = call.stats + place(row) * 4;
    const Vector mean = broadcast(stats[2]), scale = broadcast(stats[3]);
    Real *of_row = space.inner + row * 3 * H, *of_gate = of_row + H, *of_cell = of_gate + H;
    Real *dgain = call.dcells_norm + number * 2 * H, *dbias = dgain + H;
    Vector sum = {}, product = {};
    for (size_t unit = 0; unit < H; unit += lanes) {
      const size_t used = used_of(unit, lanes, H);
      const Held cell = held(row, unit, used);
      const Vector dh = load_first(of_row + unit, used), gain = load_first(v.norm_c + unit, used);
      const Vector c = bounded(v, unbounded(v, cell.a, cell.c_old, H, {number, unit, used}));
      const Vector normed = (c - mean) * scale;
      const Vector shown = tanh(multiply_add(normed, gain, load_first(v.norm_c_bias + unit, used)));
      keep_inner(cell.a.o * shown, row, unit, used);
      const Vector dshown = dh * cell.a.o * (broadcast(1) - shown * shown);
      add_to(dgain + unit, dshown * normed, used);
      add_to(dbias + unit, dshown, used);
      const Vector dnormed = dshown * gain;
      sum += dnormed;
      product = multiply_add(dnormed, normed, product);
      store_first(of_row + unit, dnormed, used);
      store_first(of_gate + unit, dh * shown, used);
      store_first(of_cell + unit, normed, used);
    }
    const Vector level = broadcast(across(sum) / (Real)H), tilt = broadcast(across(product) / (Real)H);
    const Real *in_x = call.normed + place(row) * 8 * H, *in_h = in_x + 4 * H;
    Real *dx = call.dinputs + place(row) * 4 * H, *dh = call.dsums + place(row) * 4 * H;
    Real* gains = call.dgates_norm + number * 12 * H;
    Vector sum_x = {}, product_x = {}, sum_h = {}, product_h = {};
    for (size_t unit = 0; unit < H; unit += lanes) {
      const size_t used = used_of(unit, lanes, H);
      const Vector normed = load_first(of_cell + unit, used);
      const Vector dc = scale * (load_first(of_row + unit, used) - level - normed * tilt);
      const Received received{dc, load_first(of_gate + unit, used)};
      const Activations d = to_sums(received, held(row, unit, used), row, unit, used);
      const Vector each[] = {d.i, d.f, d.g, d.o};
      CELLSTATE_UNROLL for (size_t gate = 0; gate < vectors_per_block; ++gate) {
        const size_t at = gate * H + unit;
        const Vector to_x = load_first(in_x + at, used), to_h = load_first(in_h + at, used);
        add_to(gains + at, each[gate] * to_x, used);
        add_to(gains + 4 * H + at, each[gate] * to_h, used);
        add_to(gains + 8 * H + at, each[gate], used);
        const Vector of_x = each[gate] * load_first(v.norm_ih + at, used);
        const Vector of_h = each[gate] * load_first(v.norm_hh + at, used);
        sum_x += of_x;
        sum_h += of_h;
        product_x = multiply_add(of_x, to_x, product_x);
        product_h = multiply_add(of_h, to_h, product_h);
        store_first(dx + at, of_x, used);
        store_first(dh + at, of_h, used);
      }
    }
    spread(dx, in_x, sum_x, product_x, stats[0]);
    spread(dh, in_h, sum_h, product_h, stats[1]);
  }

  // The gradient of the sums from that of the normalised ones, whose sum, and whose product with
  // them, are known.
  void spread(Real* d, const Real* normed, Vector sum, Vector product, Real scale) const {
    const size_t H = call.shape.hidden_size, first = call.variant->coupled ? H : 0;
    const Real count = (Real)(4 * H - first);
    const Vector level = broadcast(across(sum) / count), tilt = broadcast(across(product) / count);
    for (size_t at = first; at < 4 * H; at += lanes) {
      const size_t used = used_of(at, lanes, 4 * H);
      const Vector gap = load_first(d + at, used) - level - load_first(normed + at, used) * tilt;
      store_first(d + at, broadcast(scale) * gap, used);
    }
  }

  static __attribute__((always_inline)) inline void add_to(Real* total, Vector share, size_t used) {
    store_first(total, load_first(total, used) + share, used);
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
template <bool varied>
struct WholeTile : GradientTile {
  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.recurrent, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    for_each_vector(sums, block, row, call.shape.output_size,
                    [&](size_t r, size_t output, size_t used, Vector back) __attribute__((always_inline)) {
                      if (varied) {
                        varied_update(varied_total(back, r, output, used), r, output, used);
                      } else {
                        update(total(back, r, output, used), r, output, used);
                      }
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
                      const Vector dh = call.variant ? varied_total(back, r, output, used)
                                                     : total(back, r, output, used);
                      store_first(call.dh + place(r) * P + output, dh, used);
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
                      if (call.variant) {
                        varied_update(dh, r, unit, used);
                      } else {
                        update(dh, r, unit, used);
                      }
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
                      if (const Variant<Real>* v = call.variant) {
                        back = scaled(back, v->keep_h, P, {numbers[r], output, used});
                        if (v->zoneout_h > 0) {
                          back += load_first(call.dh0 + numbers[r] * P + output, used);
                        }
                      }
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

static void backward(const Backward<Real>& call, Rows rows, void* workspace, Team team) {
  const Steps<Real>& shape = call.shape;
  const BackwardSpace space(call, rows.count, workspace);
  const size_t B = shape.batch, H = shape.hidden_size, P = shape.output_size;
  const auto sums = operand(call.recurrent, space.sums, 4 * H);
  const auto dh = operand(call.projection, space.dh, P);
  Walk walk(shape, rows, !shape.reverse);
  for (size_t row = 0; row < rows.count && team.member == 0; ++row) {
    const size_t number = rows.numbers[row];
    copy(call.dc0 + number * H, call.dc_n + number * H, H);
    for (size_t t = walk.length(number); t < shape.steps; ++t) {
      fill_zero(call.dsums + (t * B + number) * 4 * H, 4 * H);
      if (call.dh) fill_zero(call.dh + (t * B + number) * P, P);
      if (call.inner) fill_zero(call.inner + (t * B + number) * H, H);
    }
    if (const Variant<Real>* v = call.variant) {
      if (v->zoneout_h > 0) fill_zero(call.dh0 + number * P, P);
      if (v->peephole) fill_zero(call.dpeephole + number * 3 * H, 3 * H);
      if (v->norm_hh) {
        fill_zero(call.dgates_norm + number * 12 * H, 12 * H);
        fill_zero(call.dcells_norm + number * 2 * H, 2 * H);
        for (size_t t = walk.length(number); t < shape.steps; ++t) {
          fill_zero(call.dinputs + (t * B + number) * 4 * H, 4 * H);
        }
      }
    }
    if (!shape.reset) continue;
    fill_zero(call.dstart_h + number * P, P);
    fill_zero(call.dstart_c + number * H, H);
  }
  wait(team);
  for (size_t s = 0; s < shape.steps; ++s) {
    const size_t t = walk.step(s);
    find_neighbours(call, walk, rows.numbers, t, space);
    if (s + 1 < shape.steps) prefetch(call, walk, rows.numbers, shape.reverse ? t + 1 : t - 1);
    const GradientTile tile{call, space, rows.numbers, t};
    if (call.projection.count) {
      for_each_tile(call.recurrent, walk.active(), sums, {}, space.partial, OutputTile{tile}, team);
      for_each_tile(call.projection, walk.active(), dh, {}, space.partial, InnerTile{tile}, team);
    } else if (call.variant) {
      for_each_tile(call.recurrent, walk.active(), sums, {}, space.partial, WholeTile<true>{tile}, team);
    } else {
      for_each_tile(call.recurrent, walk.active(), sums, {}, space.partial, WholeTile<false>{tile}, team);
    }
    if (call.variant && call.variant->norm_hh) {
      for (size_t row = 0; row < walk.active(); ++row) tile.finish(row);
    }
    wait(team);
  }
  for (size_t row = 0; row < rows.count; ++row) {
    const size_t number = rows.numbers[row];
    const bool any = walk.length(number) > 0;
    const size_t place = any ? walk.first(number) * B + number : 0;
    space.sums[row] = any ? call.dsums + place * 4 * H : call.zeros;
    space.extra[row] = any ? call.zeros : call.dh_n + number * P;
    space.anew[row] = any && shape.reset && shape.reset[place];
    if (!space.anew[row] || team.member != 0) continue;
    for (size_t unit = 0; unit < H; ++unit) {
      call.dstart_c[number * H + unit] += call.dc0[number * H + unit];
    }
    fill_zero(call.dc0 + number * H, H);
  }
  for_each_tile(call.recurrent, rows.count, sums, {}, space.partial,
                FirstTile{{call, space, rows.numbers, 0}}, team);
}

}  // namespace cellstate::CELLSTATE_HERE
