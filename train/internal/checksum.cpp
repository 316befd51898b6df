#include "saw/train/internal/checksum.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/tape/format.h"

namespace saw::train {
namespace {

class Crc {
 public:
  void add(const void* bytes, std::size_t count) {
    if (count > 0) value_ = ::crc32_z(value_, static_cast<const Bytef*>(bytes), count);
  }
  /// With its length, so that ("ab", "c") is not ("a", "bc").
  void add(std::string_view text) {
    const std::uint64_t size = text.size();
    add(&size, sizeof size);
    add(text.data(), text.size());
  }
  void add(const StateDict& tensors) {
    std::vector<const StateDict::value_type*> all;
    for (const auto& entry : tensors) all.push_back(&entry);
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    for (const auto* entry : all) {
      const Tensor values = entry->second.detach().contiguous();
      add(entry->first);
      add(fmt::format("{} {}", values.dtype(), values.shape()));
      add(values.numel() > 0 ? values.data(values.dtype()) : nullptr,
          static_cast<std::size_t>(values.numel()) * size_of(values.dtype()));
    }
  }
  std::string text() const { return fmt::format("{:08x}", value_); }

 private:
  uLong value_ = ::crc32_z(0, nullptr, 0);
};

}  // namespace

std::string checksum(std::string_view bytes) {
  Crc crc;
  crc.add(bytes.data(), bytes.size());
  return crc.text();
}

std::string checksum(const StateDict& tensors) {
  Crc crc;
  crc.add(tensors);
  return crc.text();
}

std::string checksum(const StateDict& tensors, const std::map<std::string, std::string>& metadata,
                     const std::string& except) {
  Crc crc;
  crc.add(tensors);
  for (const auto& [key, value] : metadata) {
    if (key == except) continue;
    crc.add(key);
    crc.add(value);
  }
  return crc.text();
}

}  // namespace saw::train
