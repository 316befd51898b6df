// load_npy and load_npz on any bytes.

#include "saw/data/npy.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run(data, size, {.factor = 20}, [](const std::string& path) { fuzz::touch(saw::data::load_npy(path)); });
  // Deflate makes up to 1,032 bytes of one, of which the conversion to int64 may make eight times as many.
  constexpr fuzz::MemoryBound bound{.factor = 1032 * 8 * 5 / 4};
  const auto read = [](const std::string& path) {
    for (const auto& [name, tensor] : saw::data::load_npz(path)) fuzz::touch(tensor);
  };
  fuzz::run(data, size, bound, read);
  fuzz::run(fuzz::with_right_checksums(data, size).data(), size, bound, read);
  return 0;
}
