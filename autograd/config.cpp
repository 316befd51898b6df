#include "saw/autograd/config.h"

#include <fmt/format.h>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm.h"
#include "saw/autograd/kernels/vector_math.h"

namespace saw {

std::string config_string() {
  std::string text = fmt::format("saw {}, SIMD kernels of its own for {}, LAPACK from OpenBLAS ({}), {} thread(s)",
                                 SAW_PROJECT_VERSION, kernels::simd_target(), kernels::gemm_core_name(), num_threads());
#ifndef NDEBUG
  text += "; a debug build: training is many times slower";
#endif
#ifndef __OPTIMIZE__
  text += "; built without optimisation";
#endif
  return text;
}

}  // namespace saw
