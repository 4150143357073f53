// The kernels, written once and compiled for each instruction set.
//
// A tile is a few rows times one block of hidden units. Its four gates are summed in registers and
// the cell update follows at once, so the gates never become an array: only h and c are written.
// Blocks are the outer loop: a block's weights are read from the nearest cache for all rows.

#include "lstm.h"
#include "vector_math.h"

namespace cellstate::CELLSTATE_ISA {

constexpr size_t block_width = vectors_per_block * lanes;

// Rows of one operand of the sum, `terms` floats each.
struct Operand {
  const float* rows;
  size_t terms;
};

// The sums of N neighbouring blocks for R rows.
template <int R, int N>
struct Sums {
  Floats of[N][R][vectors_per_block];
};

// A long chain of additions loses accuracy, so a sum is taken in runs of so many terms, each from
// zero, and the runs are added up. Against one chain this costs no time that could be measured.
constexpr size_t terms_per_run = 32;

// One run: the terms [first, last) of the operand.
template <int R, int N>
CELLSTATE_INLINE Sums<R, N> sum_run(Operand operand, size_t row, size_t first, size_t last,
                                    const float* weights, size_t block_size) {
  const float* x = operand.rows + row * operand.terms;
  Sums<R, N> sums = {};
  for (size_t k = first; k < last; ++k) {
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        const Floats weight = load(weights + n * block_size + k * block_width + v * lanes);
        CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
          const Floats factor = broadcast(x[r * operand.terms + k]);
          sums.of[n][r][v] = multiply_add(factor, weight, sums.of[n][r][v]);
        }
      }
    }
  }
  return sums;
}

template <int R, int N>
CELLSTATE_INLINE void add_operand(Sums<R, N>& total, Operand operand, size_t row,
                                  const float* weights, size_t block_size) {
  for (size_t first = 0; first < operand.terms; first += terms_per_run) {
    const size_t left = operand.terms - first;
    const size_t last = first + (left < terms_per_run ? left : terms_per_run);
    const Sums<R, N> run = sum_run<R, N>(operand, row, first, last, weights, block_size);
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
        CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
          total.of[n][r][v] += run.of[n][r][v];
        }
      }
    }
  }
}

// The bias, then all of x, then all of h.
template <int R, int N>
CELLSTATE_INLINE Sums<R, N> sum(const Packed& packed, size_t block, size_t row, Operand x,
                                Operand h) {
  const size_t block_size = (1 + packed.terms) * block_width;
  const float* weights = packed.blocks + block * block_size;
  Sums<R, N> total;
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        total.of[n][r][v] = load(weights + n * block_size + v * lanes);
      }
    }
  }
  weights += block_width;
  add_operand(total, x, row, weights, block_size);
  add_operand(total, h, row, weights + x.terms * block_width, block_size);
  return total;
}

// Visits all tiles of rows [first, last). A lone row takes two blocks at once, so that enough
// independent sums are in flight to hide the latency of an addition.
template <class Tile>
CELLSTATE_INLINE void for_each_tile(size_t blocks, size_t first, size_t last, const Tile& tile) {
  if (last - first == 1) {
    size_t block = 0;
    for (; block + 2 <= blocks; block += 2) tile.template run<1, 2>(block, first);
    if (block < blocks) tile.template run<1, 1>(block, first);
    return;
  }
  for (size_t block = 0; block < blocks; ++block) {
    size_t row = first;
    for (; row + tile_rows <= last; row += tile_rows) tile.template run<tile_rows, 1>(block, row);
    for (; row + 2 <= last; row += 2) tile.template run<2, 1>(block, row);
    if (row < last) tile.template run<1, 1>(block, row);
  }
}

// How much of one block lies within the total; the last may be cut short.
CELLSTATE_INLINE size_t lanes_used(size_t block, size_t per_block, size_t total) {
  const size_t left = total - block * per_block;
  return left < per_block ? left : per_block;
}

struct LSTMTile {
  const LSTMCall& call;
  const float* x;
  const float* h_before;
  const float* c_before;
  float* h;

  template <int R, int N>
  void run(size_t block, size_t row) const {
    const size_t H = call.hidden_size;
    const Sums<R, N> sums =
        sum<R, N>(call.weights, block, row, {x, call.input_size}, {h_before, H});
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      const size_t units = lanes_used(block + n, lanes, H);
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
        const Floats* gates = sums.of[n][r];
        const size_t at = (row + r) * H + (block + n) * lanes;
        const Floats kept = sigmoid(gates[1]) * load_first(c_before + at, units);
        const Floats c = multiply_add(sigmoid(gates[0]), tanh(gates[2]), kept);
        store_first(call.c + at, c, units);
        store_first(h + at, sigmoid(gates[3]) * tanh(c), units);
      }
    }
  }
};

static void lstm(const LSTMCall& call, size_t first, size_t last) {
  const size_t state_size = call.batch * call.hidden_size;
  if (call.steps == 0) {
    const size_t from = first * call.hidden_size, to = last * call.hidden_size;
    memmove(call.c + from, call.c0 + from, (to - from) * sizeof(float));
  }
  LSTMTile tile{call, call.x, call.h0, call.c0, call.h};
  for (size_t t = 0; t < call.steps; ++t) {
    for_each_tile(call.weights.count, first, last, tile);
    tile.x += call.batch * call.input_size;
    tile.h_before = tile.h;
    tile.c_before = call.c;
    tile.h += state_size;
  }
}

template <Activation activation>
CELLSTATE_INLINE Floats activate(Floats v) {
  if (activation == Activation::relu) return at_least(Floats{}, v);
  if (activation == Activation::tanh) return tanh(v);
  return v;
}

template <Activation activation>
struct LinearTile {
  const LinearCall& call;

  template <int R, int N>
  void run(size_t block, size_t row) const {
    const Sums<R, N> sums = sum<R, N>(call.weights, block, row, {call.x, call.inputs}, {});
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        const size_t output = (block + n) * block_width + v * lanes;
        if (output >= call.outputs) break;
        const size_t used = lanes_used(output / lanes, lanes, call.outputs);
        CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
          store_first(call.y + (row + r) * call.outputs + output,
                      activate<activation>(sums.of[n][r][v]), used);
        }
      }
    }
  }
};

template <Activation activation>
static void linear_with(const LinearCall& call, size_t first, size_t last) {
  for_each_tile(call.weights.count, first, last, LinearTile<activation>{call});
}

static void linear(const LinearCall& call, size_t first, size_t last) {
  switch (call.activation) {
    case Activation::identity:
      return linear_with<Activation::identity>(call, first, last);
    case Activation::relu:
      return linear_with<Activation::relu>(call, first, last);
    case Activation::tanh:
      return linear_with<Activation::tanh>(call, first, last);
  }
}

template <Floats (*function)(Floats)>
static void elementwise(const float* x, float* y, size_t count) {
  for (size_t i = 0; i < count; i += lanes) {
    const size_t used = lanes_used(i / lanes, lanes, count);
    store_first(y + i, function(load_first(x + i, used)), used);
  }
}

}  // namespace cellstate::CELLSTATE_ISA

namespace cellstate {

#define CELLSTATE_JOIN(a, b) a##b
#define CELLSTATE_TABLE(isa) CELLSTATE_JOIN(kernels_, isa)
#define CELLSTATE_TEXT(isa) #isa
#define CELLSTATE_NAME(isa) CELLSTATE_TEXT(isa)

extern const Kernels CELLSTATE_TABLE(CELLSTATE_ISA) = {
    CELLSTATE_NAME(CELLSTATE_ISA),
    CELLSTATE_ISA::lanes,
    CELLSTATE_ISA::lstm,
    CELLSTATE_ISA::linear,
    CELLSTATE_ISA::elementwise<CELLSTATE_ISA::exp>,
    CELLSTATE_ISA::elementwise<CELLSTATE_ISA::sigmoid>,
    CELLSTATE_ISA::elementwise<CELLSTATE_ISA::tanh>,
};

}  // namespace cellstate
