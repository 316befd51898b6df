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

}  // namespace saw::train
