// T steps of a cell.
//
// A tile is a few rows times one block of hidden units. Its four gates are summed in registers and
// the cell update follows at once, so the gates become an array only where the backward pass or
// the user wants them. Where rows are few, a step's weights are read for little work: there the
// input's share of the gates is computed for a stretch of steps at a time.

#include "sums.h"
#include "variants.h"

namespace cellstate::CELLSTATE_HERE {

// From so many rows on, and in a single step, the shares of x and h are summed together.
constexpr size_t rows_for_fusion = 4 * tile_rows;
constexpr size_t most_in_stretch = 16 * tile_rows;  // steps times rows

CELLSTATE_INLINE size_t stretch_of(size_t rows, size_t steps) {
  return rows >= rows_for_fusion || steps == 1 ? 0 : (rows ? most_in_stretch / rows : 1);
}

struct ForwardSpace {
  const Real** x;  // of the step, or of all steps of a stretch
  const Real** h;
  const Real** c;
  Real** new_c;  // where the cell state of each row is kept
  const Real** old_h;  // where a variant needs h itself beside what the sums see of it
  Real* seen_h;        // (rows, P): h with its dropout mask
  Real* of_x;          // (stretch, rows, 4H): W_ih x, where sums are normalised
  Real* of_h;          // (rows, 4H): W_hh h
  Real* shares;  // (stretch, rows, blocks, 4 lanes): bias and x
  Real* cells;   // (rows, H): o tanh(c), where something projects
  Real* partial;  // see `Pass`
  size_t bytes;

  ForwardSpace(const Forward<Real>& call, size_t rows, void* from) {
    Cutter cutter(from);
    const size_t stretch = stretch_of(rows, call.shape.steps);
    x = cutter.take<const Real*>(rows * (stretch ? stretch : 1));
    h = cutter.take<const Real*>(rows);
    c = cutter.take<const Real*>(rows);
    new_c = cutter.take<Real*>(rows);
    const Variant<Real>* v = call.variant;
    old_h = v ? cutter.take<const Real*>(rows) : nullptr;
    seen_h = cutter.take<Real>(v && v->keep_h ? rows * call.shape.output_size : 0);
    const size_t normed = v && v->norm_hh ? rows * 4 * call.shape.hidden_size : 0;
    of_x = cutter.take<Real>(normed * (stretch ? stretch : 1));
    of_h = cutter.take<Real>(normed);
    shares = cutter.take<Real>(normed ? 0 : stretch * rows * call.weights.count * block_width);
    cells = cutter.take<Real>(call.projection.count ? rows * call.shape.hidden_size : 0);
    partial = cutter.take<Real>(rows * (stretch ? stretch : 1) * block_width);
    bytes = cutter.bytes();
  }
};

static size_t forward_bytes(const Forward<Real>& call, size_t rows) {
  return ForwardSpace(call, rows, nullptr).bytes;
}

// The input's share of the gates, as packed weights give it.
struct ShareTile {
  static constexpr bool may_be_narrow = false;
  const Forward<Real>& call;
  const ForwardSpace& space;

  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.weights, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    const size_t share = call.weights.count * block_width;
    store_sums<R, N>(sums, space.shares + row * share + block * block_width, share);
  }
};

// What a step leaves behind for the units of one vector.
struct CellOutput {
  static constexpr bool may_be_narrow = false;
  const Forward<Real>& call;
  const ForwardSpace& space;
  const size_t* numbers;
  size_t t;

  size_t place(size_t row) const { return t * call.shape.batch + numbers[row]; }

  __attribute__((always_inline)) inline void keep_gates(const Activations& a, size_t row,
                                                        size_t unit, size_t used) const {
    if (!call.gates) return;
    const size_t H = call.shape.hidden_size;
    Real* gates = call.gates + place(row) * 4 * H + unit;
    store_first(gates, a.i, used);
    store_first(gates + H, a.f, used);
    store_first(gates + 2 * H, a.g, used);
    store_first(gates + 3 * H, a.o, used);
  }

  __attribute__((always_inline)) inline void put_out(Vector c, Vector h, size_t row, size_t unit,
                                                     size_t used) const {
    const size_t H = call.shape.hidden_size;
    store_first(space.new_c[row] + unit, c, used);
    Real* to = call.projection.count ? space.cells + row * H : call.y + place(row) * call.y_stride;
    store_first(to + unit, h, used);
    if (call.cells) store_first(call.cells + place(row) * H + unit, c, used);
  }

  // The same after zoneout (14).
  __attribute__((always_inline)) inline void put_out_zoned(Vector c, Vector h, size_t row,
                                                           size_t unit, size_t used) const {
    const Variant<Real>& v = *call.variant;
    if (has_zones(v)) {
      const Zones zones = cell_zones(v, t, call.shape.hidden_size, {numbers[row], unit, used});
      if (v.zoneout_c > 0) c = zoned(zones.c, load_first(space.c[row] + unit, used), c);
      if (v.zoneout_h > 0 && !call.projection.count) {
        h = zoned(zones.h, load_first(space.old_h[row] + unit, used), h);
      }
    }
    put_out(c, h, row, unit, used);
  }
};

// One step of a cell, plain or varied.
template <bool varied>
struct CellTile : CellOutput {
  const Real* shares;  // of the rows of this step, or null

  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t row) const {
    if (!shares) return biases<R, N>(call.weights, block);
    const size_t share = call.weights.count * block_width;
    return load_sums<R, N>(shares + row * share + block * block_width, share);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      const size_t unit = (block + n) * lanes;
      const size_t used = used_of(unit, lanes, call.shape.hidden_size);
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) update(sums.of[n][r], row + r, unit, used);
    }
  }

  // Equations (1) to (6) for the units of one vector.
  __attribute__((always_inline)) inline void update(const Vector* sums, size_t row, size_t unit, size_t used) const {
    const Vector c_old = load_first(space.c[row] + unit, used);
    if (varied) {
      const Advanced next = advance(*call.variant, sums, c_old, call.shape.hidden_size,
                                    {numbers[row], unit, used});
      keep_gates(next.a, row, unit, used);
      return put_out_zoned(next.c, next.a.o * tanh(next.c), row, unit, used);
    }
    const Vector i = sigmoid(sums[0]), f = sigmoid(sums[1]);
    const Vector g = tanh(sums[2]), o = sigmoid(sums[3]);
    const Vector c = multiply_add(i, g, f * c_old);
    keep_gates({i, f, g, o}, row, unit, used);
    put_out(c, o * tanh(c), row, unit, used);
  }
};

// W_ih x or W_hh h, which are normalised once a row has all of them.
struct SumsTile {
  static constexpr bool may_be_narrow = false;
  Real* to;  // (rows, 4H)
  size_t hidden_size;

  template <int R, int N>
  Sums<R, N> begin(size_t, size_t) const {
    return {};
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    const size_t H = hidden_size;
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      const size_t unit = (block + n) * lanes, used = used_of(unit, lanes, H);
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
        CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
          store_first(to + ((row + r) * 4 + v) * H + unit, sums.of[n][r][v], used);
        }
      }
    }
  }
};

// One step of a cell whose sums and cell states are normalised, from the sums on.
struct NormedStep : CellOutput {
  const Real* of_x;  // (rows, 4H)

  // Equations (1) to (6) with (9) for one row.
  void finish(size_t row) const {
    const Variant<Real>& v = *call.variant;
    const size_t H = call.shape.hidden_size, first = v.coupled ? H : 0;
    const Real* x = of_x + row * 4 * H;
    Real* of_row = space.of_h + row * 4 * H;
    const Moments in_x = moments(x + first, 4 * H - first);
    const Moments in_h = moments(of_row + first, 4 * H - first);
    Real* normed = call.normed ? call.normed + place(row) * 8 * H : nullptr;
    for (size_t unit = 0; unit < H; unit += lanes) {
      const size_t used = used_of(unit, lanes, H);
      const Real* bias = bias_of(call.weights, unit / lanes);
      Vector a[vectors_per_block];
      CELLSTATE_UNROLL for (size_t gate = 0; gate < vectors_per_block; ++gate) {
        const size_t at = gate * H + unit;
        const Vector to_x = (load_first(x + at, used) - broadcast(in_x.mean)) * broadcast(in_x.scale);
        const Vector to_h = (load_first(of_row + at, used) - broadcast(in_h.mean)) * broadcast(in_h.scale);
        if (normed) {
          store_first(normed + at, to_x, used);
          store_first(normed + 4 * H + at, to_h, used);
        }
        a[gate] = multiply_add(to_x, load_first(v.norm_ih + at, used), load(bias + gate * lanes));
        a[gate] = multiply_add(to_h, load_first(v.norm_hh + at, used), a[gate]);
      }
      const Advanced next = advance(v, a, load_first(space.c[row] + unit, used), H,
                                    {numbers[row], unit, used});
      keep_gates(next.a, row, unit, used);
      store_first(of_row + unit, next.c, used);  // the sums of these units have been read
      store_first(of_row + H + unit, next.a.o, used);
    }
    const Moments cells = moments(of_row, H);
    if (call.stats) {
      Real* to = call.stats + place(row) * 4;
      to[0] = in_x.scale;
      to[1] = in_h.scale;
      to[2] = cells.mean;
      to[3] = cells.scale;
    }
    for (size_t unit = 0; unit < H; unit += lanes) {
      const size_t used = used_of(unit, lanes, H);
      const Vector c = load_first(of_row + unit, used);
      const Vector normed = (c - broadcast(cells.mean)) * broadcast(cells.scale);
      const Vector shown = multiply_add(normed, load_first(v.norm_c + unit, used),
                                        load_first(v.norm_c_bias + unit, used));
      put_out_zoned(c, load_first(of_row + H + unit, used) * tanh(shown), row, unit, used);
    }
  }
};

// h = W_hr (o tanh(c)).
struct ProjectionTile {
  static constexpr bool may_be_narrow = true;
  const Forward<Real>& call;
  const ForwardSpace& space;
  const size_t* numbers;
  size_t t;

  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.projection, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        const size_t output = (block + n) * block_width + v * lanes;
        const size_t used = used_of(output, lanes, call.shape.output_size);
        if (!used) break;
        CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
          const size_t number = numbers[row + r], place = t * call.shape.batch + number;
          Vector h = sums.of[n][r][v];
          if (call.variant && call.variant->zoneout_h > 0) {  // (14)
            const Vector zone = projected_zone(*call.variant, t, call.shape.output_size,
                                               {number, output, used});
            h = zoned(zone, load_first(space.old_h[row + r] + output, used), h);
          }
          store_first(call.y + place * call.y_stride + output, h, used);
        }
      }
    }
  }
};

// Brings what step t will write for the backward pass nearer, where it is not in a near cache.
CELLSTATE_INLINE void prefetch(const Forward<Real>& call, const Walk& walk, const size_t* numbers,
                               size_t t) {
  const size_t H = call.shape.hidden_size;
  constexpr size_t line = cache_line / sizeof(Real);
  for (size_t row = 0; row < walk.active(); ++row) {
    const size_t place = t * call.shape.batch + numbers[row];
    const Real* gates = call.gates + place * 4 * H;
    for (size_t at = 0; at < 4 * H; at += line) __builtin_prefetch(gates + at, 1, 2);
    if (!call.cells) continue;
    const Real* cells = call.cells + place * H;
    for (size_t at = 0; at < H; at += line) __builtin_prefetch(cells + at, 1, 2);
  }
}

// Where row `number` of h0 and h, and of c0 and c, begins.
CELLSTATE_INLINE size_t place_of(const Forward<Real>& call, size_t number) {
  return call.spread.places ? (size_t)call.spread.places[number] : number;
}
CELLSTATE_INLINE size_t h_at(const Forward<Real>& call, size_t number) {
  return place_of(call, number) * (call.spread.h_stride ? call.spread.h_stride : call.shape.output_size);
}
CELLSTATE_INLINE size_t c_at(const Forward<Real>& call, size_t number) {
  return place_of(call, number) * (call.spread.c_stride ? call.spread.c_stride : call.shape.hidden_size);
}

// Where the state before step t of each active row stands.
CELLSTATE_INLINE void find_states(const Forward<Real>& call, const Walk& walk, const size_t* numbers,
                                  size_t t, const ForwardSpace& space) {
  const Steps<Real>& shape = call.shape;
  const size_t before = shape.reverse ? t + 1 : t - 1;
  for (size_t row = 0; row < walk.active(); ++row) {
    const size_t number = numbers[row];
    if (shape.reset && shape.reset[t * shape.batch + number]) {
      space.h[row] = shape.start_h;
      space.c[row] = shape.start_c;
    } else if (t == walk.first(number)) {
      space.h[row] = call.h0 + h_at(call, number);
      space.c[row] = call.c0 + c_at(call, number);
    } else {
      space.h[row] = call.y + (before * shape.batch + number) * call.y_stride;
      space.c[row] = space.new_c[row];
    }
    if (!call.variant) continue;
    space.old_h[row] = space.h[row];
    if (!call.variant->keep_h) continue;
    const size_t P = shape.output_size;
    Real* seen = space.seen_h + row * P;
    for (size_t unit = 0; unit < P; unit += lanes) {  // (12)
      const Units at{number, unit, used_of(unit, lanes, P)};
      const Vector h = load_first(space.h[row] + unit, at.used);
      store_first(seen + unit, scaled(h, call.variant->keep_h, P, at), at.used);
    }
    space.h[row] = seen;
  }
}

// Zeros in the padding, and the state after each row's last step.
CELLSTATE_INLINE void finish(const Forward<Real>& call, const Walk& walk, Rows rows) {
  const Steps<Real>& shape = call.shape;
  const size_t H = shape.hidden_size, P = shape.output_size;
  for (size_t row = 0; row < rows.count; ++row) {
    const size_t number = rows.numbers[row], length = walk.length(number);
    for (size_t t = length; t < shape.steps; ++t) {
      const size_t place = t * shape.batch + number;
      fill_zero(call.y + place * call.y_stride, P);
      if (call.gates) fill_zero(call.gates + place * 4 * H, 4 * H);
      if (call.cells) fill_zero(call.cells + place * H, H);
    }
    if (!length) copy(call.c + c_at(call, number), call.c0 + c_at(call, number), H);
    if (!call.h) continue;
    const size_t place = length ? walk.last(number) * shape.batch + number : 0;
    const Real* h = length ? call.y + place * call.y_stride : call.h0 + h_at(call, number);
    copy(call.h + h_at(call, number), h, P);
  }
}

template <Stored stored>
static void forward_with(const Forward<Real>& call, Rows rows, void* workspace, Team team) {
  const Steps<Real>& shape = call.shape;
  const ForwardSpace space(call, rows.count, workspace);
  const bool normed = call.variant && call.variant->norm_hh;
  const size_t stretch = stretch_of(rows.count, shape.steps);
  const size_t share = normed ? 4 * shape.hidden_size : call.weights.count * block_width;
  Walk walk(shape, rows, shape.reverse), ahead = walk;
  const auto x = operand<stored>(call.weights, space.x, shape.input_size);
  const auto h = operand<stored>(call.weights, space.h, shape.output_size, shape.input_size);
  const Real* shares = nullptr;
  for (size_t row = 0; row < rows.count; ++row) space.new_c[row] = call.c + c_at(call, rows.numbers[row]);
  for (size_t s = 0; s < shape.steps; ++s) {
    if (stretch && s % stretch == 0) {
      size_t count = 0;
      for (size_t later = s; later < shape.steps && later < s + stretch; ++later) {
        const size_t t = ahead.step(later);
        for (size_t row = 0; row < ahead.active(); ++row) {
          space.x[count++] = call.x + (t * shape.batch + rows.numbers[row]) * shape.input_size;
        }
      }
      if (normed) {
        for_each_tile(call.weights, count, x, {}, space.partial, SumsTile{space.of_x, shape.hidden_size}, team);
      } else {
        for_each_tile(call.weights, count, x, {}, space.partial, ShareTile{call, space}, team);
      }
      shares = normed ? space.of_x : space.shares;
    }
    const size_t t = walk.step(s), active = walk.active();
    find_states(call, walk, rows.numbers, t, space);
    if (call.gates && s + 1 < shape.steps) {
      prefetch(call, walk, rows.numbers, shape.reverse ? t - 1 : t + 1);
    }
    if (!stretch) {
      for (size_t row = 0; row < active; ++row) {
        space.x[row] = call.x + (t * shape.batch + rows.numbers[row]) * shape.input_size;
      }
    }
    const CellOutput output{call, space, rows.numbers, t};
    const auto fused = stretch ? Operand<stored>{} : x;
    if (normed) {
      const NormedStep step{output, stretch ? shares : space.of_x};
      const SumsTile in_x{space.of_x, shape.hidden_size}, in_h{space.of_h, shape.hidden_size};
      if (!stretch) for_each_tile(call.weights, active, x, {}, space.partial, in_x, team);
      for_each_tile(call.weights, active, {}, h, space.partial, in_h, team);
      for (size_t row = 0; row < active; ++row) step.finish(row);
    } else if (call.variant) {
      for_each_tile(call.weights, active, fused, h, space.partial, CellTile<true>{output, shares}, team);
    } else {
      for_each_tile(call.weights, active, fused, h, space.partial, CellTile<false>{output, shares}, team);
    }
    if (stretch) shares += active * share;
    if (call.projection.count) {
      for (size_t row = 0; row < active; ++row) space.h[row] = space.cells + row * shape.hidden_size;
      for_each_tile(call.projection, active, operand<stored>(call.projection, space.h, shape.hidden_size),
                    {}, space.partial, ProjectionTile{call, space, rows.numbers, t}, team);
    }
    wait(team);
  }
  if (team.member == 0) finish(call, walk, rows);
}

// Narrow weights are float's alone.
template <size_t real_bytes = sizeof(Real)>
CELLSTATE_INLINE void forward_as_stored(const Forward<Real>& call, Rows rows, void* workspace, Team team) {
  if constexpr (real_bytes == 4) {
    if (call.weights.stored == Stored::bf16) {
      return forward_with<Stored::bf16>(call, rows, workspace, team);
    }
    if (call.weights.stored == Stored::int8) {
      return forward_with<Stored::int8>(call, rows, workspace, team);
    }
  }
  forward_with<Stored::full>(call, rows, workspace, team);
}

static void forward(const Forward<Real>& call, Rows rows, void* workspace, Team team) {
  forward_as_stored(call, rows, workspace, team);
}

}  // namespace cellstate::CELLSTATE_HERE
