#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Rows and where their sequences lie, from modules that change how many rows there are.
struct Sequences {
  Tensor rows;        ///< (N, …)
  Segments segments;  ///< of these rows
};

}  // namespace nn
}  // namespace saw
