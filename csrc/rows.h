// The rows of a batch, divided over threads.

#ifndef CELLSTATE_ROWS_H
#define CELLSTATE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "pool.h"

namespace cellstate {

// Below so many multiplications another thread does not pay.
constexpr double work_per_thread = 2e6;

inline size_t parts_of(size_t rows, int threads, double multiplications) {
  const size_t worth = 1 + static_cast<size_t>(multiplications / work_per_thread);
  return std::max<size_t>(1, std::min({rows, static_cast<size_t>(threads), worth}));
}

// Deals rows to parts, each with the rows of more steps first; the parts have like amounts of work.
inline std::vector<std::vector<size_t>> deal_rows(size_t rows, const int64_t* lengths,
                                                  size_t parts) {
  std::vector<size_t> numbers(rows);
  std::iota(numbers.begin(), numbers.end(), size_t{0});
  std::vector<std::vector<size_t>> dealt(parts);
  if (lengths) {
    std::stable_sort(numbers.begin(), numbers.end(),
                     [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
    for (size_t at = 0; at < rows; ++at) dealt[at % parts].push_back(numbers[at]);
  } else {
    for (size_t part = 0; part < parts; ++part) {
      dealt[part].assign(numbers.begin() + rows * part / parts,
                         numbers.begin() + rows * (part + 1) / parts);
    }
  }
  return dealt;
}

// Calls work(0) … work(parts - 1), which must not throw, on the pool of `pool.cpp` if the process
// has one. Otherwise threads are started; if one cannot be, std::system_error leaves after those
// that run have ended.
template <class Work>
void in_parallel(size_t parts, const Work& work) {
  if (parts == 1) return work(0);
  struct Shared {
    const Work& work;
    size_t parts;
    std::atomic<size_t> next{0};
    void run() {
      for (size_t part; (part = next++) < parts;) work(part);
    }
  } shared{work, parts};
  const auto run = [](void* shared) { static_cast<Shared*>(shared)->run(); };
  if (const RunOnPool run_on_pool = find_pool()) {
    return run_on_pool(run, &shared, static_cast<unsigned>(parts), 0);
  }
  struct Helpers {
    std::vector<std::thread> threads;
    ~Helpers() {
      for (std::thread& thread : threads) thread.join();
    }
  } helpers;
  helpers.threads.reserve(parts - 1);
  for (size_t part = 1; part < parts; ++part) helpers.threads.emplace_back(run, &shared);
  shared.run();
}

}  // namespace cellstate

#endif
