// A cell's departures from the plain one, from Python to the kernels.

#ifndef CELLSTATE_VARIANT_ARRAYS_H
#define CELLSTATE_VARIANT_ARRAYS_H

#include "arrays.h"
#include "lstm.h"

namespace cellstate {

// How a cell departs from the plain one, with arrays that live as long as this does.
struct VariantArrays {
  bool coupled, hard_sigmoid;
  double cell_clip, zoneout_c, zoneout_h;
  std::optional<uint32_t> key;
  size_t first_step;
  MaybeInput peephole, keep_h, keep_g, norm_ih, norm_hh, norm_c, norm_c_bias;

  template <class Real>
  Variant<Real> view(size_t B, size_t H, size_t P) const {
    if (peephole) check<Real>("peephole", *peephole, {3 * H});
    if (keep_h) check<Real>("keep_h", *keep_h, {B, P});
    if (keep_g) check<Real>("keep_g", *keep_g, {B, H});
    const int norms = norm_ih.has_value() + norm_hh.has_value() + norm_c.has_value() +
                      norm_c_bias.has_value();
    if (norms != 0 && norms != 4) {
      refuse("norm_ih, norm_hh, norm_c and norm_c_bias must be given together",
             std::to_string(norms) + " of them", "Pass all four or none");
    }
    if (norm_hh) {
      check<Real>("norm_ih", *norm_ih, {4 * H});
      check<Real>("norm_hh", *norm_hh, {4 * H});
      check<Real>("norm_c", *norm_c, {H});
      check<Real>("norm_c_bias", *norm_c_bias, {H});
    }
    return {coupled, hard_sigmoid, static_cast<Real>(cell_clip), zoneout_c, zoneout_h,
            key.has_value(), key.value_or(0), first_step, data<Real>(peephole), data<Real>(keep_h),
            data<Real>(keep_g), data<Real>(norm_ih), data<Real>(norm_hh), data<Real>(norm_c), data<Real>(norm_c_bias)};
  }
};

// What a variant's gradient cannot do without.
template <class Array>
const Array& needed(const char* name, const std::optional<Array>& array) {
  if (!array) refuse(std::string(name) + " must be given for this variant", "none", "Pass it");
  return *array;
}

inline void make_variant(VariantArrays* self, bool coupled, bool hard_sigmoid, double cell_clip,
                  double zoneout_c, double zoneout_h, std::optional<uint32_t> key,
                  size_t first_step, const MaybeInput& peephole, const MaybeInput& keep_h,
                  const MaybeInput& keep_g, const MaybeInput& norm_ih,
                         const MaybeInput& norm_hh, const MaybeInput& norm_c,
                         const MaybeInput& norm_c_bias) {
  new (self) VariantArrays{coupled, hard_sigmoid, cell_clip, zoneout_c, zoneout_h, key, first_step,
                           peephole, keep_h, keep_g, norm_ih, norm_hh, norm_c, norm_c_bias};
}

inline void define_variant(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<VariantArrays>(m, "Variant")
      .def("__init__", &make_variant, nb::kw_only(), "coupled"_a = false,
           "hard_sigmoid"_a = false, "cell_clip"_a = 0.0, "zoneout_c"_a = 0.0,
           "zoneout_h"_a = 0.0, "key"_a = nb::none(), "first_step"_a = 0,
           "peephole"_a = nb::none(), "keep_h"_a = nb::none(), "keep_g"_a = nb::none(),
           "norm_ih"_a = nb::none(), "norm_hh"_a = nb::none(), "norm_c"_a = nb::none(), "norm_c_bias"_a = nb::none());
}

}  // namespace cellstate

#endif
