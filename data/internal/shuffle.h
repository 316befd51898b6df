#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "saw/autograd/base/random.h"

namespace saw {
namespace data {

/// A random order by Fisher and Yates, the same on every platform; std::shuffle may differ between standard libraries.
template <class T>
void shuffle(std::vector<T>& values, const RandomStream& random) {
  for (std::size_t i = values.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(random.integer(i, 0, static_cast<std::int64_t>(i)));
    std::swap(values[i - 1], values[j]);
  }
}

}  // namespace data
}  // namespace saw
