// Which instruction sets this build contains and which of them this CPU runs, asked once.

#include "lstm.h"

namespace cellstate {

extern const Kernels<float> kernels_baseline_float;
extern const Kernels<double> kernels_baseline_double;
#if defined(__x86_64__)
extern const Kernels<float> kernels_avx2_float;
extern const Kernels<double> kernels_avx2_double;
extern const Kernels<float> kernels_avx512_float;
extern const Kernels<double> kernels_avx512_double;
#elif defined(__aarch64__)
extern const Kernels<float> kernels_neon_float;
extern const Kernels<double> kernels_neon_double;
#endif

InstructionSets instruction_sets() {
  // The compiler's check also asks whether the operating system saves the wider registers.
  static const InstructionSet sets[] = {
      {&kernels_baseline_float, &kernels_baseline_double, true},
#if defined(__x86_64__)
      {&kernels_avx2_float, &kernels_avx2_double,
       __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {&kernels_avx512_float, &kernels_avx512_double, __builtin_cpu_supports("avx512f") != 0},
#elif defined(__aarch64__)
      {&kernels_neon_float, &kernels_neon_double, true},  // part of the 64-bit architecture
#endif
  };
  return {sets, sizeof sets / sizeof *sets};
}

}  // namespace cellstate
