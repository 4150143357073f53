// Kernels run on threads: which rows, or which units, each of them takes.

#ifndef CELLSTATE_RUN_H
#define CELLSTATE_RUN_H

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "rows.h"

namespace cellstate {

template <class Real>
double work_of(const Steps<Real>& shape) {
  return 4.0 * static_cast<double>(shape.steps * shape.batch * shape.hidden_size) *
         static_cast<double>(shape.input_size + shape.output_size);
}

template <class Real>
const Packed<Real>& units_of(const Forward<Real>& call) {
  return call.weights;
}
template <class Real>
const Packed<Real>& units_of(const Backward<Real>& call) {
  return call.recurrent;
}

// How many threads share the units of all rows, rather than the rows. Where rows are few, each
// thread then reads its share of the weights alone, and its tiles are taller. Where weights stay in
// the second cache, or with many rows, that brings nothing, and threads that wait for one another at
// each step suffer more from a busy core.
template <class Call>
size_t members_of(const Call& call, int threads) {
  constexpr size_t few_rows = 8, few_for_large = 32;  // of a thread
  constexpr double large = 1 << 18;                   // weights, of four or eight bytes
  constexpr double least_multiplications = 5e4;       // of a thread in a step, for what waiting costs
  const auto& shape = call.shape;
  const size_t blocks = units_of(call).count, members = std::min<size_t>(threads, blocks);
  const bool apart = !call.projection.count && !(call.variant && call.variant->norm_hh);
  if (!apart || members < 2 || shape.steps == 0 || shape.batch == 0) return 1;
  const double in_step = work_of(shape) / static_cast<double>(shape.steps);
  const double weights = in_step / static_cast<double>(shape.batch);
  if (shape.batch >= members * (weights > large ? few_for_large : few_rows)) return 1;
  if (in_step < least_multiplications * members || work_of(shape) < work_per_thread) return 1;
  // As many rows as threads can be shared evenly, blocks not always.
  const double most = static_cast<double>(divide_up(blocks, members) * members);
  return shape.batch < members || most / static_cast<double>(blocks) < 1.15 ? members : 1;
}

// Runs a kernel on all rows, dealt to threads, each with a workspace.
template <class Call, class Bytes, class Kernel>
void run_rows(const Call& call, int threads, Bytes bytes, Kernel kernel) {
  const size_t batch = call.shape.batch;
  if (batch == 1 && members_of(call, threads) == 1) {  // shorter than the calls for memory
    alignas(alignment) char near[2048];
    const size_t row = 0;
    if (bytes(call, 1) <= sizeof near) return kernel(call, Rows{&row, 1}, near, alone);
  }
  const Pool pool = find_pool();
  if (const size_t members = pool.run ? members_of(call, threads) : 1; members > 1) {
    const auto everything = deal_rows(batch, call.shape.lengths, 1);
    const Rows rows{everything[0].data(), batch};
    std::vector<Aligned> workspaces;
    for (size_t member = 0; member < members; ++member) workspaces.emplace_back(bytes(call, batch));
    return in_team(members, pool, [&](const Team& team) {
      kernel(call, rows, workspaces[team.member].get(), team);
    });
  }
  const size_t parts = parts_of(batch, threads, work_of(call.shape));
  const auto dealt = deal_rows(batch, call.shape.lengths, parts);
  std::vector<Aligned> workspaces;
  for (const auto& rows : dealt) workspaces.emplace_back(bytes(call, rows.size()));
  in_parallel(parts, [&](size_t part) {
    kernel(call, Rows{dealt[part].data(), dealt[part].size()}, workspaces[part].get(), alone);
  });
}

template <class Real>
void run_product(const Kernels<Real>& kernels, const Product<Real>& call, size_t batch,
                 int threads) {
  const size_t parts = parts_of(batch, threads, static_cast<double>(batch * call.inputs) *
                                                    static_cast<double>(call.outputs));
  in_parallel(parts, [&](size_t part) {
    kernels.product(call, batch * part / parts, batch * (part + 1) / parts);
  });
}

// Rows of c are shared by threads, so that their number changes no bit.
template <class Real>
void run_accumulate(const Kernels<Real>& kernels, const Accumulate<Real>& call, int threads) {
  const double work = static_cast<double>(call.terms * call.rows) * static_cast<double>(call.columns);
  const size_t M = call.rows, parts = parts_of(M, threads, work);
  in_parallel(parts, [&](size_t part) {
    kernels.accumulate(call, M * part / parts, M * (part + 1) / parts);
  });
}

}  // namespace cellstate

#endif
