#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace saw::train {

/// The bytes that base64() of png.h wrote as text, or nothing where the text is not of that form.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace saw::train
