// Layers one after the other, which one call steps for all rows: a streamable network.
//
// Row b of a call gives row b of x and of y, and one place of the states: `places[b]`, or b. A
// layer's state is in pieces, such as h and c of a cell; a piece is an array of `width` numbers for
// each place, equally far apart, read and then written in place. Each row's result is the same bits
// whatever other rows are in the call, as lstm.h promises.
//
// A chain borrows the weights that it is made of, and may be stepped by several threads at a time,
// as long as their calls share no place.

#ifndef CELLSTATE_CHAIN_H
#define CELLSTATE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <variant>
#include <vector>

#include "lstm.h"

namespace cellstate {

// One cell of a stack: pieces h (P) and c (H).
struct Cell {
  Packed<float> weights, projection;
  size_t input_size, hidden_size, output_size;
  bool varied;
  Variant<float> variant;
};

// Vectors by number.
struct Table {
  const float* vectors;  // (count, outputs)
  size_t count;
};

// The last `kept` inputs, each a piece, and then this one.
struct Frames {
  size_t kept;
};

struct Layer {
  const Kernels<float>* kernels;
  size_t inputs, outputs;
  std::variant<Table, Product<float>, Norm<float>, Cell, Frames> what;  // without x and y
  size_t first_piece = 0;
};

// Where a piece of place 0 begins, and how far it is to that of place 1.
struct Piece {
  float* first;
  size_t stride;
};

struct ChainStep {
  size_t batch;
  const float* x;          // (B, inputs), or
  const int64_t* numbers;  // (B,) within the table, where the first layer is one
  float* y;                // (B, outputs), apart from all others
  const Piece* pieces;     // one for each of the chain's
  const int64_t* places;   // (B,), no two alike; null for 0 … B - 1
};

class Workspaces;  // kept between calls

class Chain {
 public:
  Chain();
  Chain(Chain&&) noexcept;
  ~Chain();

  // A layer must take what the last one gives, and a table must be the first.
  void add(Layer layer);

  size_t inputs() const { return layers_.empty() ? 0 : layers_.front().inputs; }
  size_t outputs() const { return layers_.empty() ? 0 : layers_.back().outputs; }
  const Table* table() const;  // the first layer, if it is one
  const std::vector<size_t>& widths() const { return widths_; }  // of the pieces
  size_t state_size() const { return state_size_; }              // their sum

  void step(const ChainStep& call, int threads) const;

 private:
  struct Space {
    size_t order, between, kernel;
    size_t bytes() const { return order + 2 * between + kernel; }
  };

  size_t rows_together() const;
  Space space_for(const ChainStep& call, size_t rows) const;
  void fetch(const ChainStep& call, size_t first, size_t last) const;
  void run(const ChainStep& call, size_t first, size_t last, const Space& space, void* memory,
           int threads) const;

  std::vector<Layer> layers_;
  std::vector<size_t> widths_;
  size_t state_size_ = 0;
  size_t between_ = 0;          // most numbers of a row between two layers
  double multiplications_ = 0;  // of a row
  std::unique_ptr<Workspaces> workspaces_;
};

}  // namespace cellstate

#endif
