#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace saw::train {

/// An image as the bytes of a PNG file; `pixels` are rows of red, green and blue from the top.
/// Throws Error(argument) in a build without images (SAW_AUDIO=OFF).
std::string encode_png(std::int64_t width, std::int64_t height, const std::vector<std::uint8_t>& pixels);

}  // namespace saw::train
