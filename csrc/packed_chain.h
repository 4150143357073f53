// A chain of layers, as Python builds and steps it.

#ifndef CELLSTATE_PACKED_CHAIN_H
#define CELLSTATE_PACKED_CHAIN_H

#include <string>
#include <utility>
#include <vector>

#include "chain.h"
#include "packed_cells.h"
#include "packed_layers.h"
#include "variant_arrays.h"

namespace cellstate {

struct PackedChain {
  Chain chain;
  // For each array of a state whose arrays are apart, the pieces that it holds one after the other.
  std::vector<std::vector<size_t>> arrays;
  std::vector<nb::object> kept;  // what the chain borrows
  std::vector<Input> tables;

  void add(Layer layer) {
    const size_t before = chain.outputs();
    if (before && layer.inputs != before) {
      refuse("a layer must take the " + std::to_string(before) + " numbers of the one before it",
             std::to_string(layer.inputs), "Add layers that fit one another");
    }
    chain.add(std::move(layer));
  }

  // Deals the pieces from `first` on to so many arrays in turn.
  void deal(size_t first, size_t count) {
    const size_t at = arrays.size();
    arrays.resize(at + count);
    for (size_t piece = first; piece < chain.widths().size(); ++piece) {
      arrays[at + (piece - first) % count].push_back(piece);
    }
  }
};

inline void add_table(PackedChain& self, const Input& vectors) {
  check_axes("vectors", vectors, 2);
  const size_t count = vectors.shape(0), size = vectors.shape(1);
  check<float>("vectors", vectors, {count, size});
  if (self.chain.outputs()) refuse("a table must be the first layer", "a later one", "Add it first");
  self.tables.push_back(vectors);
  self.add({&kernels_for<float>({}), 0, size, Table{data<float>(vectors), count}});
}

inline void add_linear(PackedChain& self, const PackedLinear& layer) {
  self.kept.push_back(nb::find(layer));
  self.add({&layer.kernels, layer.inputs, layer.outputs, layer.product()});
}

inline void add_norm(PackedChain& self, const PackedNorm& layer) {
  self.kept.push_back(nb::find(layer));
  const Norm<float> norm = layer.norm();
  self.add({&layer.kernels, norm.size, norm.size, norm});
}

inline void add_frames(PackedChain& self, size_t inputs, size_t frames) {
  if (!inputs || !frames) refuse("inputs and frames must be at least 1", "0", "Leave the layer out");
  const size_t first = self.chain.widths().size();
  self.add({&kernels_for<float>({}), inputs, inputs * frames, Frames{frames - 1}});
  self.deal(first, 1);
}

// A stack of cells, each with its variant or None.
inline void add_lstm(PackedChain& self, const nb::list& cells, const nb::list& variants) {
  if (cells.size() != variants.size() || cells.size() == 0) {
    refuse("cells must be given with a variant each, or None", std::to_string(variants.size()),
           "Pass lists of one length");
  }
  const size_t first = self.chain.widths().size();
  for (size_t k = 0; k < cells.size(); ++k) {
    const auto& packed = nb::cast<const PackedCell<float>&>(cells[k]);
    const size_t I = packed.input_size, H = packed.hidden_size, P = packed.output_size;
    const bool varied = !variants[k].is_none();
    Cell cell{packed.weights.view(), packed.projection.view(), I, H, P, varied, {}};
    if (varied) {
      const auto& variant = nb::cast<const VariantArrays&>(variants[k]);
      if (variant.key || variant.keep_h || variant.keep_g) {
        refuse("a chain's variants must draw nothing", "a key or a mask", "Leave them out");
      }
      cell.variant = variant.view<float>(1, H, P);
    }
    self.kept.push_back(nb::borrow(cells[k]));
    self.kept.push_back(nb::borrow(variants[k]));
    self.add({&packed.kernels, I, P, cell});
  }
  self.deal(first, 2);
}

// The step of a chain on x (B, inputs) or numbers (B,), into y (B, outputs); without states.
inline ChainStep checked_step(const PackedChain& self, const Input& x, const Output& y, int threads) {
  const Chain& chain = self.chain;
  if (!chain.outputs()) refuse("a chain must have layers to be stepped", "none", "Add one");
  const size_t B = x.ndim() ? x.shape(0) : 0;
  const Table* table = chain.table();
  if (!table) {
    check<float>("x", x, {B, chain.inputs()});
  } else if (!(x.dtype() == nb::dtype<int64_t>() && is_dense(x) && has_shape(x, {B}))) {
    refuse("x must be dense int64 with 1 axis", "shape " + text(shape_of(x)), "Convert it");
  }
  for (size_t row = 0; table && row < B; ++row) {
    const int64_t number = data<int64_t>(x)[row];
    if (number >= 0 && static_cast<size_t>(number) < table->count) continue;
    refuse("x must lie in 0 … " + std::to_string(table->count - 1), std::to_string(number), "Correct it");
  }
  check<float>("y", y, {B, chain.outputs()});
  check_apart("y", y, "x", x);
  check_threads(threads);
  return {B, table ? nullptr : data<float>(x), table ? data<int64_t>(x) : nullptr, data<float>(y), nullptr, nullptr};
}

inline void check_places(const Input& rows, size_t batch, size_t places) {
  if (!(rows.dtype() == nb::dtype<int64_t>() && is_dense(rows) && has_shape(rows, {batch}))) {
    refuse("rows must be dense int64 of shape " + text({batch}), "shape " + text(shape_of(rows)), "Convert them");
  }
  for (size_t row = 0; row < batch; ++row) {
    const int64_t place = data<int64_t>(rows)[row];
    if (place >= 0 && static_cast<size_t>(place) < places) continue;
    refuse("rows must lie in 0 … " + std::to_string(places) + ", the end excluded", std::to_string(place), "Correct them");
  }
}

// One step, the states (N, S) of all places packed: a place's pieces one after the other.
inline void chain_step(const PackedChain& self, const Input& x, const Output& states, const MaybeInput& rows,
                       const Output& y, int threads) {
  ChainStep call = checked_step(self, x, y, threads);
  const size_t S = self.chain.state_size(), N = states.ndim() == 2 ? states.shape(0) : 0;
  const size_t stride = N > 1 ? static_cast<size_t>(states.stride(0)) : S;
  const bool fits = states.dtype() == nb::dtype<float>() && has_shape(states, {N, S}) &&
                    (N <= 1 || states.stride(0) >= static_cast<int64_t>(S)) && (S <= 1 || states.stride(1) == 1);
  if (!fits || (!rows && N < call.batch)) {
    refuse("states must be float32 of shape " + text({call.batch, S}) + ", or more rows, each dense",
           "shape " + text(shape_of(states)), "Pass the array that holds every entity's state");
  }
  if (rows) check_places(*rows, call.batch, N);
  const auto* first = data<float>(states);
  const float* last = first + (N ? (N - 1) * stride + S : 0);
  const auto apart = [&](const void* from, size_t bytes) {
    const auto* begin = static_cast<const char*>(from);
    return begin + bytes <= reinterpret_cast<const char*>(first) || reinterpret_cast<const char*>(last) <= begin;
  };
  if (!apart(x.data(), x.nbytes()) || !apart(y.data(), y.nbytes())) {
    refuse("states must share no memory with x and y", "overlapping arrays", "Copy x first");
  }
  std::vector<Piece> pieces;
  float* at = data<float>(states);
  for (const size_t width : self.chain.widths()) {
    pieces.push_back({at, stride});
    at += width;
  }
  call.pieces = pieces.data();
  call.places = data<int64_t>(rows);
  const nb::gil_scoped_release release;
  self.chain.step(call, threads);
}

// One step, the states of row b apart: arrays (n, B, width) as `arrays` deals them, changed in place.
inline void chain_step_apart(const PackedChain& self, const Input& x, const std::vector<Output>& states,
                             const Output& y, int threads) {
  ChainStep call = checked_step(self, x, y, threads);
  if (states.size() != self.arrays.size()) {
    refuse("states must be " + std::to_string(self.arrays.size()) + " arrays", std::to_string(states.size()),
           "Pass those of every layer");
  }
  std::vector<Piece> pieces(self.chain.widths().size());
  for (size_t k = 0; k < states.size(); ++k) {
    const std::vector<size_t>& own = self.arrays[k];
    const size_t width = own.empty() ? 0 : self.chain.widths()[own[0]];
    if (own.empty()) continue;
    check<float>("each state", states[k], {own.size(), call.batch, width});
    check_apart("y", y, "states", states[k]);
    check_apart("each state", states[k], "x", x);
    for (size_t other = 0; other < k; ++other) check_apart("each state", states[k], "another", states[other]);
    for (size_t n = 0; n < own.size(); ++n) {
      pieces[own[n]] = {data<float>(states[k]) + n * call.batch * width, width};
    }
  }
  call.pieces = pieces.data();
  const nb::gil_scoped_release release;
  self.chain.step(call, threads);
}

inline void define_chain(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PackedChain>(m, "PackedChain")
      .def(nb::init<>())
      .def("add_table", &add_table, "vectors"_a)
      .def("add_linear", &add_linear, "packed"_a)
      .def("add_norm", &add_norm, "packed"_a)
      .def("add_lstm", &add_lstm, "cells"_a, "variants"_a)
      .def("add_frames", &add_frames, "inputs"_a, "frames"_a)
      .def_prop_ro("state_size", [](const PackedChain& p) { return p.chain.state_size(); })
      .def("step", &chain_step, "x"_a, "states"_a, "rows"_a.none(), "y"_a, "threads"_a = 1)
      .def("step_apart", &chain_step_apart, "x"_a, "states"_a, "y"_a, "threads"_a = 1);
}

}  // namespace cellstate

#endif
