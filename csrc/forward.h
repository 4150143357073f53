// T steps of a cell.
//
// A tile is a few rows times one block of hidden units. Its four gates are summed in registers and
// the cell update follows at once, so the gates become an array only where the backward pass or
// the user wants them. Where rows are few, a step's weights are read for little work: there the
// input's share of the gates is computed for a stretch of steps at a time.

#include "sums.h"

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
    shares = cutter.take<Real>(stretch * rows * call.weights.count * block_width);
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

// One step of a cell.
struct CellTile {
  const Forward<Real>& call;
  const ForwardSpace& space;
  const size_t* numbers;
  size_t t;
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
    const size_t H = call.shape.hidden_size, number = numbers[row];
    const size_t place = t * call.shape.batch + number;
    const Vector i = sigmoid(sums[0]), f = sigmoid(sums[1]);
    const Vector g = tanh(sums[2]), o = sigmoid(sums[3]);
    const Vector c = multiply_add(i, g, f * load_first(space.c[row] + unit, used));
    const Vector h = o * tanh(c);
    store_first(call.c + number * H + unit, c, used);
    Real* to = call.projection.count ? space.cells + row * H : call.y + place * call.y_stride;
    store_first(to + unit, h, used);
    if (call.gates) {
      Real* gates = call.gates + place * 4 * H + unit;
      store_first(gates, i, used);
      store_first(gates + H, f, used);
      store_first(gates + 2 * H, g, used);
      store_first(gates + 3 * H, o, used);
    }
    if (call.cells) store_first(call.cells + place * H + unit, c, used);
  }
};

// h = W_hr (o tanh(c)).
struct ProjectionTile {
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
          const size_t place = t * call.shape.batch + numbers[row + r];
          store_first(call.y + place * call.y_stride + output, sums.of[n][r][v], used);
        }
      }
    }
  }
};

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
      space.h[row] = call.h0 + number * shape.output_size;
      space.c[row] = call.c0 + number * shape.hidden_size;
    } else {
      space.h[row] = call.y + (before * shape.batch + number) * call.y_stride;
      space.c[row] = call.c + number * shape.hidden_size;
    }
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
    if (!length) copy(call.c + number * H, call.c0 + number * H, H);
    if (!call.h) continue;
    const size_t place = length ? walk.last(number) * shape.batch + number : 0;
    const Real* h = length ? call.y + place * call.y_stride : call.h0 + number * P;
    copy(call.h + number * P, h, P);
  }
}

template <Stored stored>
static void forward_with(const Forward<Real>& call, Rows rows, void* workspace) {
  const Steps<Real>& shape = call.shape;
  const ForwardSpace space(call, rows.count, workspace);
  const size_t stretch = stretch_of(rows.count, shape.steps), share = call.weights.count * block_width;
  Walk walk(shape, rows, shape.reverse), ahead = walk;
  const auto x = operand<stored>(call.weights, space.x, shape.input_size);
  const auto h = operand<stored>(call.weights, space.h, shape.output_size, shape.input_size);
  const Real* shares = space.shares;
  for (size_t s = 0; s < shape.steps; ++s) {
    if (stretch && s % stretch == 0) {
      size_t count = 0;
      for (size_t later = s; later < shape.steps && later < s + stretch; ++later) {
        const size_t t = ahead.step(later);
        for (size_t row = 0; row < ahead.active(); ++row) {
          space.x[count++] = call.x + (t * shape.batch + rows.numbers[row]) * shape.input_size;
        }
      }
      for_each_tile(call.weights, count, x, {}, space.partial, ShareTile{call, space});
      shares = space.shares;
    }
    const size_t t = walk.step(s), active = walk.active();
    find_states(call, walk, rows.numbers, t, space);
    const CellTile tile{call, space, rows.numbers, t, stretch ? shares : nullptr};
    if (stretch) {
      for_each_tile(call.weights, active, {}, h, space.partial, tile);
      shares += active * share;
    } else {
      for (size_t row = 0; row < active; ++row) {
        space.x[row] = call.x + (t * shape.batch + rows.numbers[row]) * shape.input_size;
      }
      for_each_tile(call.weights, active, x, h, space.partial, tile);
    }
    if (call.projection.count) {
      for (size_t row = 0; row < active; ++row) space.h[row] = space.cells + row * shape.hidden_size;
      for_each_tile(call.projection, active, operand<stored>(call.projection, space.h, shape.hidden_size),
                    {}, space.partial, ProjectionTile{call, space, rows.numbers, t});
    }
  }
  finish(call, walk, rows);
}

// Narrow weights are float's alone.
template <size_t real_bytes = sizeof(Real)>
CELLSTATE_INLINE void forward_as_stored(const Forward<Real>& call, Rows rows, void* workspace) {
  if constexpr (real_bytes == 4) {
    if (call.weights.stored == Stored::bf16) {
      return forward_with<Stored::bf16>(call, rows, workspace);
    }
    if (call.weights.stored == Stored::int8) {
      return forward_with<Stored::int8>(call, rows, workspace);
    }
  }
  forward_with<Stored::full>(call, rows, workspace);
}

static void forward(const Forward<Real>& call, Rows rows, void* workspace) {
  forward_as_stored(call, rows, workspace);
}

}  // namespace cellstate::CELLSTATE_HERE
