#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace saw::train {

/// A file that grows record by record. Opening it changes nothing that is in it. All errors are Error(io) and begin
/// with the path.
class AppendFile {
 public:
  /// Opens the file, or makes an empty one. Pipes and devices are taken, too.
  explicit AppendFile(const std::string& path);
  /// Removes a file that was made here and has stayed empty.
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  const std::string& path() const { return path_; }
  bool is_regular() const { return regular_; }
  std::uint64_t size() const { return size_; }

  /// Cuts off what lies behind the first `size` bytes; nothing for pipes and devices.
  void truncate(std::uint64_t size);
  /// Adds a record, all of it: where the disk is full, a regular file is left as it was.
  void append(std::string_view record);

 private:
  std::string path_;
  int descriptor_ = -1;
  bool regular_ = false, made_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace saw::train
