// Python's view of the kernels: packs weights once, checks shapes, computes without the GIL.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string.h>

#include <utility>

#include "packed_cells.h"
#include "packed_chain.h"
#include "packed_layers.h"
#include "plain_gradient.h"
#include "run.h"
#include "variant_arrays.h"

namespace cellstate {
namespace {

using namespace nb::literals;

// What a call says of its steps, checked. Lengths are within 0 … T: the caller has seen to it.
template <class Real>
Steps<Real> steps_of(size_t steps, size_t batch, const Sizes& sizes, bool reverse,
                     const MaybeInput& lengths, const MaybeInput& reset, const Real* start_h,
                     const Real* start_c) {
  if (lengths && !(lengths->dtype() == nb::dtype<int64_t>() && is_dense(*lengths) &&
                   has_shape(*lengths, {batch}))) {
    refuse("lengths must be dense int64 of shape " + text({batch}),
           "shape " + text(shape_of(*lengths)), "Convert them");
  }
  for (size_t row = 0; lengths && row < batch; ++row) {
    const int64_t length = data<int64_t>(*lengths)[row];
    if (length < 0 || static_cast<size_t>(length) > steps) {
      refuse("lengths must lie in 0 … " + std::to_string(steps), std::to_string(length),
             "Correct them");
    }
  }
  if (reset && !(reset->dtype() == nb::dtype<bool>() && is_dense(*reset) &&
                 has_shape(*reset, {steps, batch}))) {
    refuse("reset must be dense bool of shape " + text({steps, batch}),
           "shape " + text(shape_of(*reset)), "Convert it");
  }
  return {steps,   batch, sizes.input, sizes.hidden, sizes.output, reverse, data<int64_t>(lengths),
          data<uint8_t>(reset), start_h, start_c};
}

template <class Real>
void lstm_forward(const PackedCell<Real>& cell, const Input& x, const Input& h0, const Input& c0,
                  const Output& y, const MaybeOutput& h, const Output& c, bool reverse,
                  const MaybeInput& lengths, const MaybeInput& reset, const MaybeInput& start_h,
                  const MaybeInput& start_c, const MaybeOutput& gates, const MaybeOutput& cells,
                  const VariantArrays* variant, const MaybeOutput& normed, const MaybeOutput& stats,
                  int threads) {
  check_axes("x", x, 3);
  const size_t T = x.shape(0), B = x.shape(1);
  const size_t I = cell.input_size, H = cell.hidden_size, P = cell.output_size;
  check<Real>("x", x, {T, B, I});
  check<Real>("h0", h0, {B, P});
  check<Real>("c0", c0, {B, H});
  const size_t y_stride = check_rows<Real>("y", y, T, B, P);
  if (h) check<Real>("h", *h, {B, P});
  check<Real>("c", c, {B, H});
  if (start_h) check<Real>("start_h", *start_h, {P});
  if (start_c) check<Real>("start_c", *start_c, {H});
  if (gates) check<Real>("gates", *gates, {T, B, 4 * H});
  if (cells) check<Real>("cells", *cells, {T, B, H});
  if (normed) check<Real>("normed", *normed, {T, B, 2, 4 * H});
  if (stats) check<Real>("stats", *stats, {T, B, 4});
  const Variant<Real> varied = variant ? variant->view<Real>(B, H, P) : Variant<Real>{};
  check_threads(threads);
  check_apart("y", y, "x", x);
  check_apart("y", y, "h0", h0);
  check_apart("y", y, "c0", c0);
  check_apart("y", y, "c", c);
  check_apart("c", c, "x", x);
  check_apart("c", c, "h0", h0);
  if (c.data() != c0.data()) check_apart("c", c, "c0", c0);

  const std::vector<Real> zeros(reset ? std::max(H, P) : 0);
  const Real* from_h = start_h ? data<Real>(*start_h) : zeros.data();
  const Real* from_c = start_c ? data<Real>(*start_c) : zeros.data();
  const Forward<Real> call{
      cell.weights.view(),
      cell.projection.view(),
      steps_of<Real>(T, B, {I, H, P}, reverse, lengths, reset, from_h, from_c),
      data<Real>(x), data<Real>(h0), data<Real>(c0), data<Real>(y), y_stride,
      data<Real>(h), data<Real>(c), data<Real>(gates), data<Real>(cells),
      variant ? &varied : nullptr, data<Real>(normed), data<Real>(stats)};
  const nb::gil_scoped_release release;
  run_rows(call, threads, cell.kernels.forward_bytes, cell.kernels.forward);
}

template <class Real>
void lstm_backward(const PackedGradient<Real>& cell, const Input& c0, const Input& gates,
                   const Input& cells, const Input& dy, const Input& dh_n, const Input& dc_n,
                   const Output& dsums, const Output& dh0, const Output& dc0,
                   const MaybeOutput& dh, bool reverse, const MaybeInput& lengths,
                   const MaybeInput& reset, const MaybeInput& start_c,
                   const MaybeOutput& dstart_h, const MaybeOutput& dstart_c,
                   const MaybeInput& dgates, const MaybeInput& dcells,
                   const VariantArrays* variant, const MaybeOutput& inner,
                   const MaybeOutput& dpeephole, const MaybeInput& normed,
                   const MaybeInput& stats, const MaybeOutput& dinputs,
                   const MaybeOutput& dgates_norm, const MaybeOutput& dcells_norm, int threads) {
  check_axes("gates", gates, 3);
  const size_t T = gates.shape(0), B = gates.shape(1);
  const size_t I = cell.input_size, H = cell.hidden_size, P = cell.output_size;
  check<Real>("gates", gates, {T, B, 4 * H});
  check<Real>("cells", cells, {T, B, H});
  check<Real>("c0", c0, {B, H});
  const size_t dy_stride = check_rows<Real>("dy", dy, T, B, P);
  check<Real>("dh_n", dh_n, {B, P});
  check<Real>("dc_n", dc_n, {B, H});
  check<Real>("dsums", dsums, {T, B, 4 * H});
  check<Real>("dh0", dh0, {B, P});
  check<Real>("dc0", dc0, {B, H});
  if (dh.has_value() != cell.projects) {
    refuse("dh must be given where the cell projects, and there alone",
           dh ? "one" : "none", "Pass it for a cell with weight_hr");
  }
  if (dh) check<Real>("dh", *dh, {T, B, P});
  if (reset.has_value() != dstart_h.has_value() || reset.has_value() != dstart_c.has_value()) {
    refuse("dstart_h and dstart_c must be given with reset, and with it alone", "another mix",
           "Pass all three or none");
  }
  if (dstart_h) check<Real>("dstart_h", *dstart_h, {B, P});
  if (dstart_c) check<Real>("dstart_c", *dstart_c, {B, H});
  if (start_c) check<Real>("start_c", *start_c, {H});
  if (dgates) check<Real>("dgates", *dgates, {T, B, 4 * H});
  if (dcells) check<Real>("dcells", *dcells, {T, B, H});
  const Variant<Real> varied = variant ? variant->view<Real>(B, H, P) : Variant<Real>{};
  if (inner) check<Real>("inner", *inner, {T, B, H});
  if (varied.peephole != nullptr) {
    check<Real>("dpeephole", needed("dpeephole", dpeephole), {B, 3 * H});
  }
  if (varied.norm_hh != nullptr) {
    check<Real>("normed", needed("normed", normed), {T, B, 2, 4 * H});
    check<Real>("stats", needed("stats", stats), {T, B, 4});
    check<Real>("dinputs", needed("dinputs", dinputs), {T, B, 4 * H});
    check<Real>("dgates_norm", needed("dgates_norm", dgates_norm), {B, 3, 4 * H});
    check<Real>("dcells_norm", needed("dcells_norm", dcells_norm), {B, 2, H});
  }
  check_threads(threads);

  const std::vector<Real> zeros(std::max(4 * H, P));
  const Real* from_c = start_c ? data<Real>(*start_c) : zeros.data();
  const Backward<Real> call{
      cell.recurrent.view(),
      cell.projection.view(),
      steps_of<Real>(T, B, {I, H, P}, reverse, lengths, reset, nullptr, from_c),
      data<Real>(c0), data<Real>(gates), data<Real>(cells), data<Real>(dy), dy_stride,
      data<Real>(dh_n), data<Real>(dc_n), data<Real>(dgates), data<Real>(dcells), zeros.data(),
      data<Real>(dsums), data<Real>(dh), data<Real>(dh0), data<Real>(dc0), data<Real>(dstart_h),
      data<Real>(dstart_c), variant ? &varied : nullptr, data<Real>(inner), data<Real>(dpeephole),
      data<Real>(normed), data<Real>(stats), data<Real>(dinputs),
      data<Real>(dgates_norm), data<Real>(dcells_norm)};
  const nb::gil_scoped_release release;
  run_rows(call, threads, cell.kernels.backward_bytes, cell.kernels.backward);
}

// dx = dsums W_ih, row by row.
template <class Real>
void input_gradient(const PackedGradient<Real>& cell, const Input& dsums, const Output& dx,
                    int threads) {
  check_axes("dsums", dsums, 2);
  const size_t rows = dsums.shape(0), G = 4 * cell.hidden_size;
  check<Real>("dsums", dsums, {rows, G});
  check<Real>("dx", dx, {rows, cell.input_size});
  check_threads(threads);
  check_apart("dx", dx, "dsums", dsums);
  const nb::gil_scoped_release release;
  run_product(cell.kernels,
              Product<Real>{cell.input.view(), G, cell.input_size, Activation::identity,
                            data<Real>(dsums), data<Real>(dx)},
              rows, threads);
}

// c += aᵀ b.
template <class Real>
void accumulate_as(const Input& a, const Input& b, const Output& c, const MaybeOutput& sums,
                    int threads) {
  check_axes("b", b, 2);
  const size_t K = a.shape(0), M = a.shape(1), N = b.shape(1);
  check<Real>("a", a, {K, M});
  check<Real>("b", b, {K, N});
  check<Real>("c", c, {M, N});
  if (sums) check<Real>("sums", *sums, {M});
  check_threads(threads);
  check_apart("c", c, "a", a);
  check_apart("c", c, "b", b);
  const Kernels<Real>& kernels = kernels_for<Real>({});
  const nb::gil_scoped_release release;
  run_accumulate(kernels, Accumulate<Real>{K, M, N, data<Real>(a), data<Real>(b), N, data<Real>(c),
                                           data<Real>(sums)}, threads);
}

void accumulate(const Input& a, const Input& b, const Output& c, const MaybeOutput& sums,
                int threads) {
  check_axes("a", a, 2);
  if (a.dtype() == nb::dtype<double>()) return accumulate_as<double>(a, b, c, sums, threads);
  accumulate_as<float>(a, b, c, sums, threads);
}

template <class Real>
void fill_mask(uint32_t key, uint32_t stream, double rate, const Output& out) {
  check<Real>("out", out, {out.shape(0), out.shape(1)});
  kernels_for<Real>({}).dropout_mask(key, stream, rate, data<Real>(out), 0, out.size());
}

// A dropout mask (rows, columns) of zeros and of 1 / (1 - rate).
void dropout_mask(uint32_t key, uint32_t stream, double rate, const Output& out) {
  if (out.ndim() != 2) {
    refuse("out must have 2 axes", "shape " + text(shape_of(out)), "Add or drop an axis");
  }
  if (!(rate >= 0 && rate < 1)) {
    refuse("rate must be in 0 … 1, 1 excluded", std::to_string(rate), "Pass a share");
  }
  if (out.dtype() == nb::dtype<double>()) return fill_mask<double>(key, stream, rate, out);
  fill_mask<float>(key, stream, rate, out);
}

template <class Real>
void run_elementwise(const std::string& function, const Input& x, const Output& y,
                     const Name& isa) {
  check<Real>("x", x, {x.shape(0)});
  check<Real>("y", y, {x.shape(0)});
  const Kernels<Real>& kernels = kernels_for<Real>(isa);
  const Elementwise<Real> kernel = function == "exp"       ? kernels.exp
                                   : function == "sigmoid" ? kernels.sigmoid
                                   : function == "tanh"    ? kernels.tanh
                                                           : nullptr;
  if (!kernel) {
    refuse("function must be 'exp', 'sigmoid' or 'tanh'", "'" + function + "'",
           "Choose one of the three");
  }
  kernel(data<Real>(x), data<Real>(y), x.shape(0));
}

void elementwise(const std::string& function, const Input& x, const Output& y, const Name& isa) {
  check_axes("x", x, 1);
  if (x.dtype() == nb::dtype<double>()) return run_elementwise<double>(function, x, y, isa);
  run_elementwise<float>(function, x, y, isa);
}

// A number that tells one state of some memory from another by a sample of it. The pieces are
// addresses and bytes: the caller holds what they belong to, and counts microseconds.
uint64_t digest(const std::vector<std::pair<uintptr_t, size_t>>& pieces) {
  constexpr size_t samples = 64;
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const auto& [address, bytes] : pieces) {
    const auto* from = reinterpret_cast<const char*>(address);
    const size_t words = bytes / sizeof(uint32_t), step = words > samples ? words / samples : 1;
    for (size_t word = 0; word < words; word += step) {
      uint32_t value;
      memcpy(&value, from + word * sizeof value, sizeof value);
      hash = (hash ^ value) * 1099511628211u;
    }
  }
  return hash;
}

std::vector<std::pair<std::string, bool>> isas() {
  std::vector<std::pair<std::string, bool>> out;
  const InstructionSets sets = instruction_sets();
  for (size_t i = 0; i < sets.count; ++i) {
    out.emplace_back(sets.first[i].f32->isa, sets.first[i].runs_here);
  }
  return out;
}

// The classes and functions of one type.
template <class Real>
void define(nb::module_& m, const char* cell, const char* gradient) {
  using Cell = PackedCell<Real>;
  using Gradient = PackedGradient<Real>;
  nb::class_<Cell>(m, cell)
      .def("__init__", &make_cell<Real>, "weight_ih"_a, "weight_hh"_a, "bias"_a,
           "weight_hr"_a = nb::none(), nb::kw_only(), "isa"_a = nb::none(), "stored"_a = "full")
      .def_prop_ro("isa", [](const Cell& p) { return p.kernels.isa; })
      .def_prop_ro("bytes", [](const Cell& p) { return p.weights.bytes() + p.projection.bytes(); })
      .def_ro("input_size", &Cell::input_size)
      .def_ro("hidden_size", &Cell::hidden_size)
      .def_ro("output_size", &Cell::output_size);
  nb::class_<Gradient>(m, gradient)
      .def("__init__", &make_gradient<Real>, "weight_ih"_a, "weight_hh"_a,
           "weight_hr"_a = nb::none(), nb::kw_only(), "isa"_a = nb::none())
      .def_prop_ro("isa", [](const Gradient& p) { return p.kernels.isa; });
  m.def("lstm_forward", &lstm_forward<Real>, "packed"_a, "x"_a, "h0"_a, "c0"_a, "y"_a,
        "h"_a.none(), "c"_a, nb::kw_only(), "reverse"_a = false, "lengths"_a = nb::none(),
        "reset"_a = nb::none(), "start_h"_a = nb::none(), "start_c"_a = nb::none(),
        "gates"_a = nb::none(), "cells"_a = nb::none(), "variant"_a = nb::none(),
        "normed"_a = nb::none(), "stats"_a = nb::none(), "threads"_a = 1);
  m.def("lstm_backward", &lstm_backward<Real>, "packed"_a, "c0"_a, "gates"_a, "cells"_a, "dy"_a,
        "dh_n"_a, "dc_n"_a, "dsums"_a, "dh0"_a, "dc0"_a, "dh"_a = nb::none(), nb::kw_only(),
        "reverse"_a = false, "lengths"_a = nb::none(), "reset"_a = nb::none(),
        "start_c"_a = nb::none(), "dstart_h"_a = nb::none(), "dstart_c"_a = nb::none(),
        "dgates"_a = nb::none(), "dcells"_a = nb::none(), "variant"_a = nb::none(),
        "inner"_a = nb::none(), "dpeephole"_a = nb::none(), "normed"_a = nb::none(), "stats"_a = nb::none(),
        "dinputs"_a = nb::none(), "dgates_norm"_a = nb::none(), "dcells_norm"_a = nb::none(),
        "threads"_a = 1);
  m.def("lstm_gradient", &lstm_gradient<Real>, "packed"_a, "x"_a, "y"_a, "h0"_a, "c0"_a, "gates"_a,
        "cells"_a, "dy"_a, "dh_n"_a, "dc_n"_a, "dh0"_a, "dc0"_a, "dx"_a.none(), "dweight_ih"_a,
        "dweight_hh"_a, "dbias"_a.none(), "reverse"_a, "threads"_a);
  m.def("input_gradient", &input_gradient<Real>, "packed"_a, "dsums"_a, "dx"_a, "threads"_a = 1);
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The recurrence's kernels; see csrc/lstm.h.";
  m.def("isa", [] { return kernels_for<float>({}).isa; });
  m.def("isas", &isas);
  m.def("digest", &digest, "arrays"_a);
  m.def("accumulate", &accumulate, "a"_a, "b"_a, "c"_a, "sums"_a = nb::none(),
        "threads"_a = 1);
  m.def("dropout_mask", &dropout_mask, "key"_a, "stream"_a, "rate"_a, "out"_a);
  define_variant(m);
  define<float>(m, "PackedLSTM", "PackedGradient");
  define<double>(m, "PackedLSTM64", "PackedGradient64");
  define_layers(m);
  define_chain(m);
  m.def("elementwise", &elementwise, "function"_a, "x"_a, "y"_a, nb::kw_only(),
        "isa"_a = nb::none());
}

}  // namespace cellstate
