// Linear layers and their activation, and functions entry by entry.

#include "sums.h"

namespace cellstate::CELLSTATE_HERE {

template <Activation activation>
CELLSTATE_INLINE Vector activate(Vector v) {
  if (activation == Activation::relu) return at_least(Vector{}, v);
  if (activation == Activation::tanh) return tanh(v);
  return v;
}

template <Activation activation>
struct ProductTile {
  static constexpr bool may_be_narrow = true;
  const Product<Real>& call;
  size_t first;

  template <int R, int N>
  Sums<R, N> begin(size_t block, size_t) const {
    return biases<R, N>(call.weights, block);
  }

  template <int R, int N>
  void end(const Sums<R, N>& sums, size_t block, size_t row) const {
    CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        const size_t output = (block + n) * block_width + v * lanes;
        const size_t used = used_of(output, lanes, call.outputs);
        if (!used) break;
        CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
          store_first(call.y + (first + row + r) * call.outputs + output,
                      activate<activation>(sums.of[n][r][v]), used);
        }
      }
    }
  }
};

// So many rows at a time, for which the stack has room.
constexpr size_t most_rows = 240;

template <Activation activation>
static void product_with(const Product<Real>& call, size_t first, size_t last) {
  alignas(alignment) Real partial[most_rows * block_width];
  const Real* rows[most_rows];
  for (size_t from = first; from < last; from += most_rows) {
    const size_t count = used_of(from, most_rows, last);
    for (size_t row = 0; row < count; ++row) rows[row] = call.x + (from + row) * call.inputs;
    for_each_tile(call.weights, count, operand(call.weights, rows, call.inputs), {}, partial,
                  ProductTile<activation>{call, from}, alone);
  }
}

static void product(const Product<Real>& call, size_t first, size_t last) {
  switch (call.activation) {
    case Activation::identity:
      return product_with<Activation::identity>(call, first, last);
    case Activation::relu:
      return product_with<Activation::relu>(call, first, last);
    case Activation::tanh:
      return product_with<Activation::tanh>(call, first, last);
  }
}

template <Vector (*function)(Vector)>
static void elementwise(const Real* x, Real* y, size_t count) {
  for (size_t i = 0; i < count; i += lanes) {
    const size_t used = used_of(i, lanes, count);
    store_first(y + i, function(load_first(x + i, used)), used);
  }
}

}  // namespace cellstate::CELLSTATE_HERE
