// Layer normalisation, row by row.

#ifndef CELLSTATE_NORM_H
#define CELLSTATE_NORM_H

#include "sums.h"
#include "variants.h"

namespace cellstate::CELLSTATE_HERE {

static void normalise(const Norm<Real>& call, size_t first, size_t last) {
  for (size_t row = first; row < last; ++row) {
    const Real* x = call.x + row * call.size;
    Real* y = call.y + row * call.size;
    const Moments of_row = moments(x, call.size, call.epsilon);
    for (size_t at = 0; at < call.size; at += lanes) {
      const size_t used = used_of(at, lanes, call.size);
      const Vector normed = (load_first(x + at, used) - broadcast(of_row.mean)) * broadcast(of_row.scale);
      store_first(y + at, multiply_add(normed, load_first(call.weight + at, used), load_first(call.bias + at, used)), used);
    }
  }
}

}  // namespace cellstate::CELLSTATE_HERE

#endif
