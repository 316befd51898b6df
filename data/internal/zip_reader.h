#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct zip;
struct zip_file;

namespace saw {
namespace data {

/// A zip archive being read: PyTorch's and NumPy's container. All errors are Error(io) and begin with the path.
class ZipReader {
 public:
  struct Entry {
    std::string name;
    std::uint64_t size = 0;        ///< bytes it holds
    std::uint64_t file_bytes = 0;  ///< bytes it takes in the file
    bool deflated = false;         ///< else as it is
  };

  /// Reads the central directory. Throws Error(io) for a file that is no zip archive, for names that repeat, for
  /// encryption and unknown compression, and for sizes that cannot be: entries which together are larger than the
  /// file, stored ones that grow, deflated ones that grow more than deflate can. What all entries hold together is
  /// thereby at most 1,032 times the size of the file, and at most that size where nothing is deflated.
  explicit ZipReader(const std::string& path);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::string& path() const { return path_; }
  /// As the central directory lists them.
  const std::vector<Entry>& entries() const { return entries_; }
  /// The position in entries() of the one with this name.
  std::optional<std::size_t> find(std::string_view name) const;

  /// An entry being read from its beginning on. The ZipReader must outlive it.
  class Record {
   public:
    Record(const ZipReader& archive, std::size_t entry);
    ~Record();
    Record(const Record&) = delete;
    Record& operator=(const Record&) = delete;

    /// Bytes not yet read.
    std::uint64_t remaining() const { return remaining_; }
    /// Exactly `count` bytes.
    void read(void* bytes, std::size_t count);
    /// Reads what is left and checks the CRC of the whole. Without it nothing is known to be right.
    void finish();

   private:
    [[noreturn]] void fail_to_read() const;

    const ZipReader& archive_;
    const Entry& entry_;
    zip_file* file_;
    std::uint64_t remaining_;
  };

  /// A whole entry. Throws Error(io) for one of more than `limit` bytes.
  std::string read(std::size_t entry, std::uint64_t limit) const;

 private:
  void read_directory(std::uint64_t file_size);

  std::string path_;
  std::unique_ptr<zip, void (*)(zip*)> archive_;
  std::vector<Entry> entries_;
};

}  // namespace data
}  // namespace saw
