// Products over all rows: C += Aᵀ B, the gradient of a weight.
//
// Rows are taken in runs. A run's stretch of B is copied into a panel, one block of columns wide,
// and stays in the nearest cache while a few columns of A at a time are multiplied with it.

#include "sums.h"

namespace cellstate::CELLSTATE_HERE {

constexpr size_t rows_per_run = 128;

struct AccumulateTile {
  const Accumulate<Real>& call;
  const Real* a;      // (count, M): the rows of the run
  const Real* panel;  // (count, 4 lanes)
  size_t count, column, width;  // rows of the run; first column of B, and how many there are

  template <int R, size_t V>
  void run(size_t row) const {
    Real* const to = call.c + row * call.columns + column;
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < V; ++v) {
        __builtin_prefetch(to + r * call.columns + v * lanes, 1, 3);
      }
    }
    Sums<R, 1> sums = {};
    for (size_t k = 0; k < count; ++k) {
      __builtin_prefetch(a + k * call.rows + row + 2 * R - 1, 0, 3);  // for the next tile
      CELLSTATE_UNROLL for (size_t v = 0; v < V; ++v) {
        const Vector b = load(panel + k * block_width + v * lanes);
        CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
          sums.of[0][r][v] = multiply_add(broadcast(a[k * call.rows + row + r]), b, sums.of[0][r][v]);
        }
      }
    }
    CELLSTATE_UNROLL for (size_t v = 0; v < V; ++v) {
      const size_t used = used_of(v * lanes, lanes, width);
      if (!used) break;
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
        Real* c = to + r * call.columns + v * lanes;
        store_first(c, load_first(c, used) + sums.of[0][r][v], used);
      }
    }
  }
};

// Rows [first, last) of C with the columns of one panel, V vectors wide.
template <size_t V>
CELLSTATE_INLINE void accumulate_rows(const AccumulateTile& tile, size_t first, size_t last) {
  size_t row = first;
  for (; row + tile_rows <= last; row += tile_rows) tile.run<tile_rows, V>(row);
  for (; row + 2 <= last; row += 2) tile.run<2, V>(row);
  if (row < last) tile.run<1, V>(row);
}

// sums += the sum of A's rows, for its columns [first, last).
CELLSTATE_INLINE void accumulate_sums(const Accumulate<Real>& call, const Real* a, size_t count,
                                      size_t first, size_t last) {
  constexpr size_t at_once = 8;  // vectors, to hide the latency of an addition
  size_t column = first;
  for (; column + at_once * lanes <= last; column += at_once * lanes) {
    Vector sum[at_once] = {};
    for (size_t k = 0; k < count; ++k) {
      CELLSTATE_UNROLL for (size_t v = 0; v < at_once; ++v) {
        sum[v] += load(a + k * call.rows + column + v * lanes);
      }
    }
    CELLSTATE_UNROLL for (size_t v = 0; v < at_once; ++v) {
      Real* to = call.sums + column + v * lanes;
      store(to, load(to) + sum[v]);
    }
  }
  for (; column < last; column += lanes) {
    const size_t used = used_of(column, lanes, last);
    Vector sum = {};
    for (size_t k = 0; k < count; ++k) sum += load_first(a + k * call.rows + column, used);
    store_first(call.sums + column, load_first(call.sums + column, used) + sum, used);
  }
}

static void accumulate(const Accumulate<Real>& call, size_t first, size_t last) {
  alignas(alignment) Real panel[rows_per_run * block_width];
  for (size_t from = 0; from < call.terms; from += rows_per_run) {
    const size_t count = used_of(from, rows_per_run, call.terms);
    const Real* a = call.a + from * call.rows;
    if (call.sums) accumulate_sums(call, a, count, first, last);
    for (size_t column = 0; column < call.columns; column += block_width) {
      const size_t width = used_of(column, block_width, call.columns);
      for (size_t k = 0; k < count; ++k) {
        Real* to = panel + k * block_width;
        copy(to, call.b + (from + k) * call.b_stride + column, width);
        if (width < block_width) fill_zero(to + width, block_width - width);
      }
      const AccumulateTile tile{call, a, panel, count, column, width};
      if (width > 2 * lanes) {
        accumulate_rows<4>(tile, first, last);
      } else if (width > lanes) {
        accumulate_rows<2>(tile, first, last);
      } else {
        accumulate_rows<1>(tile, first, last);
      }
    }
  }
}

}  // namespace cellstate::CELLSTATE_HERE
