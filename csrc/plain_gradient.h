// The whole gradient of a plain cell in one call: of its state, its input and its weights.
//
// Stretches of steps go from the recurrence to the products over their rows while the gradient of
// their gates is in a near cache.

#ifndef CELLSTATE_PLAIN_GRADIENT_H
#define CELLSTATE_PLAIN_GRADIENT_H

#include <string.h>

#include <algorithm>
#include <vector>

#include "packed_cells.h"
#include "run.h"

namespace cellstate {

// Rows of a stretch: few enough for the gradient of their gates to stay in a near cache, but more
// where the weights do not stay there, because each stretch reads all of them.
constexpr size_t near_rows = 256, rows_for_large = 1024;
constexpr size_t large_bytes = 1 << 20;

// What is given and wanted; see `Backward`. Axes as there.
template <class Real>
struct PlainGradient {
  const PackedGradient<Real>& cell;
  size_t steps, batch;
  bool reverse;
  int threads;
  const Real *x, *y;
  size_t y_stride;
  const Real *h0, *c0, *gates, *cells, *dy;
  size_t dy_stride;
  const Real *dh_n, *dc_n;
  Real *dh0, *dc0;
  Real* dx;  // or null
  Real *dweight_ih, *dweight_hh;
  Real* dbias;  // or null

  void run() const {
    const size_t T = steps, B = batch, I = cell.input_size, H = cell.hidden_size;
    memset(dweight_ih, 0, 4 * H * I * sizeof(Real));
    memset(dweight_hh, 0, 4 * H * H * sizeof(Real));
    if (dbias) memset(dbias, 0, 4 * H * sizeof(Real));
    const bool large = 4 * H * std::max(I, H) * sizeof(Real) > large_bytes;
    const size_t most = std::max<size_t>(1, (large ? rows_for_large : near_rows) / B);
    const Aligned dsums(std::min(most, T) * B * 4 * H * sizeof(Real));
    const std::vector<Real> zeros(4 * H);
    const size_t stretches = divide_up(T, most);
    for (size_t number = 0; number < stretches; ++number) {
      const size_t first = (reverse ? number : stretches - 1 - number) * most;
      stretch(first, std::min(first + most, T), number == 0, static_cast<Real*>(dsums.get()), zeros.data());
    }
  }

 private:
  void stretch(size_t first, size_t end, bool is_last, Real* dsums, const Real* zeros) const {
    const size_t T = steps, B = batch, I = cell.input_size, H = cell.hidden_size, G = 4 * H;
    const size_t S = end - first, edge = reverse ? end : first;
    const bool begins = edge == (reverse ? T : 0);
    Backward<Real> call{};
    call.recurrent = cell.recurrent.view();
    call.projection = cell.projection.view();
    call.shape = {S, B, I, H, H, reverse, nullptr, nullptr, nullptr, nullptr};
    call.c0 = begins ? c0 : cells + (reverse ? end : first - 1) * B * H;
    call.gates = gates + first * B * G;
    call.cells = cells + first * B * H;
    call.dy = dy + first * B * dy_stride;
    call.dy_stride = dy_stride;
    call.dh_n = is_last ? dh_n : dh0;
    call.dc_n = is_last ? dc_n : dc0;
    call.zeros = zeros;
    call.dsums = dsums;
    call.dh0 = dh0;
    call.dc0 = dc0;
    run_rows(call, threads, cell.kernels.backward_bytes, cell.kernels.backward);

    const Real* in = x + first * B * I;
    run_accumulate(cell.kernels, {S * B, G, I, dsums, in, I, dweight_ih, dbias}, threads);
    // h before each step is y of the step before it, and h0 before the first.
    const size_t known = begins ? S - 1 : S, skipped = begins && !reverse;
    const Real* h = y + (reverse ? first + 1 : first + skipped - 1) * B * y_stride;
    if (known) {
      run_accumulate(cell.kernels, {known * B, G, H, dsums + skipped * B * G, h, y_stride,
                                    dweight_hh, nullptr}, threads);
    }
    if (begins) {
      const Real* of_first = dsums + (reverse ? S - 1 : 0) * B * G;
      run_accumulate(cell.kernels, {B, G, H, of_first, h0, H, dweight_hh, nullptr}, threads);
    }
    if (!dx) return;
    run_product(cell.kernels, {cell.input.view(), G, I, Activation::identity, dsums, dx + first * B * I},
                S * B, threads);
  }
};

template <class Real>
void lstm_gradient(const PackedGradient<Real>& cell, const Input& x, const Input& y, const Input& h0,
                   const Input& c0, const Input& gates, const Input& cells, const Input& dy,
                   const Input& dh_n, const Input& dc_n, const Output& dh0, const Output& dc0,
                   const MaybeOutput& dx, const Output& dweight_ih, const Output& dweight_hh,
                   const MaybeOutput& dbias, bool reverse, int threads) {
  check_axes("x", x, 3);
  const size_t T = x.shape(0), B = x.shape(1), I = cell.input_size, H = cell.hidden_size;
  if (cell.projects || T * B == 0) {
    refuse("a plain cell must not project and must have steps and rows", "another one",
           "Use lstm_backward");
  }
  check<Real>("x", x, {T, B, I});
  const size_t y_stride = check_rows<Real>("y", y, T, B, H);
  check<Real>("h0", h0, {B, H});
  check<Real>("c0", c0, {B, H});
  check<Real>("gates", gates, {T, B, 4 * H});
  check<Real>("cells", cells, {T, B, H});
  const size_t dy_stride = check_rows<Real>("dy", dy, T, B, H);
  check<Real>("dh_n", dh_n, {B, H});
  check<Real>("dc_n", dc_n, {B, H});
  check<Real>("dh0", dh0, {B, H});
  check<Real>("dc0", dc0, {B, H});
  if (dx) check<Real>("dx", *dx, {T, B, I});
  check<Real>("dweight_ih", dweight_ih, {4 * H, I});
  check<Real>("dweight_hh", dweight_hh, {4 * H, H});
  if (dbias) check<Real>("dbias", *dbias, {4 * H});
  check_threads(threads);
  const PlainGradient<Real> call{
      cell, T, B, reverse, threads, data<Real>(x), data<Real>(y), y_stride, data<Real>(h0),
      data<Real>(c0), data<Real>(gates), data<Real>(cells), data<Real>(dy), dy_stride,
      data<Real>(dh_n), data<Real>(dc_n), data<Real>(dh0), data<Real>(dc0), data<Real>(dx),
      data<Real>(dweight_ih), data<Real>(dweight_hh), data<Real>(dbias)};
  const nb::gil_scoped_release release;
  call.run();
}

}  // namespace cellstate

#endif
