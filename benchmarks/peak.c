/* The most fused multiply-adds of float32 that one core does, in GFLOP/s. */

#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12 /* independent sums, to hide the latency of one */

typedef float Vector __attribute__((vector_size(BYTES)));

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

/* So many rounds of one multiply-add in each lane of each chain. */
float spin(long rounds) {
  Vector sums[CHAINS];
  for (int i = 0; i < CHAINS; ++i) sums[i] = (Vector){} + (float)i;
  const Vector factor = (Vector){} + 0.999f, term = (Vector){} + 1e-3f;
  for (long round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; ++i) sums[i] = sums[i] * factor + term;
  }
  float used = 0;
  for (int i = 0; i < CHAINS; ++i) used += sums[i][0];
  return used;
}

double operations(long rounds) { return 2.0 * rounds * CHAINS * (BYTES / 4); }

int main(void) {
  const long rounds = 20000000;
  double best = 0;
  float used = 0;
  for (int turn = 0; turn < 9; ++turn) {
    const double start = seconds();
    used += spin(rounds);
    const double rate = operations(rounds) / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  printf("%.1f\n", used == 1e30f ? 0.0 : best);
  return 0;
}
