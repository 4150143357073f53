// From torch's weight layout to blocks that a tile reads straight through.

#include <string.h>

#include "lstm.h"

namespace cellstate {

namespace {

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// Where a packed array keeps one weight: term 0 of a block is the bias.
struct Destination {
  float* packed;
  size_t terms, lanes;

  float* at(size_t block, size_t term, size_t v, size_t lane) const {
    const size_t width = vectors_per_block * lanes;
    return packed + (block * (terms + 1) + term) * width + v * lanes + lane;
  }

  // Spreads one row of a weight matrix over terms first_term, first_term + 1, ...
  void put(size_t block, size_t v, size_t lane, size_t first_term, const float* row,
           size_t count) const {
    for (size_t k = 0; k < count; ++k) *at(block, first_term + k, v, lane) = row[k];
  }
};

}  // namespace

size_t packed_block_count_lstm(size_t hidden_size, size_t lanes) {
  return divide_up(hidden_size, lanes);
}

size_t packed_block_count_linear(size_t outputs, size_t lanes) {
  return divide_up(outputs, vectors_per_block * lanes);
}

size_t packed_size(size_t block_count, size_t terms, size_t lanes) {
  return block_count * (terms + 1) * vectors_per_block * lanes;
}

void pack_lstm(const float* weight_ih, const float* weight_hh, const float* bias,
               size_t input_size, size_t hidden_size, size_t lanes, float* packed) {
  const size_t terms = input_size + hidden_size;
  const size_t blocks = packed_block_count_lstm(hidden_size, lanes);
  memset(packed, 0, packed_size(blocks, terms, lanes) * sizeof(float));
  const Destination to{packed, terms, lanes};
  for (size_t gate = 0; gate < vectors_per_block; ++gate) {
    for (size_t unit = 0; unit < hidden_size; ++unit) {
      const size_t row = gate * hidden_size + unit;
      const size_t block = unit / lanes, lane = unit % lanes;
      to.put(block, gate, lane, 0, bias + row, 1);
      to.put(block, gate, lane, 1, weight_ih + row * input_size, input_size);
      to.put(block, gate, lane, 1 + input_size, weight_hh + row * hidden_size, hidden_size);
    }
  }
}

void pack_linear(const float* weight, const float* bias, size_t inputs, size_t outputs,
                 size_t lanes, float* packed) {
  const size_t blocks = packed_block_count_linear(outputs, lanes);
  memset(packed, 0, packed_size(blocks, inputs, lanes) * sizeof(float));
  const Destination to{packed, inputs, lanes};
  for (size_t output = 0; output < outputs; ++output) {
    const size_t block = output / (vectors_per_block * lanes);
    const size_t v = output / lanes % vectors_per_block, lane = output % lanes;
    to.put(block, v, lane, 0, bias + output, 1);
    to.put(block, v, lane, 1, weight + output * inputs, inputs);
  }
}

}  // namespace cellstate
