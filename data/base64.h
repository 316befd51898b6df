#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Bytes as text in base64 (RFC 4648), with padding and without line ends: for what has to be UTF-8, such as the
/// metadata of a safetensors file.
std::string to_base64(std::string_view bytes);

/// The bytes that to_base64() wrote; nothing for any other text.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace data
}  // namespace saw
