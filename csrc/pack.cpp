// From torch's weight layout to blocks that a tile reads straight through.

#include <math.h>
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

// Lanes that are filled together, of which every vector has a multiple.
constexpr size_t together = 2;

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
        for (size_t part = 0; part < parts; part += together) {
          const size_t gate = part / lanes, lane = part % lanes, unit = block * lanes + lane;
          Lane<Real> out(packed, terms, lanes, block, gate, lane);
          const Real* row = weight + (gate * hidden_size + unit) * count;
          if (unit + together <= hidden_size) {
            for (size_t k = from; k < to; ++k) {
              Real* four = out.first + (after + k) * out.width;
              for (size_t i = 0; i < together; ++i) four[i] = row[i * count + k];
            }
            continue;
          }
          for (size_t i = 0; i < together; ++i) {
            const bool used = unit + i < hidden_size;
            for (size_t k = from; k < to; ++k) {
              out.first[(after + k) * out.width + i] = used ? row[i * count + k] : Real(0);
            }
          }
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

namespace {

uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// A NaN stays one: rounding could carry into its sign.
uint32_t to_bf16(float value) {
  const uint32_t bits = bits_of(value);
  return value != value ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

float scale_of(const float* column, size_t count, size_t width) {
  float most = 0;
  for (size_t k = 0; k < count; ++k) most = fmaxf(most, fabsf(column[k * width]));
  return from_bits(bits_of(most / 127) & ~uint32_t{0x7f});
}

int8_t to_int8(float value, float scale) {
  const float number = scale > 0 ? rintf(value / scale) : 0;
  return static_cast<int8_t>(fminf(127, fmaxf(-127, number)));
}

}  // namespace

void narrow(const float* packed, Stored stored, size_t blocks, size_t terms, size_t of_x,
            size_t lanes, float* numbers, void* weights) {
  const size_t width = vectors_per_block * lanes;
  auto* pairs = static_cast<uint32_t*>(weights);
  auto* whole = static_cast<int8_t*>(weights);
  for (size_t part = 0; part < blocks * width; ++part) {
    const size_t block = part / width, place = part % width, v = place / lanes, lane = place % lanes;
    const float* column = packed + block * (terms + 1) * width + place;
    const float* full = column + width;
    const float scales[] = {scale_of(full, of_x, width),
                            scale_of(full + of_x * width, terms - of_x, width)};
    float* head = numbers + block * narrow_head * width + place;
    head[0] = *column;
    head[width] = scales[0];
    head[2 * width] = scales[1];
    for (size_t k = 0; k < terms; ++k) {
      const size_t term = block * terms + k;
      if (stored == Stored::int8) {
        whole[term * width + place] = to_int8(full[k * width], scales[k >= of_x]);
        continue;
      }
      uint32_t& pair = pairs[(term * vectors_per_block + v) / 2 * lanes + lane];
      const uint32_t half = to_bf16(full[k * width]);
      pair = v % 2 ? pair | half << 16 : half;
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
