// load_safetensors on any bytes.

#include "saw/data/safetensors.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run(data, size, {.factor = 100}, [](const std::string& path) {
    for (const auto& [name, tensor] : saw::data::load_safetensors(path).tensors) fuzz::touch(tensor);
  });
  return 0;
}
