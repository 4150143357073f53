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

#include "lstm.h"
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

// Runs run(shared) on so many threads at once: on the pool of `pool.cpp` if the process has one, else
// on threads of its own. If one cannot be started, std::system_error leaves after those that run
// have ended.
inline void on_threads(size_t threads, void (*run)(void*), void* shared, const Pool& pool) {
  if (pool.run) return pool.run(run, shared, static_cast<unsigned>(threads), 0);
  struct Helpers {
    std::vector<std::thread> threads;
    ~Helpers() {
      for (std::thread& thread : threads) thread.join();
    }
  } helpers;
  helpers.threads.reserve(threads - 1);
  for (size_t one = 1; one < threads; ++one) helpers.threads.emplace_back(run, shared);
  run(shared);
}

// Calls work(0) … work(parts - 1), which must not throw, in any order.
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
  on_threads(parts, [](void* shared) { static_cast<Shared*>(shared)->run(); }, &shared, find_pool());
}

// Threads that wait for one another, at the end of each step.
class Barrier {
 public:
  void wait(size_t members) {
    const size_t round = round_.load(std::memory_order_relaxed);
    if (come_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
      come_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    // A member whose core is taken by someone else may be long in coming.
    for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
      if (spin >= spins_before_yield) std::this_thread::yield();
    }
  }

 private:
  static constexpr int spins_before_yield = 4000;
  std::atomic<size_t> come_{0}, round_{0};
};

// Calls work(team) on at most so many threads of the pool, which run at the same time: fewer where
// it has no more to give, as within a parallel region.
template <class Work>
void in_team(size_t most, const Pool& pool, const Work& work) {
  struct Shared {
    const Work& work;
    const Pool& pool;
    Barrier barrier;
    void run() {
      struct Waiting {
        Barrier& barrier;
        size_t members;
      } waiting{barrier, static_cast<size_t>(pool.team_size())};
      const auto wait = [](void* data) {
        auto* waiting = static_cast<Waiting*>(data);
        waiting->barrier.wait(waiting->members);
      };
      const size_t member = static_cast<size_t>(pool.team_member());
      work(Team{member, waiting.members, waiting.members > 1 ? +wait : nullptr, &waiting});
    }
  } shared{work, pool, {}};
  on_threads(most, [](void* shared) { static_cast<Shared*>(shared)->run(); }, &shared, pool);
}

}  // namespace cellstate

#endif
