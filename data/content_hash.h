#pragma once

#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// A short name for bytes, 16 hexadecimal digits: the 64-bit FNV-1a hash. It tells whether files belong together, and
/// is no protection against someone who wants to deceive.
std::string content_hash(std::string_view bytes);

}  // namespace data
}  // namespace saw
