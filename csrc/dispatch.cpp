// Which instruction sets this build contains and which of them this CPU runs, asked once.

#include "lstm.h"

namespace cellstate {

extern const Kernels kernels_baseline;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
#endif

InstructionSets instruction_sets() {
  // The compiler's check also asks whether the operating system saves the wider registers.
  static const InstructionSet sets[] = {
      {&kernels_baseline, true},
#if defined(__x86_64__)
      {&kernels_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {&kernels_avx512, __builtin_cpu_supports("avx512f") != 0},
#elif defined(__aarch64__)
      {&kernels_neon, true},  // part of the 64-bit architecture
#endif
  };
  return {sets, sizeof sets / sizeof *sets};
}

}  // namespace cellstate
