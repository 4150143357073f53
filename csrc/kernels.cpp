// The kernels, written once and compiled for each instruction set and type.

#include "accumulate.h"
#include "backward.h"
#include "forward.h"
#include "norm.h"
#include "product.h"

namespace cellstate {

#define CELLSTATE_TEXT_NOW(a) #a
#define CELLSTATE_TEXT(a) CELLSTATE_TEXT_NOW(a)
#define CELLSTATE_TABLE \
  CELLSTATE_JOIN(CELLSTATE_JOIN(kernels_, CELLSTATE_ISA), CELLSTATE_JOIN(_, CELLSTATE_REAL))

extern const Kernels<CELLSTATE_REAL> CELLSTATE_TABLE = {
    CELLSTATE_TEXT(CELLSTATE_ISA),
    CELLSTATE_HERE::lanes,
    CELLSTATE_HERE::forward_bytes,
    CELLSTATE_HERE::forward,
    CELLSTATE_HERE::backward_bytes,
    CELLSTATE_HERE::backward,
    CELLSTATE_HERE::product,
    CELLSTATE_HERE::normalise,
    CELLSTATE_HERE::accumulate,
    CELLSTATE_HERE::elementwise<CELLSTATE_HERE::exp>,
    CELLSTATE_HERE::elementwise<CELLSTATE_HERE::sigmoid>,
    CELLSTATE_HERE::elementwise<CELLSTATE_HERE::tanh>,
    CELLSTATE_HERE::dropout_mask,
};

}  // namespace cellstate
