// From torch's weight layout to blocks that a tile reads straight through.

#include <string.h>

#include "lstm.h"

namespace cellstate {

namespace {

// One lane of one vector of one block: where its terms stand, a block's width apart.
template <class Real>
struct Lane {
  Real* first;
  size_t width;

  Lane(Real* packed, size_t terms, size_t lanes, size_t block, size_t v, size_t lane)
      : first(packed + block * (terms + 1) * vectors_per_block * lanes + v * lanes + lane),
        width(vectors_per_block * lanes) {}

  void put(size_t term, Real value) { first[term * width] = value; }
};

// Terms are copied in stretches of a cache line, so that all rows of a block's weights stay in the
// nearest cache while its lines are filled.
constexpr size_t stretch = 16;

}  // namespace

template <class Real>
void pack_cell(const Real* weight_ih, const Real* weight_hh, const Real* bias, size_t input_size,
               size_t hidden_size, size_t output_size, size_t lanes, Real* packed) {
  const size_t terms = input_size + output_size, blocks = cell_blocks(hidden_size, lanes);
  const size_t parts = vectors_per_block * lanes;
  for (size_t block = 0; block < blocks; ++block) {
    const auto copy = [&](const Real* weight, size_t count, size_t after) {
      for (size_t from = 0; from < count; from += stretch) {
        const size_t to = from + stretch < count ? from + stretch : count;
        for (size_t part = 0; part < parts; ++part) {
          const size_t gate = part / lanes, lane = part % lanes, unit = block * lanes + lane;
          Lane<Real> out(packed, terms, lanes, block, gate, lane);
          const Real* row = weight + (gate * hidden_size + unit) * count;
          for (size_t k = from; k < to; ++k) out.put(after + k, unit < hidden_size ? row[k] : Real(0));
        }
      }
    };
    copy(bias, 1, 0);
    copy(weight_ih, input_size, 1);
    copy(weight_hh, output_size, 1 + input_size);
  }
}

template <class Real>
void pack_product(const Real* weight, const Real* bias, size_t inputs, size_t outputs,
                  size_t lanes, Real* packed) {
  const size_t parts = vectors_per_block * lanes;
  for (size_t part = 0; part < product_blocks(outputs, lanes) * parts; ++part) {
    const bool used = part < outputs;
    Lane<Real> out(packed, inputs, lanes, part / parts, part / lanes % vectors_per_block,
                   part % lanes);
    out.put(0, used && bias ? bias[part] : Real(0));
    for (size_t k = 0; k < inputs; ++k) out.put(1 + k, used ? weight[part * inputs + k] : Real(0));
  }
}

template <class Real>
void pack_transposed(const Real* weight, size_t inputs, size_t outputs, size_t lanes,
                     Real* packed) {
  const size_t width = vectors_per_block * lanes;
  for (size_t block = 0; block < product_blocks(outputs, lanes); ++block) {
    const size_t left = outputs - block * width, used = left < width ? left : width;
    memset(packed, 0, width * sizeof(Real));  // no bias
    packed += width;
    for (size_t k = 0; k < inputs; ++k, packed += width) {
      memcpy(packed, weight + k * outputs + block * width, used * sizeof(Real));
      memset(packed + used, 0, (width - used) * sizeof(Real));
    }
  }
}

#define CELLSTATE_PACKING(Real)                                                                  \
  template void pack_cell(const Real*, const Real*, const Real*, size_t, size_t, size_t, size_t, \
                          Real*);                                                                \
  template void pack_product(const Real*, const Real*, size_t, size_t, size_t, Real*);           \
  template void pack_transposed(const Real*, size_t, size_t, size_t, Real*);
CELLSTATE_PACKING(float)
CELLSTATE_PACKING(double)

}  // namespace cellstate
