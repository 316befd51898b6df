#include "saw/train/internal/png.h"

#include <cstddef>

#include "saw/autograd/base/internal/check.h"

#if defined(SAW_HAS_IMAGES)
#include <png.h>
#endif

namespace saw::train {

#if defined(SAW_HAS_IMAGES)
std::string encode_png(std::int64_t width, std::int64_t height, const std::vector<std::uint8_t>& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  std::string bytes;
  bool written = png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(), 0, nullptr) != 0;
  if (written) {
    bytes.resize(size);
    written = png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr) != 0;
    bytes.resize(size);
  }
  if (!written) fail(ErrorKind::internal, "png: cannot encode {} x {} pixels; {}", width, height, image.message);
  return bytes;
}
#else
std::string encode_png(std::int64_t, std::int64_t, const std::vector<std::uint8_t>&) {
  fail(ErrorKind::argument, "png: this build of saw has no images; it was made with SAW_AUDIO=OFF");
}
#endif

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[word >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

}  // namespace saw::train
