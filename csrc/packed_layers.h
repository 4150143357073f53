// Layers beside the cells, as Python packs them.

#ifndef CELLSTATE_PACKED_LAYERS_H
#define CELLSTATE_PACKED_LAYERS_H

#include <string>

#include "packed.h"
#include "run.h"

namespace cellstate {

struct PackedLinear {
  const Kernels<float>& kernels;
  size_t inputs, outputs;
  Activation activation;
  PackedWeights<float> weights;

  Product<float> product() const { return {weights.view(), inputs, outputs, activation, nullptr, nullptr}; }
};

// Its arrays live as long as this does.
struct PackedNorm {
  const Kernels<float>& kernels;
  Input weight, bias;
  float epsilon;

  Norm<float> norm() const {
    return {weight.shape(0), epsilon, data<float>(weight), data<float>(bias), nullptr, nullptr};
  }
};

inline Activation activation_named(const std::string& name) {
  if (name == "identity") return Activation::identity;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  refuse("activation must be 'identity', 'relu' or 'tanh'", "'" + name + "'",
         "Choose one of the three");
}

inline void make_linear(PackedLinear* self, const Input& weight, const Input& bias,
                        const std::string& activation, const Name& isa) {
  check_axes("weight", weight, 2);
  const size_t O = weight.shape(0), I = weight.shape(1);
  check<float>("weight", weight, {O, I});
  check<float>("bias", bias, {O});
  const Kernels<float>& kernels = kernels_for<float>(isa);
  new (self) PackedLinear{kernels, I, O, activation_named(activation),
                          PackedWeights<float>::product(data<float>(weight), data<float>(bias), I,
                                                        O, kernels.lanes)};
}

inline void linear(const PackedLinear& layer, const Input& x, const Output& y, int threads) {
  check_axes("x", x, 2);
  const size_t batch = x.shape(0);
  check<float>("x", x, {batch, layer.inputs});
  check<float>("y", y, {batch, layer.outputs});
  check_threads(threads);
  check_apart("y", y, "x", x);
  Product<float> product = layer.product();
  product.x = data<float>(x);
  product.y = data<float>(y);
  const nb::gil_scoped_release release;
  run_product(layer.kernels, product, batch, threads);
}

inline void make_norm(PackedNorm* self, const Input& weight, const Input& bias, float epsilon,
                      const Name& isa) {
  check_axes("weight", weight, 1);
  check<float>("weight", weight, {weight.shape(0)});
  check<float>("bias", bias, {weight.shape(0)});
  new (self) PackedNorm{kernels_for<float>(isa), weight, bias, epsilon};
}

inline void normalise(const PackedNorm& layer, const Input& x, const Output& y) {
  check_axes("x", x, 2);
  Norm<float> norm = layer.norm();
  check<float>("x", x, {x.shape(0), norm.size});
  check<float>("y", y, {x.shape(0), norm.size});
  if (y.data() != x.data()) check_apart("y", y, "x", x);
  norm.x = data<float>(x);
  norm.y = data<float>(y);
  const nb::gil_scoped_release release;
  layer.kernels.normalise(norm, 0, x.shape(0));
}

inline void define_layers(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PackedLinear>(m, "PackedLinear")
      .def("__init__", &make_linear, "weight"_a, "bias"_a, "activation"_a = "identity",
           nb::kw_only(), "isa"_a = nb::none())
      .def_prop_ro("isa", [](const PackedLinear& p) { return p.kernels.isa; })
      .def_ro("inputs", &PackedLinear::inputs)
      .def_ro("outputs", &PackedLinear::outputs);
  m.def("linear", &linear, "packed"_a, "x"_a, "y"_a, "threads"_a = 1);
  nb::class_<PackedNorm>(m, "PackedNorm")
      .def("__init__", &make_norm, "weight"_a, "bias"_a, "epsilon"_a = 1e-5f, nb::kw_only(),
           "isa"_a = nb::none())
      .def_prop_ro("isa", [](const PackedNorm& p) { return p.kernels.isa; });
  m.def("normalise", &normalise, "packed"_a, "x"_a, "y"_a);
}

}  // namespace cellstate

#endif
