#pragma once

#include <map>
#include <string>
#include <string_view>

#include "saw/autograd/state_dict.h"

namespace saw::train {

/// CRC-32 (ISO 3309, zlib's) as eight hexadecimal digits.
std::string checksum(std::string_view bytes);

/// The same over names, dtypes, shapes and values of tensors, in the order of their names.
std::string checksum(const StateDict& tensors);

/// The same over all tensors and all entries of a file's metadata but `except`.
std::string checksum(const StateDict& tensors, const std::map<std::string, std::string>& metadata,
                     const std::string& except);

}  // namespace saw::train
