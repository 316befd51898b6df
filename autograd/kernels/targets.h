#pragma once

// The one way from a call to the SIMD code of this machine. A kernel is a template over its element type (float or
// double) in each target's namespace, compiled once per target by hwy/foreach_target.h; below, where HWY_ONCE holds,
//
//   SAW_FOR_TARGET(softmax_rows<T>)(x, begin, end, columns, y);
//
// calls the instance for T that was compiled for the best target this processor has. The name is looked up in the
// namespaces of the targets, so it may be a static member too: SAW_FOR_TARGET(Silu::kernels)().

#include <cstddef>

#include "hwy/highway.h"

namespace saw::kernels {

/// The position of this processor's target in a table of functions.
HWY_INLINE std::size_t target_index() {
  hwy::ChosenTarget& chosen = hwy::GetChosenTarget();
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
  return chosen.GetIndex();
}

}  // namespace saw::kernels

#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0  // only one target is compiled
#define SAW_FOR_TARGET(function) (&HWY_STATIC_DISPATCH(function))
#else
#define SAW_FOR_TARGET(function)                                                                                    \
  ([] {                                                                                                             \
    static constexpr decltype(&HWY_STATIC_DISPATCH(function)) table[] = {nullptr, HWY_CHOOSE_TARGET_LIST(function), \
                                                                         HWY_CHOOSE_FALLBACK(function)};            \
    return table[::saw::kernels::target_index()];                                                                   \
  }())
#endif
