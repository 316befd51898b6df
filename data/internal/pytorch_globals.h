#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "saw/data/internal/stored_type.h"

namespace saw {
namespace data {

/// What a name in a pickle stands for. The list is all that an Unpickler knows; a name that is not in it is refused.
enum class GlobalKind : std::uint8_t {
  // called with arguments
  ordered_dict,
  counter,
  set,
  bytes,   // how protocol 2 spells empty bytes,
  encode,  // and others
  size,
  device,
  rebuild_tensor,
  rebuild_tensor_v2,
  rebuild_tensor_v3,
  rebuild_parameter,
  // mentioned
  storage_type,
  untyped_storage,
  dtype
};

struct PytorchGlobal {
  std::string_view module;
  std::string_view name;
  GlobalKind kind;
  std::optional<StoredType> type = std::nullopt;  ///< of a storage or dtype; none where saw cannot read such elements
};

/// The entry of that name, or nullptr.
const PytorchGlobal* find_global(std::string_view module, std::string_view name);

/// The element type that a dtype ("torch.float32") stands for; none for one that saw cannot read.
std::optional<StoredType> stored_type_of_dtype(std::string_view dtype);

}  // namespace data
}  // namespace saw
