// load_pytorch, load_pytorch_state_dict and is_torchscript on any bytes.

#include <vector>

#include "saw/data/pytorch.h"
#include "support.h"

namespace {

using saw::data::PytorchValue;

// Every value that was read is one that can be looked at. Parts that the file shares are seen as often as they occur,
// so there may be very many.
void walk(const PytorchValue& root) {
  std::vector<PytorchValue> waiting{root};
  for (int seen = 0; !waiting.empty() && seen < 20'000; ++seen) {
    const PytorchValue value = waiting.back();
    waiting.pop_back();
    switch (value.kind()) {
      case PytorchValue::Kind::none:
        break;
      case PytorchValue::Kind::boolean:
        value.boolean();
        break;
      case PytorchValue::Kind::integer:
        value.integer();
        break;
      case PytorchValue::Kind::real:
        value.real();
        break;
      case PytorchValue::Kind::string:
        fuzz::require(value.string().size() < (std::size_t{1} << 32), "a string without end");
        break;
      case PytorchValue::Kind::bytes:
        value.bytes();
        break;
      case PytorchValue::Kind::tensor:
        fuzz::touch(value.tensor());
        break;
      case PytorchValue::Kind::tuple:
      case PytorchValue::Kind::list:
        for (std::size_t i = 0; i < value.size() && waiting.size() < 20'000; ++i) waiting.push_back(value.element(i));
        break;
      case PytorchValue::Kind::dict:
        for (std::size_t i = 0; i < value.size() && waiting.size() < 20'000; ++i) {
          waiting.push_back(value.key(i));
          waiting.push_back(value.value(i));
        }
        break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The pickle may take 100 times its bytes; the walk and the copies that touch() makes come on top.
  constexpr fuzz::MemoryBound bound{.factor = 100};
  const auto read = [](const std::string& path) {
    saw::data::is_torchscript(path);
    walk(saw::data::load_pytorch(path));
  };
  fuzz::run(data, size, bound, read);
  const std::vector<std::uint8_t> repaired = fuzz::with_right_checksums(data, size);
  fuzz::run(repaired.data(), size, bound, read);
  fuzz::run(repaired.data(), size, bound, [](const std::string& path) {
    for (const auto& [name, tensor] : saw::data::load_pytorch_state_dict(path))
      fuzz::require(tensor.defined(), "an undefined tensor");
  });
  return 0;
}
