// The recurrence in C++17: what a caller hands in, what it gets back, who owns it.
//
// Equations, for one row of the batch and one step (gate order i, f, g, o as in torch.nn.LSTM):
//
//   i = sigmoid(W_i [x, h] + b_i)    f = sigmoid(W_f [x, h] + b_f)
//   g = tanh   (W_g [x, h] + b_g)    o = sigmoid(W_o [x, h] + b_o)
//   c' = f c + i g                   h' = o tanh(c')
//
// Promises
//   * Buffers belong to the caller and are borrowed for the length of one call. Nothing here
//     allocates, throws, keeps a pointer, or touches a byte outside the shapes below.
//   * Every array is row-major, float32 and dense; it needs no alignment beyond a float's.
//     Packed weights alone are aligned, to `packed_alignment` bytes.
//   * A row's result is the same bits whatever other rows are in the call, however the rows are
//     split over calls, and however many threads run them: each sum is taken in one fixed order,
//     the bias, then x, then h, in runs of 32 terms that each start from zero. A NaN stays in
//     its row. Results do differ, within rounding, between instruction sets.
//
// This header and step.cpp include C headers only. step.cpp is compiled once per instruction set,
// and an inline function of the C++ library compiled there could be the copy that the linker keeps
// for everyone; a CPU without those instructions would then run it.

#ifndef CELLSTATE_LSTM_H
#define CELLSTATE_LSTM_H

#include <stddef.h>

namespace cellstate {

constexpr size_t packed_alignment = 64;

// Four vectors share each term of a sum: the four gates of `lanes` hidden units in an LSTM, or
// 4 * lanes neighbouring outputs in a linear layer.
constexpr size_t vectors_per_block = 4;

// Packed weights are blocks of (1 + terms) * 4 * lanes floats: first the bias, then the weights of
// each term. Units beyond the last are zero.
struct Packed {
  const float* blocks;
  size_t count;  // how many blocks
  size_t terms;  // length of a sum without the bias: I + H, or I
};

// T steps of B rows. `h` receives every step's hidden state, so for one step it is h'.
struct LSTMCall {
  Packed weights;
  size_t steps, batch, input_size, hidden_size;  // T, B, I, H
  const float* x;                                // (T, B, I)
  const float* h0;                               // (B, H)
  const float* c0;                               // (B, H), may be the same array as c
  float* h;                                      // (T, B, H), apart from all others
  float* c;                                      // (B, H), the last step's cell state
};

enum class Activation { identity, relu, tanh };

// y = activation(x Wᵀ + b), row by row.
struct LinearCall {
  Packed weights;
  size_t batch, inputs, outputs;  // B, I, O
  Activation activation;
  const float* x;  // (B, I)
  float* y;        // (B, O), apart from x
};

// y = f(x), entry by entry; x and y may be the same array.
using Elementwise = void (*)(const float* x, float* y, size_t count);

// All that is compiled for one instruction set. Rows [first, last) of the call are computed;
// ranges that do not overlap may run at the same time.
struct Kernels {
  const char* name;
  size_t lanes;  // floats in a vector, which decides how weights are packed
  void (*lstm)(const LSTMCall& call, size_t first, size_t last);
  void (*linear)(const LinearCall& call, size_t first, size_t last);
  Elementwise exp, sigmoid, tanh;
};

// One instruction set that this build contains, and whether this CPU has it.
struct InstructionSet {
  const Kernels* kernels;
  bool runs_here;
};

// The sets in this build, the simplest first. The last that runs here is the one to use.
struct InstructionSets {
  const InstructionSet* first;
  size_t count;
};
InstructionSets instruction_sets();

// How many floats the packed form of `units` units (LSTM) or outputs (linear) takes.
size_t packed_block_count_lstm(size_t hidden_size, size_t lanes);
size_t packed_block_count_linear(size_t outputs, size_t lanes);
size_t packed_size(size_t block_count, size_t terms, size_t lanes);

// Fill `packed` (packed_size floats, aligned) from torch's layout: weight_ih (4H, I),
// weight_hh (4H, H), bias (4H,), gates one after the other.
void pack_lstm(const float* weight_ih, const float* weight_hh, const float* bias,
               size_t input_size, size_t hidden_size, size_t lanes, float* packed);

// Fill `packed` from weight (O, I) and bias (O,).
void pack_linear(const float* weight, const float* bias, size_t inputs, size_t outputs,
                 size_t lanes, float* packed);

}  // namespace cellstate

#endif
