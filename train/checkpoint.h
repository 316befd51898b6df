#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "saw/train/state.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A moment of a training run: how many steps are done, the states by name, and notes, which are texts (UTF-8).
struct Checkpoint {
  std::int64_t step = 0;                          ///< how many are done
  States::Parts parts = {};                       ///< the states, by name
  std::map<std::string, std::string> notes = {};  ///< texts, by name
};

/// Writes a checkpoint as one safetensors file (a tensor is called "<part>/<name>") with a checksum over all that is in
/// it. The file is on the disk, whole and under its name, or what was there before still is. The same checkpoint gives
/// the same bytes. Throws Error(io).
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads it. Throws Error(io), which begins with the path, for a file that is cut short, changed in any bit, or
/// something else than a checkpoint.
Checkpoint load_checkpoint(const std::string& path);

/// The checkpoints of one run, in a folder: step-000000120.safetensors.
///
///   train::CheckpointFolder checkpoints("tagger/checkpoints");
///   if (const auto checkpoint = checkpoints.load_newest(train::say)) states.load(checkpoint->parts);
///   …
///   checkpoints.save({.step = step, .parts = states.save()});
class CheckpointFolder {
 public:
  /// Of those written, the last `keep` stay (at least 1).
  explicit CheckpointFolder(std::string path, std::int64_t keep = 2);

  const std::string& path() const { return path_; }  ///< as given
  /// The steps of the checkpoints that are there, ascending. They may be damaged.
  std::vector<std::int64_t> steps() const;
  std::string file(std::int64_t step) const;  ///< the path of the checkpoint of a step, whether it is there or not
  /// Writes a checkpoint and removes what is older than the last `keep`, and what has a later step: it is of a run
  /// that was left behind when this one went back. Makes the folder if need be.
  void save(const Checkpoint& checkpoint) const;
  /// The newest that can be read, or nothing where there is none. Of each that is damaged, `say` gets one line that
  /// names the file, what is wrong, and that the one before is taken. `check` may look at one and throw Error(io) where
  /// it cannot be used. Throws Error(io) where there are checkpoints and none can be read.
  std::optional<Checkpoint> load_newest(const std::function<void(const std::string&)>& say,
                                        const std::function<void(const Checkpoint&)>& check = {}) const;
  /// Removes all.
  void clear() const;

 private:
  std::string path_;
  std::int64_t keep_;
};

}  // namespace train
}  // namespace saw
