// One cell's weights as the kernels read them, made from Python's arrays.

#ifndef CELLSTATE_PACKED_CELLS_H
#define CELLSTATE_PACKED_CELLS_H

#include <cmath>
#include <string>
#include <utility>

#include "packed.h"

namespace cellstate {

// A cell's weights for the forward pass.
template <class Real>
struct PackedCell {
  const Kernels<Real>& kernels;
  size_t input_size, hidden_size, output_size;
  PackedWeights<Real> weights, projection;  // without blocks where nothing projects
};

// The same weights, transposed, for the backward pass.
template <class Real>
struct PackedGradient {
  const Kernels<Real>& kernels;
  size_t input_size, hidden_size, output_size;
  PackedWeights<Real> recurrent, input, projection;
  bool projects;
};

struct Sizes {
  size_t input, hidden, output;
};

template <class Real>
Sizes check_weights(const Input& weight_ih, const Input& weight_hh, const MaybeInput& weight_hr) {
  check_axes("weight_ih", weight_ih, 2);
  check_axes("weight_hh", weight_hh, 2);
  if (weight_hr) check_axes("weight_hr", *weight_hr, 2);
  const size_t I = weight_ih.shape(1), P = weight_hh.shape(1);
  const size_t H = weight_hr ? weight_hr->shape(1) : P;
  check<Real>("weight_ih", weight_ih, {4 * H, I});
  check<Real>("weight_hh", weight_hh, {4 * H, P});
  if (weight_hr) check<Real>("weight_hr", *weight_hr, {P, H});
  return {I, H, P};
}

inline Stored stored_named(const std::string& name) {
  if (name == "full") return Stored::full;
  if (name == "bf16") return Stored::bf16;
  if (name == "int8") return Stored::int8;
  refuse("stored must be 'full', 'bf16' or 'int8'", "'" + name + "'", "Choose one of the three");
}

// Whole numbers have none for infinity and NaN.
inline void check_finite(const char* name, const Input& weight) {
  const float* from = data<float>(weight);
  for (size_t i = 0; i < weight.size(); ++i) {
    if (std::isfinite(from[i])) continue;
    refuse(std::string(name) + " must be finite to be stored as int8", std::to_string(from[i]),
           "Store it as bf16 or in full");
  }
}

template <class Real>
void make_cell(PackedCell<Real>* self, const Input& weight_ih, const Input& weight_hh,
               const Input& bias, const MaybeInput& weight_hr, const Name& isa,
               const std::string& stored_as) {
  const auto [I, H, P] = check_weights<Real>(weight_ih, weight_hh, weight_hr);
  check<Real>("bias", bias, {4 * H});
  const Stored stored = stored_named(stored_as);
  if (sizeof(Real) != 4 && stored != Stored::full) {
    refuse("weights of float64 must be stored in full", "'" + stored_as + "'",
           "Use PackedLSTM for narrow weights");
  }
  if (stored == Stored::int8) {
    check_finite("weight_ih", weight_ih);
    check_finite("weight_hh", weight_hh);
    if (weight_hr) check_finite("weight_hr", *weight_hr);
  }
  const Kernels<Real>& kernels = kernels_for<Real>(isa);
  const size_t lanes = kernels.lanes;
  PackedWeights<Real> weights(cell_blocks(H, lanes), I + P, lanes);
  pack_cell(data<Real>(weight_ih), data<Real>(weight_hh), data<Real>(bias), I, H, P, lanes,
            weights.data());
  auto projection = weight_hr ? PackedWeights<Real>::product(data<Real>(*weight_hr), nullptr, H, P, lanes)
                              : PackedWeights<Real>(0, 0, lanes);
  new (self) PackedCell<Real>{kernels, I, H, P, std::move(weights).narrowed(stored, I, lanes),
                              std::move(projection).narrowed(stored, H, lanes)};
}

template <class Real>
void make_gradient(PackedGradient<Real>* self, const Input& weight_ih, const Input& weight_hh,
                   const MaybeInput& weight_hr, const Name& isa) {
  const auto [I, H, P] = check_weights<Real>(weight_ih, weight_hh, weight_hr);
  const Kernels<Real>& kernels = kernels_for<Real>(isa);
  const size_t lanes = kernels.lanes;
  const auto transposed = &PackedWeights<Real>::transposed;
  new (self) PackedGradient<Real>{
      kernels, I, H, P,
      transposed(data<Real>(weight_hh), 4 * H, P, lanes),
      transposed(data<Real>(weight_ih), 4 * H, I, lanes),
      weight_hr ? transposed(data<Real>(*weight_hr), P, H, lanes) : PackedWeights<Real>(0, 0, lanes),
      weight_hr.has_value()};
}

}  // namespace cellstate

#endif
