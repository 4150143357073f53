// Arrays from Python, checked before a kernel sees them.
//
// A refusal is a ValueError in three sentences: what must hold, what was given, what to do.

#ifndef CELLSTATE_ARRAYS_H
#define CELLSTATE_ARRAYS_H

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <optional>
#include <string>
#include <vector>

namespace cellstate {

namespace nb = nanobind;

using Input = nb::ndarray<nb::ro, nb::device::cpu>;
using Output = nb::ndarray<nb::device::cpu>;
using MaybeInput = std::optional<Input>;
using MaybeOutput = std::optional<Output>;
using Shape = std::vector<size_t>;

[[noreturn]] inline void refuse(const std::string& must, const std::string& given,
                                const std::string& what_to_do) {
  throw nb::value_error(
      ("cellstate._native: " + must + "; got " + given + ". " + what_to_do + ".").c_str());
}

inline std::string text(const Shape& shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + (shape.size() == 1 ? ",)" : ")");
}

template <class Array>
Shape shape_of(const Array& array) {
  Shape shape(array.ndim());
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = array.shape(i);
  return shape;
}

template <class Array>
bool has_shape(const Array& array, std::initializer_list<size_t> shape) {
  if (array.ndim() != shape.size()) return false;
  size_t axis = 0;
  for (const size_t size : shape) {
    if (array.shape(axis++) != size) return false;
  }
  return true;
}

template <class Array>
bool is_dense(const Array& array) {
  if (array.size() == 0) return true;
  int64_t expected = 1;
  for (size_t axis = array.ndim(); axis-- > 0;) {
    if (array.shape(axis) > 1 && array.stride(axis) != expected) return false;
    expected *= static_cast<int64_t>(array.shape(axis));
  }
  return true;
}

template <class Real>
constexpr const char* type_name = sizeof(Real) == 4 ? "float32" : "float64";

template <class Real, class Array>
void check(const char* name, const Array& array, std::initializer_list<size_t> shape) {
  const bool has_type = array.dtype() == nb::dtype<Real>();
  const bool dense = is_dense(array);
  if (has_type && dense && has_shape(array, shape)) return;
  const std::string type = type_name<Real>;
  refuse(std::string(name) + " must be a dense " + type + " array of shape " + text(shape),
         "shape " + text(shape_of(array)) + (has_type ? "" : ", not " + type) +
             (dense ? "" : ", not dense"),
         "Pass numpy.ascontiguousarray(array, dtype=numpy." + type + ") of that shape");
}

// (T, B, O) whose rows are dense and equally far apart; gives how far.
template <class Real, class Array>
size_t check_rows(const char* name, const Array& array, size_t steps, size_t batch, size_t size) {
  const bool has_type = array.dtype() == nb::dtype<Real>();
  if (has_type && has_shape(array, {steps, batch, size})) {
    if (array.size() == 0) return size;
    const int64_t between = batch > 1   ? array.stride(1)
                            : steps > 1 ? array.stride(0)
                                        : static_cast<int64_t>(size);
    const bool regular = (size == 1 || array.stride(2) == 1) && between >= 0 &&
                         static_cast<size_t>(between) >= size &&
                         (steps == 1 || array.stride(0) == between * static_cast<int64_t>(batch));
    if (regular) return static_cast<size_t>(between);
  }
  refuse(std::string(name) + " must be " + type_name<Real> + " of shape " +
             text({steps, batch, size}) + " with dense rows, equally far apart",
         "shape " + text(shape_of(array)), "Pass a dense array, or the columns of one");
}

inline void check_axes(const char* name, const Input& array, size_t axes) {
  if (array.ndim() == axes) return;
  refuse(std::string(name) + " must have " + std::to_string(axes) + " axes",
         "shape " + text(shape_of(array)), "Add or drop an axis");
}

// Outputs are written while inputs are still being read.
template <class Array>
void check_apart(const char* output_name, const Output& output, const char* name,
                 const Array& array) {
  const auto* output_first = static_cast<const char*>(output.data());
  const auto* first = static_cast<const char*>(array.data());
  if (output_first + output.nbytes() <= first || first + array.nbytes() <= output_first) return;
  refuse(std::string(output_name) + " and " + name + " must not share memory",
         "overlapping arrays", "Give each output an array of its own");
}

inline void check_threads(int threads) {
  if (threads >= 1) return;
  refuse("threads must be at least 1", std::to_string(threads), "Pass threads=1");
}

template <class T>
const T* data(const Input& array) {
  return static_cast<const T*>(array.data());
}

template <class T>
T* data(const Output& array) {
  return static_cast<T*>(array.data());
}

template <class T>
const T* data(const std::optional<Input>& array) {
  return array ? data<T>(*array) : nullptr;
}

template <class T>
T* data(const std::optional<Output>& array) {
  return array ? data<T>(*array) : nullptr;
}

}  // namespace cellstate

#endif
