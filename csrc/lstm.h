// The recurrence in C++17: what a caller hands in, what it gets back, who owns it.
//
// Equations, for one row of the batch and one step (gate order i, f, g, o as in torch.nn.LSTM):
//
//   i = sigmoid(W_i [x, h] + b_i)    f = sigmoid(W_f [x, h] + b_f)                          (1, 2)
//   g = tanh   (W_g [x, h] + b_g)    o = sigmoid(W_o [x, h] + b_o)                          (3, 4)
//   c' = f c + i g                                                                             (5)
//   h' = W_hr (o tanh(c'))           W_hr = 1 where there is no projection                     (6)
//
// Promises
//   * Buffers belong to the caller and are borrowed for the length of one call. Nothing here
//     allocates, throws, keeps a pointer, or touches a byte outside the shapes below.
//   * Every array is row-major and dense but where a stride is named; it needs no alignment beyond
//     its element's. Packed weights and workspaces alone are aligned, to `alignment` bytes.
//   * A row's result is the same bits whatever other rows are in the call, however the rows are
//     split over calls, and however many threads run them: each sum is taken in one fixed order,
//     the bias, then x, then h, in runs of 64 terms that each start from zero. A NaN stays in
//     its row. Results do differ, within rounding, between instruction sets.
//
// This header and the kernels include C headers only. The kernels are compiled once per
// instruction set, and an inline function of the C++ library compiled there could be the copy that
// the linker keeps for everyone; a CPU without those instructions would then run it.

#ifndef CELLSTATE_LSTM_H
#define CELLSTATE_LSTM_H

#include <stddef.h>
#include <stdint.h>

namespace cellstate {

constexpr size_t alignment = 64;

// Four vectors share each term of a sum: the four gates of `lanes` hidden units in a cell, or
// 4 * lanes neighbouring outputs in a product.
constexpr size_t vectors_per_block = 4;

// How weights are stored. Narrow ones are float's alone and for the forward pass alone: each is
// widened to a float on its way into a product, and all sums are float's.
enum class Stored {
  full,
  bf16,  // the upper half of a float
  int8,  // a whole number within ±127, times a scale for each row of W_ih, W_hh and W_hr
};

// Packed weights are blocks of (1 + terms) * 4 * lanes numbers: first the bias, then the weights
// of each term. Units beyond the last are zero.
//
// Narrow weights have blocks of 3 * 4 * lanes numbers, which are the bias, the scales of x's terms
// and those of h's, and stand apart, block by block, in words of four bytes. For each term:
//   bf16: 2 * lanes words; of the first half, vector 0 is the lower 16 bits, vector 1 the upper;
//   int8: lanes words, of which vector v is the byte from bit 8v on.
template <class Real>
struct Packed {
  const Real* blocks = nullptr;
  size_t count = 0;  // how many blocks
  size_t terms = 0;  // length of a sum without the bias: I + P for a cell
  Stored stored = Stored::full;
  const void* narrow = nullptr;  // weights, where they are
  size_t last_vectors = vectors_per_block;  // those of the last block that are in use, or more
};

// What the steps of one cell are: T, B, I, H and P (H where nothing projects), the direction, the
// rows' lengths, and where their state starts anew.
template <class Real>
struct Steps {
  size_t steps, batch, input_size, hidden_size, output_size;
  bool reverse;            // from the last valid step to the first
  const int64_t* lengths;  // (B,) valid steps of each row, or null: all of them
  const uint8_t* reset;    // (T, B) marks before which steps the state starts anew, or null
  const Real* start_h;     // (P,) what h becomes there
  const Real* start_c;     // (H,)
};

// How the cell departs from the equations above: equations (7) to (14) of cellstate.ops.variant.
template <class Real>
struct Variant {
  bool coupled;     // i = 1 - f; the weights of i are zeros
  bool hard_gates;
  Real clip;        // bound of a cell state's absolute value, or 0
  double zoneout_c, zoneout_h;  // shares in 0 … 1
  bool draws;       // zoneout draws masks; otherwise it takes their expectation
  uint32_t key;     // of the draws
  size_t first_step;         // what step 0 of the call counts as, for the draws
  const Real* peephole;      // (3H,) for i, f, o, or null
  const Real* keep_h;        // (B, P) factors of h in the sums, or null
  const Real* keep_g;        // (B, H) factors of the candidate, or null
  const Real* norm_ih;       // (4H,) gain of the normalised sums W_ih x, or null: no layer norm
  const Real* norm_hh;       // (4H,) the same for W_hh h
  const Real* norm_c;        // (H,) gain and
  const Real* norm_c_bias;   // (H,) bias of the normalised cell state
};

// Rows that one call runs, by number, those with more valid steps first.
struct Rows {
  const size_t* numbers;
  size_t count;
};

// Threads that run one call together: each has all rows, but its own units, and waits for the others
// at the end of a step. Calls that project or normalise have no such form: there a member is alone.
struct Team {
  size_t member, members;
  void (*wait)(void* barrier);  // until all members have come; null where a member is alone
  void* barrier;
};

constexpr Team alone = {0, 1, nullptr, nullptr};

// States that lie among other things: row b's is number places[b], and numbers are so far apart.
struct Spread {
  size_t h_stride = 0;  // of h0 and h; 0 where these are dense
  size_t c_stride = 0;  // of c0 and c
  const int64_t* places = nullptr;  // (B,), no two alike; null for b itself
};

// T steps of a cell. In the padding y, gates and cells become zero.
template <class Real>
struct Forward {
  Packed<Real> weights;     // I + P terms
  Packed<Real> projection;  // H terms, P outputs; no blocks without a projection
  Steps<Real> shape;
  const Real* x;    // (T, B, I)
  const Real* h0;   // (B, P)
  const Real* c0;   // (B, H), may be the same array as c
  Real* y;          // (T, B, P), apart from all others
  size_t y_stride;  // from one row of y to the next
  Real* h;          // (B, P) after the last valid step, may be the same array as h0; or null
  Real* c;          // (B, H)
  Real* gates;      // (T, B, 4H) activations, or null
  Real* cells;      // (T, B, H) cell states, or null
  const Variant<Real>* variant = nullptr;  // null for the plain cell
  Real* normed = nullptr;  // (T, B, 2, 4H) normalised sums W_ih x and W_hh h, or null
  Real* stats = nullptr;   // (T, B, 4) scale of either, mean and scale of c, or null
  // Where the states of the rows are, if not one after the other in dense arrays.
  Spread spread = {};
};

// The gradient of the same steps, from the last to the first.
template <class Real>
struct Backward {
  Packed<Real> recurrent;   // W_hh transposed: 4H terms, P outputs
  Packed<Real> projection;  // W_hr transposed: P terms, H outputs
  Steps<Real> shape;
  const Real* c0;        // (B, H)
  const Real* gates;     // as the forward pass wrote them
  const Real* cells;     //
  const Real* dy;        // (T, B, P)
  size_t dy_stride;      // from one row of dy to the next
  const Real* dh_n;      // (B, P)
  const Real* dc_n;      // (B, H)
  const Real* dgates;    // (T, B, 4H) with respect to the activations themselves, or null
  const Real* dcells;    // (T, B, H) with respect to the cell states themselves, or null
  const Real* zeros;     // max(4H, P) zeros
  Real* dsums;           // (T, B, 4H) with respect to the gates before activation
  Real* dh;              // (T, B, P) with respect to every h, where something projects; else null
  Real* dh0;             // (B, P)
  Real* dc0;             // (B, H)
  Real* dstart_h;        // (B, P) with respect to start_h, a row's share; null without reset
  Real* dstart_c;        // (B, H)
  const Variant<Real>* variant = nullptr;
  Real* inner = nullptr;      // (T, B, H) for o tanh(c) where a varied cell projects, or null
  Real* dpeephole = nullptr;  // (B, 3H) with respect to the peepholes, a row's share
  // With layer norm dsums is with respect to W_hh h, and:
  const Real* normed = nullptr;  // as the forward pass wrote them
  const Real* stats = nullptr;   //
  Real* dinputs = nullptr;       // (T, B, 4H) with respect to W_ih x
  Real* dgates_norm = nullptr;   // (B, 3, 4H) to norm_ih, norm_hh and the bias, a row's share
  Real* dcells_norm = nullptr;   // (B, 2, H) to norm_c and norm_c_bias
};

enum class Activation { identity, relu, tanh };

// y = activation(x Wᵀ + b), row by row.
template <class Real>
struct Product {
  Packed<Real> weights;
  size_t inputs, outputs;  // I, O
  Activation activation;
  const Real* x;  // (B, I)
  Real* y;        // (B, O), apart from x
};

// y = (x - mean) / sqrt(variance + epsilon) weight + bias, row by row.
template <class Real>
struct Norm {
  size_t size;
  Real epsilon;
  const Real* weight;  // (size,)
  const Real* bias;    // (size,)
  const Real* x;       // (B, size)
  Real* y;             // (B, size), may be the same array as x
};

// c += aᵀ b, where rows of a and b belong together.
template <class Real>
struct Accumulate {
  size_t terms, rows, columns;  // K, M, N
  const Real* a;                // (K, M)
  const Real* b;                // (K, N)
  size_t b_stride;              // from one row of b to the next
  Real* c;                      // (M, N), apart from both
  Real* sums;                   // (M,) to which the sum of a's rows is added, or null
};

// y = f(x), entry by entry; x and y may be the same array.
template <class Real>
using Elementwise = void (*)(const Real* x, Real* y, size_t count);

// All that is compiled for one instruction set and one type. Calls on rows that do not overlap, and
// members of a team, may run at the same time, each with a workspace of its own.
template <class Real>
struct Kernels {
  const char* isa;
  size_t lanes;  // numbers in a vector, which decides how weights are packed
  size_t (*forward_bytes)(const Forward<Real>& call, size_t rows);  // of workspace
  void (*forward)(const Forward<Real>& call, Rows rows, void* workspace, Team team);
  size_t (*backward_bytes)(const Backward<Real>& call, size_t rows);
  void (*backward)(const Backward<Real>& call, Rows rows, void* workspace, Team team);
  void (*product)(const Product<Real>& call, size_t first, size_t last);     // rows of x
  void (*normalise)(const Norm<Real>& call, size_t first, size_t last);      // rows of x
  void (*accumulate)(const Accumulate<Real>& call, size_t first, size_t last);  // rows of c
  Elementwise<Real> exp, sigmoid, tanh;
  // Entries [first, last) of a dropout mask: 0 for a share `rate` of them, else 1 / (1 - rate).
  void (*dropout_mask)(uint32_t key, uint32_t stream, double rate, Real* out, size_t first,
                       size_t last);
};

// One instruction set that this build contains, and whether this CPU has it.
struct InstructionSet {
  const Kernels<float>* f32;
  const Kernels<double>* f64;
  bool runs_here;
};

// The sets in this build, the simplest first. The last that runs here is the one to use.
struct InstructionSets {
  const InstructionSet* first;
  size_t count;
};
InstructionSets instruction_sets();

inline size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// How many blocks the units of a cell, or the outputs of a product, fill.
inline size_t cell_blocks(size_t hidden_size, size_t lanes) { return divide_up(hidden_size, lanes); }
inline size_t product_blocks(size_t outputs, size_t lanes) {
  return divide_up(outputs, vectors_per_block * lanes);
}

// How many vectors of a product's last block hold outputs.
inline size_t last_vectors(size_t outputs, size_t lanes) {
  const size_t left = outputs % (vectors_per_block * lanes);
  return left ? divide_up(left, lanes) : vectors_per_block;
}

// How many numbers a packed form takes.
inline size_t packed_size(size_t blocks, size_t terms, size_t lanes) {
  return blocks * (terms + 1) * vectors_per_block * lanes;
}

// What narrow weights take: numbers for biases and scales, then bytes.
constexpr size_t narrow_head = 3;
inline size_t narrow_numbers(size_t blocks, size_t lanes) {
  return blocks * narrow_head * vectors_per_block * lanes;
}
inline size_t narrow_bytes(Stored stored, size_t blocks, size_t terms, size_t lanes) {
  return blocks * terms * vectors_per_block * lanes * (stored == Stored::bf16 ? 2 : 1);
}

// Fill `packed` (packed_size numbers, aligned) from torch's layout: weight_ih (4H, I), weight_hh
// (4H, P), bias (4H,), gates one after the other.
template <class Real>
void pack_cell(const Real* weight_ih, const Real* weight_hh, const Real* bias, size_t input_size,
               size_t hidden_size, size_t output_size, size_t lanes, Real* packed);

// Fill `packed` for y = x Wᵀ + b from weight (O, I) and bias (O,) or null.
template <class Real>
void pack_product(const Real* weight, const Real* bias, size_t inputs, size_t outputs,
                  size_t lanes, Real* packed);

// Fill `packed` for y = x W from weight (I, O).
template <class Real>
void pack_transposed(const Real* weight, size_t inputs, size_t outputs, size_t lanes,
                     Real* packed);

// Fill `numbers` and `weights` (narrow_numbers and narrow_bytes of them, aligned) from a full packed
// form, whose first `of_x` terms have scales apart from the others'. Rounds to nearest, ties to
// even. A scale is the largest weight over 127 with seven bits cut off: scale times number is
// exact, and rounding what was rounded changes nothing.
void narrow(const float* packed, Stored stored, size_t blocks, size_t terms, size_t of_x,
            size_t lanes, float* numbers, void* weights);

}  // namespace cellstate

#endif
