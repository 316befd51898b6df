#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Tensors by name, in an order that means something to whoever made it: a module's parameters and buffers in the order
/// of their creation, a file's tensors in the order of their names.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

/// Whether a name fits a pattern, in which `*` stands for any characters, dots included, and `?` for one:
/// "encoder.layers.0.linear1.bias" fits "encoder.*", "*.bias" and "encoder.layers.?.linear*".
bool name_matches(std::string_view name, std::string_view pattern);

/// The tensor of that name, or an undefined one.
inline Tensor find_tensor(const StateDict& state, std::string_view name) {
  for (const auto& [key, tensor] : state)
    if (key == name) return tensor;
  return {};
}

}  // namespace saw
