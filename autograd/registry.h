#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "saw/autograd/tape/op_info.h"

namespace [[gnu::visibility("default")]] saw {

/// Every op of the library: the families' lists, one after the other. Adding a family adds one line to registry.cpp.
const std::vector<const OpInfo*>& op_registry();

/// The op of that name, or nullptr.
const OpInfo* find_op(std::string_view name);

}  // namespace saw
