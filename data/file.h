#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Whole files, read and written so that nobody ever sees half of one. All errors are Error(io) and begin with the path.

/// A file on its way: written beside its place under a temporary name, and renamed into place by commit(), after its
/// bytes have reached the disk. Destroyed without commit() it leaves nothing behind, and what was at `path` stays.
///
/// What a killed process left behind (`path.tmp.…`) is removed when the same path is written again by another process.
/// A temporary file is locked as long as it is written to, so nobody removes one that is in use, on whatever machine.
///
///   AtomicFile file("tagger.safetensors");
///   file.write(bytes);
///   file.commit();
class AtomicFile {
 public:
  /// Throws Error(io) where the directory cannot be written or `path` is something else than a regular file.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// More bytes of the file. Throws Error(io) where they cannot be written.
  void write(const void* bytes, std::size_t count);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  /// Puts the file into its place. Nothing may be written afterwards.
  void commit();

 private:
  void discard() noexcept;

  std::string path_;       // as the caller spelled it, for messages
  std::string target_;     // the same with symbolic links followed
  std::string temporary_;  // empty once nothing is left to remove
  int descriptor_ = -1;
};

/// A file being read from its beginning on.
class InputFile {
 public:
  /// Throws Error(io) where the file cannot be opened or is a directory.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }  ///< as given
  /// False for pipes and devices, whose size nobody knows.
  bool is_regular() const { return regular_; }
  /// Bytes of a regular file.
  std::uint64_t size() const { return size_; }
  /// The next bytes: as many as there are, at most `count`; 0 at the end.
  std::size_t read_some(void* bytes, std::size_t count);
  /// Exactly `count` bytes. Throws Error(io) where the file ends before.
  void read(void* bytes, std::size_t count);

 private:
  std::string path_;
  int descriptor_ = -1;
  bool regular_ = false;
  std::uint64_t size_ = 0;
};

/// All bytes of a file or pipe. Throws Error(io) for more than `limit` of them, before so much memory is asked for.
std::string read_file(const std::string& path, std::uint64_t limit = std::uint64_t{1} << 32);

/// Writes a whole file through an AtomicFile.
void write_file(const std::string& path, std::string_view bytes);

/// Removes what AtomicFiles of killed processes have left in a directory (`NAME.tmp.123.4`), whatever the
/// target, and returns how many there were. Files that someone is writing to stay.
std::int64_t remove_abandoned_files(const std::string& directory);

/// Makes a directory and those above it; existing ones are left alone.
void make_directories(const std::string& path);

}  // namespace data
}  // namespace saw
