// Weights in the layout of one instruction set, and the kernels that read them.

#ifndef CELLSTATE_PACKED_H
#define CELLSTATE_PACKED_H

#include <optional>
#include <string>
#include <utility>

#include "aligned.h"
#include "arrays.h"
#include "lstm.h"

namespace cellstate {

using Name = std::optional<std::string>;

template <class Real>
const Kernels<Real>* kernels_of(const InstructionSet& set);
template <>
inline const Kernels<float>* kernels_of(const InstructionSet& set) {
  return set.f32;
}
template <>
inline const Kernels<double>* kernels_of(const InstructionSet& set) {
  return set.f64;
}

// The kernels of the named instruction set, or the best that this CPU runs.
template <class Real>
const Kernels<Real>& kernels_for(const Name& isa) {
  const InstructionSets sets = instruction_sets();
  const Kernels<Real>* best = nullptr;
  std::string names;
  for (size_t i = 0; i < sets.count; ++i) {
    if (!sets.first[i].runs_here) continue;
    best = kernels_of<Real>(sets.first[i]);
    if (isa == best->isa) return *best;
    names += (names.empty() ? "" : ", ") + std::string(best->isa);
  }
  if (isa) {
    refuse("isa must name instructions that this CPU runs (" + names + ")", "'" + *isa + "'",
           "Leave isa out to use '" + std::string(best->isa) + "'");
  }
  return *best;
}

template <class Real>
class PackedWeights {
 public:
  PackedWeights(size_t blocks, size_t terms, size_t lanes)
      : memory_(packed_size(blocks, terms, lanes) * sizeof(Real)), blocks_(blocks), terms_(terms) {}

  Real* data() { return static_cast<Real*>(memory_.get()); }
  size_t bytes() const { return memory_.bytes(); }
  Packed<Real> view() const {
    const Real* numbers = static_cast<const Real*>(memory_.get());
    return {numbers, blocks_, terms_, stored_, numbers + narrow_from_, last_vectors_};
  }

  // The same in a narrower form; the first `of_x` terms have scales apart from the others'.
  PackedWeights narrowed(Stored stored, size_t of_x, size_t lanes) && {
    if constexpr (sizeof(Real) == 4) {
      if (stored != Stored::full) return PackedWeights(std::move(*this), stored, of_x, lanes);
    }
    return std::move(*this);
  }

  // For y = x Wᵀ + b from weight (O, I); without a bias where that is null.
  static PackedWeights product(const Real* weight, const Real* bias, size_t inputs, size_t outputs,
                               size_t lanes) {
    PackedWeights packed(product_blocks(outputs, lanes), inputs, lanes);
    pack_product(weight, bias, inputs, outputs, lanes, packed.data());
    packed.last_vectors_ = last_vectors(outputs, lanes);
    return packed;
  }

  // For y = x W from weight (I, O).
  static PackedWeights transposed(const Real* weight, size_t inputs, size_t outputs, size_t lanes) {
    PackedWeights packed(product_blocks(outputs, lanes), inputs, lanes);
    pack_transposed(weight, inputs, outputs, lanes, packed.data());
    packed.last_vectors_ = last_vectors(outputs, lanes);
    return packed;
  }

 private:
  PackedWeights(PackedWeights&& full, Stored stored, size_t of_x, size_t lanes)
      : memory_(narrow_numbers(full.blocks_, lanes) * sizeof(Real) +
                narrow_bytes(stored, full.blocks_, full.terms_, lanes)),
        blocks_(full.blocks_), terms_(full.terms_), stored_(stored),
        narrow_from_(narrow_numbers(blocks_, lanes)), last_vectors_(full.last_vectors_) {
    narrow(full.data(), stored, blocks_, terms_, of_x, lanes, data(), data() + narrow_from_);
  }

  Aligned memory_;
  size_t blocks_, terms_;
  Stored stored_ = Stored::full;
  size_t narrow_from_ = 0;
  size_t last_vectors_ = vectors_per_block;
};

}  // namespace cellstate

#endif
