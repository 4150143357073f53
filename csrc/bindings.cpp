// Python's view of the kernels: packs weights once, checks shapes, computes without the GIL.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "arrays.h"
#include "lstm.h"
#include "rows.h"

namespace cellstate {
namespace {

using namespace nb::literals;
using Name = std::optional<std::string>;

// The kernels of the named instruction set, or the best that this CPU runs.
const Kernels& kernels_for(const Name& isa) {
  const InstructionSets sets = instruction_sets();
  const Kernels* best = nullptr;
  std::string names;
  for (size_t i = 0; i < sets.count; ++i) {
    if (!sets.first[i].runs_here) continue;
    best = sets.first[i].kernels;
    if (isa == best->name) return *best;
    names += (names.empty() ? "" : ", ") + std::string(best->name);
  }
  if (isa) {
    refuse("isa must name instructions that this CPU runs (" + names + ")", "'" + *isa + "'",
           "Leave isa out to use '" + std::string(best->name) + "'");
  }
  return *best;
}

// Weights in the layout of one instruction set, and the kernels that read them.
class PackedWeights {
 public:
  PackedWeights(const Kernels& kernels, size_t count, size_t terms)
      : kernels_(kernels), count_(count), terms_(terms) {
    const size_t floats = packed_size(count, terms, kernels.lanes);
    storage_.reset(static_cast<float*>(
        ::operator new[](floats * sizeof(float), std::align_val_t{packed_alignment})));
  }

  const Kernels& kernels() const { return kernels_; }
  float* data() { return storage_.get(); }
  Packed view() const { return {storage_.get(), count_, terms_}; }

 private:
  struct Free {
    void operator()(float* p) const {
      ::operator delete[](p, std::align_val_t{packed_alignment});
    }
  };
  const Kernels& kernels_;
  size_t count_, terms_;
  std::unique_ptr<float[], Free> storage_;
};

struct PackedLSTM {
  size_t input_size, hidden_size;
  PackedWeights weights;
};

void make_lstm(PackedLSTM* self, const Input& weight_ih, const Input& weight_hh,
               const Input& bias, const Name& isa) {
  check_axes("weight_ih", weight_ih, 2);
  check_axes("weight_hh", weight_hh, 2);
  const size_t I = weight_ih.shape(1), H = weight_hh.shape(1);
  check("weight_ih", weight_ih, {4 * H, I});
  check("weight_hh", weight_hh, {4 * H, H});
  check("bias", bias, {4 * H});
  const Kernels& kernels = kernels_for(isa);
  PackedWeights weights(kernels, packed_block_count_lstm(H, kernels.lanes), I + H);
  pack_lstm(data(weight_ih), data(weight_hh), data(bias), I, H, kernels.lanes, weights.data());
  new (self) PackedLSTM{I, H, std::move(weights)};
}

void run_lstm(const PackedLSTM& lstm, size_t steps, size_t batch, const Input& x, const Input& h0,
              const Input& c0, const Output& h, const Output& c, int threads) {
  const size_t H = lstm.hidden_size;
  check("h", h0, {batch, H});
  check("c", c0, {batch, H});
  check("c_out", c, {batch, H});
  check_threads(threads);
  check_apart("h_out", h, "x", x);
  check_apart("h_out", h, "h", h0);
  check_apart("h_out", h, "c", c0);
  check_apart("h_out", h, "c_out", c);
  check_apart("c_out", c, "x", x);
  check_apart("c_out", c, "h", h0);
  if (c.data() != c0.data()) check_apart("c_out", c, "c", c0);

  const LSTMCall call{
      lstm.weights.view(), steps,    batch,    lstm.input_size, H, data(x),
      data(h0),            data(c0), data(h), data(c)};
  const auto kernel = lstm.weights.kernels().lstm;
  const nb::gil_scoped_release release;
  over_rows(batch, threads, [&](size_t first, size_t last) { kernel(call, first, last); });
}

void lstm_step(const PackedLSTM& lstm, const Input& x, const Input& h, const Input& c,
               const Output& h_out, const Output& c_out, int threads) {
  check_axes("x", x, 2);
  const size_t batch = x.shape(0);
  check("x", x, {batch, lstm.input_size});
  check("h_out", h_out, {batch, lstm.hidden_size});
  run_lstm(lstm, 1, batch, x, h, c, h_out, c_out, threads);
}

void lstm_sequence(const PackedLSTM& lstm, const Input& x, const Input& h, const Input& c,
                   const Output& h_out, const Output& c_out, int threads) {
  check_axes("x", x, 3);
  const size_t steps = x.shape(0), batch = x.shape(1);
  check("x", x, {steps, batch, lstm.input_size});
  check("h_out", h_out, {steps, batch, lstm.hidden_size});
  run_lstm(lstm, steps, batch, x, h, c, h_out, c_out, threads);
}

struct PackedLinear {
  size_t inputs, outputs;
  Activation activation;
  PackedWeights weights;
};

Activation activation_named(const std::string& name) {
  if (name == "identity") return Activation::identity;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  refuse("activation must be 'identity', 'relu' or 'tanh'", "'" + name + "'",
         "Choose one of the three");
}

void make_linear(PackedLinear* self, const Input& weight, const Input& bias,
                 const std::string& activation, const Name& isa) {
  check_axes("weight", weight, 2);
  const size_t O = weight.shape(0), I = weight.shape(1);
  check("weight", weight, {O, I});
  check("bias", bias, {O});
  const Kernels& kernels = kernels_for(isa);
  PackedWeights weights(kernels, packed_block_count_linear(O, kernels.lanes), I);
  pack_linear(data(weight), data(bias), I, O, kernels.lanes, weights.data());
  new (self) PackedLinear{I, O, activation_named(activation), std::move(weights)};
}

void linear(const PackedLinear& layer, const Input& x, const Output& y, int threads) {
  check_axes("x", x, 2);
  const size_t batch = x.shape(0);
  check("x", x, {batch, layer.inputs});
  check("y", y, {batch, layer.outputs});
  check_threads(threads);
  check_apart("y", y, "x", x);
  const LinearCall call{layer.weights.view(), batch,   layer.inputs, layer.outputs,
                        layer.activation,     data(x), data(y)};
  const auto kernel = layer.weights.kernels().linear;
  const nb::gil_scoped_release release;
  over_rows(batch, threads, [&](size_t first, size_t last) { kernel(call, first, last); });
}

void elementwise(const std::string& function, const Input& x, const Output& y, const Name& isa) {
  check_axes("x", x, 1);
  check("x", x, {x.shape(0)});
  check("y", y, {x.shape(0)});
  const Kernels& kernels = kernels_for(isa);
  const Elementwise kernel = function == "exp"       ? kernels.exp
                             : function == "sigmoid" ? kernels.sigmoid
                             : function == "tanh"    ? kernels.tanh
                                                     : nullptr;
  if (!kernel) {
    refuse("function must be 'exp', 'sigmoid' or 'tanh'", "'" + function + "'",
           "Choose one of the three");
  }
  kernel(data(x), data(y), x.shape(0));
}

std::vector<std::pair<std::string, bool>> isas() {
  std::vector<std::pair<std::string, bool>> out;
  const InstructionSets sets = instruction_sets();
  for (size_t i = 0; i < sets.count; ++i) {
    out.emplace_back(sets.first[i].kernels->name, sets.first[i].runs_here);
  }
  return out;
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The recurrence's kernels. Every array is dense float32; see csrc/lstm.h.";

  m.def("isa", [] { return kernels_for({}).name; });
  m.def("isas", &isas);

  nb::class_<PackedLSTM>(m, "PackedLSTM")
      .def("__init__", &make_lstm, "weight_ih"_a, "weight_hh"_a, "bias"_a, nb::kw_only(),
           "isa"_a = nb::none())
      .def_prop_ro("isa", [](const PackedLSTM& p) { return p.weights.kernels().name; })
      .def_ro("input_size", &PackedLSTM::input_size)
      .def_ro("hidden_size", &PackedLSTM::hidden_size);
  m.def("lstm_step", &lstm_step, "packed"_a, "x"_a, "h"_a, "c"_a, "h_out"_a, "c_out"_a,
        "threads"_a = 1);
  m.def("lstm_sequence", &lstm_sequence, "packed"_a, "x"_a, "h"_a, "c"_a, "h_out"_a, "c_out"_a,
        "threads"_a = 1);

  nb::class_<PackedLinear>(m, "PackedLinear")
      .def("__init__", &make_linear, "weight"_a, "bias"_a, "activation"_a = "identity",
           nb::kw_only(), "isa"_a = nb::none())
      .def_prop_ro("isa", [](const PackedLinear& p) { return p.weights.kernels().name; })
      .def_ro("inputs", &PackedLinear::inputs)
      .def_ro("outputs", &PackedLinear::outputs);
  m.def("linear", &linear, "packed"_a, "x"_a, "y"_a, "threads"_a = 1);

  m.def("elementwise", &elementwise, "function"_a, "x"_a, "y"_a, nb::kw_only(),
        "isa"_a = nb::none());
}

}  // namespace cellstate
