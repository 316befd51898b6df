#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "saw/data/file.h"

namespace saw {
namespace data {

/// Writes a zip archive of stored (uncompressed) entries from its first byte to its last, whose contents begin at
/// multiples of 64 bytes, as PyTorch lays them out. The same entries give the same bytes: there are no times in it. The
/// file appears whole with commit() or not at all. (libzip, which reads archives here, can promise none of the three.)
class ZipWriter {
 public:
  explicit ZipWriter(const std::string& path) : file_(path) {}

  /// An entry whose contents are these pieces, one after the other.
  void add(std::string_view name, std::initializer_list<std::string_view> pieces);
  /// Writes the directory and puts the file into its place.
  void commit();

 private:
  struct Entry {
    std::string name;
    std::uint32_t checksum;
    std::uint64_t size;
    std::uint64_t offset;  // of its header
  };

  void write(std::string_view bytes);

  AtomicFile file_;
  std::uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace data
}  // namespace saw
