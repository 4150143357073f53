// Sums of products for tiles: a few rows times one block of packed weights, in registers.
//
// Every sum is taken in the same order in every tile shape, which is what makes a row's result
// independent of its neighbours.

#ifndef CELLSTATE_SUMS_H
#define CELLSTATE_SUMS_H

#include "lstm.h"
#include "vector_math.h"

namespace cellstate::CELLSTATE_HERE {

constexpr size_t block_width = vectors_per_block * lanes;
constexpr size_t cache_line = 64;  // bytes

// The sums of N neighbouring blocks for R rows.
template <int R, int N>
struct Sums {
  Vector of[N][R][vectors_per_block];
};

// A long chain of additions loses accuracy, so a sum is taken in runs of so many terms, each from
// zero, and the runs are added up. Against one chain this costs no time that could be measured.
constexpr size_t terms_per_run = 64;

// Weights as they are stored, and how many of those make a term.
template <Stored stored>
struct StoredAs {
  typedef Real Weight;
  static constexpr size_t per_term = block_width;
};
template <>
struct StoredAs<Stored::bf16> {
  typedef uint32_t Weight;
  static constexpr size_t per_term = block_width / 2;
};
template <>
struct StoredAs<Stored::int8> {
  typedef int8_t Weight;
  static constexpr size_t per_term = block_width;
};
template <Stored stored>
using Weight = typename StoredAs<stored>::Weight;

// Vector v of a term's four.
template <Stored stored>
CELLSTATE_INLINE Vector weight_of(const Weight<stored>* term, size_t v) {
  if constexpr (stored == Stored::full) {
    return load(term + v * lanes);
  } else if constexpr (stored == Stored::bf16) {
    const Bits two = load_bits(term + v / 2 * lanes);
    return from_bits(v % 2 ? two & 0xffff0000 : two << 16);
  } else {
    return widen(term + v * lanes);
  }
}

// Adds one term of R rows, in the first V vectors of a block.
template <Stored stored, size_t V, int R, int N>
CELLSTATE_INLINE void add_term(Sums<R, N>& sums, const Real* const (&x)[R], size_t k,
                               const Weight<stored>* weights, size_t block_size) {
  constexpr size_t per_term = StoredAs<stored>::per_term;
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (size_t v = 0; v < V; ++v) {
      const Vector weight = weight_of<stored>(weights + n * block_size + k * per_term, v);
      CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
        sums.of[n][r][v] = multiply_add(broadcast(x[r][k]), weight, sums.of[n][r][v]);
      }
    }
  }
}

// One part of a sum: `terms` numbers of each row, with the weights of the first term of block 0.
template <Stored stored>
struct Operand {
  const Real* const* rows;
  size_t terms;
  const Weight<stored>* weights;
  const Real* scales;  // of block 0; null where weights have none
};

// Adds a run of terms, times the scales of whole numbers.
template <size_t V, Stored stored, int R, int N>
CELLSTATE_INLINE void add(Sums<R, N>& total, const Sums<R, N>& run, const Operand<stored>& operand,
                          size_t block) {
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < V; ++v) {
        Vector& to = total.of[n][r][v];
        if constexpr (stored == Stored::int8) {
          const Real* scales = operand.scales + (block + n) * narrow_head * block_width;
          to = multiply_add(run.of[n][r][v], load(scales + v * lanes), to);
        } else {
          to += run.of[n][r][v];
        }
      }
    }
  }
}

// Adds the terms [first, last) of R rows, in runs. With each term one cache line from `ahead` on,
// which others will read later, is brought nearer.
template <size_t V, int R, int N, Stored stored>
CELLSTATE_INLINE void add_terms(Sums<R, N>& total, const Operand<stored>& operand, size_t row,
                                size_t block, size_t first, size_t last, size_t block_size,
                                const char* ahead) {
  if (first >= last) return;  // an operand that is not there has no rows either
  const Weight<stored>* weights = operand.weights + block * block_size;
  const Real* x[R];
  CELLSTATE_UNROLL for (int r = 0; r < R; ++r) x[r] = operand.rows[row + r];
  if (R * N == 1) {  // too few sums to hide the latency of an addition: two runs at once
    for (; first + 2 * terms_per_run <= last; first += 2 * terms_per_run) {
      Sums<R, N> run = {}, next = {};
      for (size_t k = first; k < first + terms_per_run; ++k) {
        add_term<stored, V>(run, x, k, weights, block_size);
        add_term<stored, V>(next, x, k + terms_per_run, weights, block_size);
      }
      add<V>(total, run, operand, block);
      add<V>(total, next, operand, block);
    }
  }
  while (first < last) {
    const size_t end = first + terms_per_run < last ? first + terms_per_run : last;
    Sums<R, N> run = {};
    for (; first < end; ++first) {
      if (R > 1) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += cache_line;
      }
      add_term<stored, V>(run, x, first, weights, block_size);
    }
    add<V>(total, run, operand, block);
  }
}

// Sums from and to memory, (R rows, N blocks, 4 lanes), rows `stride` numbers apart.
template <int R, int N>
CELLSTATE_INLINE Sums<R, N> load_sums(const Real* from, size_t stride) {
  Sums<R, N> sums;
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        sums.of[n][r][v] = load(from + r * stride + n * block_width + v * lanes);
      }
    }
  }
  return sums;
}

template <int R, int N>
CELLSTATE_INLINE void store_sums(const Sums<R, N>& sums, Real* to, size_t stride) {
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        store(to + r * stride + n * block_width + v * lanes, sums.of[n][r][v]);
      }
    }
  }
}

// From the weights of one block to those of the next.
template <Stored stored>
CELLSTATE_INLINE size_t block_size(const Packed<Real>& packed) {
  return (packed.terms + (stored == Stored::full)) * StoredAs<stored>::per_term;
}

template <Stored stored = Stored::full>
CELLSTATE_INLINE Operand<stored> operand(const Packed<Real>& packed, const Real* const* rows,
                                         size_t terms, size_t after = 0) {
  if constexpr (stored == Stored::full) {
    return {rows, terms, packed.blocks + (1 + after) * block_width, nullptr};
  } else {
    const Real* scales = packed.blocks + (after ? 2 : 1) * block_width;
    const auto* weights = (const Weight<stored>*)packed.narrow;
    return {rows, terms, weights + after * StoredAs<stored>::per_term, scales};
  }
}

// Where a block's biases stand.
CELLSTATE_INLINE const Real* bias_of(const Packed<Real>& packed, size_t block) {
  const bool full = packed.stored == Stored::full;
  return packed.blocks + block * (full ? block_size<Stored::full>(packed) : narrow_head * block_width);
}

// Sums that start from the biases.
template <int R, int N>
CELLSTATE_INLINE Sums<R, N> biases(const Packed<Real>& packed, size_t block) {
  Sums<R, N> total;
  CELLSTATE_UNROLL for (int n = 0; n < N; ++n) {
    const Real* from = bias_of(packed, block + n);
    CELLSTATE_UNROLL for (int r = 0; r < R; ++r) {
      CELLSTATE_UNROLL for (size_t v = 0; v < vectors_per_block; ++v) {
        total.of[n][r][v] = load(from + v * lanes);
      }
    }
  }
  return total;
}

// Calls visit.run<R, 1, V>(block, row, number) for tiles that cover the rows and are of like heights:
// a low one reads as many weights as a high one.
template <size_t V, class Visit>
CELLSTATE_INLINE void visit_rows(size_t block, size_t rows, const Visit& visit) {
  const size_t tiles = divide_up(rows, tile_rows);
  for (size_t number = 0, row = 0; number < tiles; ++number) {
    size_t height = rows / tiles + (number < rows % tiles);
    if (tile_rows == 6 && height > 3) {
      if (height == 6) visit.template run<6, 1, V>(block, row, number);
      if (height == 5) visit.template run<5, 1, V>(block, row, number);
      if (height == 4) visit.template run<4, 1, V>(block, row, number);
    } else if (tile_rows == 3 && height == 3) {
      visit.template run<3, 1, V>(block, row, number);
    } else {
      if (height > 1) visit.template run<2, 1, V>(block, row, number);
      if (height % 2) visit.template run<1, 1, V>(block, row + height - 1, number);
    }
    row += height;
  }
}

// A block of so many terms stays in the second cache while rows go by.
constexpr size_t terms_per_pass = 8 * terms_per_run;

// One visit to a tile: some terms of x, then some of h.
template <class Tile, Stored stored>
struct Pass {
  struct Terms {
    size_t first, last;
  };
  const Tile& tile;
  const Operand<stored>& x;
  const Operand<stored>& h;
  size_t block_size;
  Real* partial;  // (rows, 4 lanes): sums between two passes
  Terms of_x, of_h;
  bool begins, ends;

  template <int R, int N, size_t V>
  void run(size_t block, size_t row, size_t number) const {
    Real* kept = partial + row * block_width;
    Sums<R, N> sums = begins ? tile.template begin<R, N>(block, row)
                             : load_sums<R, N>(kept, block_width);
    add<V>(sums, x, of_x, block, row, number);
    add<V>(sums, h, of_h, block, row, number);
    if (ends) return tile.template end<R, N>(sums, block, row);
    store_sums<R, N>(sums, kept, block_width);
  }

  // The first tiles of a pass bring the weights of the next one nearer, each its share of them.
  template <size_t V, int R, int N>
  __attribute__((always_inline)) inline void add(Sums<R, N>& sums, const Operand<stored>& operand, Terms terms,
                                   size_t block, size_t row, size_t number) const {
    constexpr size_t per_term = StoredAs<stored>::per_term;
    constexpr size_t shares = per_term * sizeof(Weight<stored>) / cache_line;
    if (terms.first >= terms.last) return;  // an operand that is not there has no weights either
    const size_t count = terms.last - terms.first;
    const Weight<stored>* here = operand.weights + block * block_size + terms.first * per_term;
    const Weight<stored>* next = here + (begins && ends ? block_size : count * per_term);
    const char* ahead = number < shares ? (const char*)next + number * count * cache_line : (const char*)here;
    add_terms<V>(sums, operand, row, block, terms.first, terms.last, block_size, ahead);
  }
};

// Sums all terms of x, then of h, for every tile: from tile.begin<R, N>(block, row) to
// tile.end<R, N>(sums, block, row). Blocks are the outer loop: a block's weights are read from a
// near cache for all rows, in passes where the block alone would not stay there. A member of a team
// takes its share of the blocks.
template <class Tile, Stored stored>
CELLSTATE_INLINE void for_each_tile(const Packed<Real>& packed, size_t rows,
                                    const Operand<stored>& x, const Operand<stored>& h,
                                    Real* partial, const Tile& tile, const Team& team) {
  const size_t size = block_size<stored>(packed), terms = x.terms + h.terms;
  const size_t last_block = packed.count * (team.member + 1) / team.members;
  const size_t at_once = rows <= tile_rows || terms <= 2 * terms_per_pass ? terms : terms_per_pass;
  size_t block = packed.count * team.member / team.members;
  if (rows == 1) {  // two blocks at once, so that enough independent sums are in flight
    const Pass<Tile, stored> all{tile, x, h, size, partial, {0, x.terms}, {0, h.terms}, true, true};
    for (; block + 2 <= last_block; block += 2) all.template run<1, 2, vectors_per_block>(block, 0, 0);
  }
  for (; block < last_block; ++block) {
    size_t done = 0;
    do {
      // Passes end where x does, so that each operand is summed in runs of its own.
      typename Pass<Tile, stored>::Terms of_x = {0, x.terms}, of_h = {0, h.terms};
      const bool begins = done == 0;
      if (at_once < terms) {
        const bool in_x = done < x.terms;
        const size_t first = in_x ? done : done - x.terms, end = in_x ? x.terms : h.terms;
        const size_t last = first + at_once < end ? first + at_once : end;
        done += last - first;
        (in_x ? of_x : of_h) = {first, last};
        (in_x ? of_h : of_x) = {0, 0};
      } else {
        done = terms;
      }
      const Pass<Tile, stored> pass{tile, x, h, size, partial, of_x, of_h, begins, done == terms};
      if constexpr (Tile::may_be_narrow) {
        if (block + 1 == packed.count && packed.last_vectors <= vectors_per_block / 2) {
          visit_rows<vectors_per_block / 2>(block, rows, pass);
          continue;
        }
      }
      visit_rows<vectors_per_block>(block, rows, pass);
    } while (done < terms);
  }
}

// How many of `width` neighbouring numbers from `first` on lie within the total.
CELLSTATE_INLINE size_t used_of(size_t first, size_t width, size_t total) {
  const size_t left = first < total ? total - first : 0;
  return left < width ? left : width;
}

// Cuts arrays out of a workspace, one after the other.
class Cutter {
 public:
  explicit Cutter(void* from) : from_((char*)from) {}

  template <class T>
  T* take(size_t count) {
    T* const taken = (T*)(from_ ? from_ + bytes_ : nullptr);
    bytes_ += (count * sizeof(T) + alignment - 1) / alignment * alignment;
    return taken;
  }

  size_t bytes() const { return bytes_; }

 private:
  char* from_;
  size_t bytes_ = 0;
};

// Walks the steps of rows that are sorted by length, and says how many take part in each.
class Walk {
 public:
  Walk(const Steps<Real>& shape, Rows rows, bool from_the_end)
      : shape_(shape), rows_(rows), from_the_end_(from_the_end), active_(from_the_end ? 0 : rows.count) {}

  size_t length(size_t row) const {
    return shape_.lengths ? (size_t)shape_.lengths[row] : shape_.steps;
  }

  // The step that comes as number `count`; afterwards `active` counts the rows with it.
  size_t step(size_t count) {
    const size_t t = from_the_end_ ? shape_.steps - 1 - count : count;
    if (from_the_end_) {
      while (active_ < rows_.count && length(rows_.numbers[active_]) > t) ++active_;
    } else {
      while (active_ > 0 && length(rows_.numbers[active_ - 1]) <= t) --active_;
    }
    return t;
  }

  size_t active() const { return active_; }

  // The first and the last step of a row in its cell's direction; it has steps.
  size_t first(size_t row) const { return shape_.reverse ? length(row) - 1 : 0; }
  size_t last(size_t row) const { return shape_.reverse ? 0 : length(row) - 1; }

 private:
  const Steps<Real>& shape_;
  Rows rows_;
  bool from_the_end_;
  size_t active_;
};

CELLSTATE_INLINE void wait(const Team& team) {
  if (team.wait) team.wait(team.barrier);
}

CELLSTATE_INLINE void fill_zero(Real* to, size_t count) { memset(to, 0, count * sizeof(Real)); }

CELLSTATE_INLINE void copy(Real* to, const Real* from, size_t count) {
  if (to != from) memcpy(to, from, count * sizeof(Real));
}

}  // namespace cellstate::CELLSTATE_HERE

#endif
