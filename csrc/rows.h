// The rows of a batch, divided over threads that live as long as the call.

#ifndef CELLSTATE_ROWS_H
#define CELLSTATE_ROWS_H

#include <stddef.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace cellstate {

// Calls work(first, last) for ranges that cover [0, rows). Starting a thread takes some ten
// microseconds, so more than one pays for large batches and long sequences only. If a thread cannot
// be started, std::system_error leaves after those that run have ended.
template <class Work>
void over_rows(size_t rows, int threads, const Work& work) {
  const size_t parts = std::min(rows, static_cast<size_t>(threads));
  if (parts <= 1) {
    if (rows > 0) work(0, rows);
    return;
  }
  struct Helpers {
    std::vector<std::thread> threads;
    ~Helpers() {
      for (std::thread& thread : threads) thread.join();
    }
  } helpers;
  helpers.threads.reserve(parts - 1);
  for (size_t part = 1; part < parts; ++part) {
    helpers.threads.emplace_back(work, rows * part / parts, rows * (part + 1) / parts);
  }
  work(0, rows / parts);
}

}  // namespace cellstate

#endif
