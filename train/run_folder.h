#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// The folder of one run. It is made if need be, and locked: while the object lives, no other has the folder, in this
/// process or another (flock on the file run.lock in it, which the system lets go of however the process ends). Nobody
/// writes here then, so what is left of files that killed processes were writing (model.safetensors.tmp.1234.0, see
/// data::AtomicFile) is removed, also in the folder checkpoints/ below.
///
///   const train::RunFolder folder("tagger");
///   data::save_safetensors(folder.file("model.safetensors"), …);
///
/// Throws Error(io), one line that begins with the folder's name: where another run has it (with the number of that
/// process), where it cannot be made or written, and where its disk is full.
class RunFolder {
 public:
  explicit RunFolder(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }  ///< as given, without a slash at its end
  /// The path of a file in it.
  std::string file(std::string_view name) const;
  /// Whether the folder is still where it was. It is not after somebody removed or moved it.
  bool is_in_place() const noexcept;
  /// Makes and locks the folder again when it is no longer in its place; whether that was so. Throws as the constructor
  /// does.
  bool restore();
  /// Throws Error(io) where its disk has no room for so many bytes. They are asked for and given back at once, so
  /// limits of users and of file sizes count as well as free space.
  void check_room(std::uint64_t bytes) const;

 private:
  void acquire();
  void release() noexcept;

  std::string path_;
  int lock_ = -1;
};

}  // namespace train
}  // namespace saw
