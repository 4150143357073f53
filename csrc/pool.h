// The OpenMP threads that the process has already, which are torch's.
//
// After a parallel region OpenMP's threads spin for some milliseconds, waiting for the next one.
// Threads of our own would have to share the cores with them: on two cores, a step of training took
// one and a half times as long.

#ifndef CELLSTATE_POOL_H
#define CELLSTATE_POOL_H

namespace cellstate {

// GOMP_parallel: calls function(data) once on each of so many threads, this one among them.
using RunOnPool = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);

// The entry points of an OpenMP library that is loaded, or null.
struct Pool {
  RunOnPool run = nullptr;
  int (*team_size)() = nullptr;    // omp_get_num_threads: how many run now, fewer perhaps than asked
  int (*team_member)() = nullptr;  // omp_get_thread_num
};

Pool find_pool();

}  // namespace cellstate

#endif
