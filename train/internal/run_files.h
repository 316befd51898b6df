#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "saw/train/checkpoint.h"
#include "saw/train/model_file.h"
#include "saw/train/run_folder.h"

namespace saw::train {

/// What a run has on the disk: <folder>/model.safetensors, and in <folder>/checkpoints its last checkpoints and the
/// best weights that they refer to.
///
/// A checkpoint of step c refers to the newest best weights of a step up to c: best weights are written before the
/// first checkpoint that has them, so that is how one finds which files are still needed.
class RunFiles {
 public:
  using Say = std::function<void(const std::string&)>;

  RunFiles(const std::string& folder, std::int64_t keep, Say say);

  std::string model_path() const { return folder_.file(model_file_name); }
  bool has_model() const;
  void check_room(std::uint64_t bytes) const { folder_.check_room(bytes); }
  /// Steps of checkpoints that are there already.
  std::vector<std::int64_t> steps() const { return checkpoints_.steps(); }
  /// Where a checkpoint is, for messages.
  std::string checkpoint_path(std::int64_t step) const { return checkpoints_.file(step); }

  /// Whatever is there belongs to another run: the next checkpoint moves it to checkpoints.earlier.
  void begin_anew() { is_foreign_ = true; }
  /// Removes what was moved there.
  void remove_earlier() const;
  /// Removes best weights that no checkpoint refers to.
  void remove_unneeded_best() const;
  /// The newest checkpoint that can be read together with the best weights of step `best_step(checkpoint)` (-1: none),
  /// which are put into `best`.
  std::optional<Checkpoint> load(const std::function<std::int64_t(const Checkpoint&)>& best_step, StateDict& best);
  /// Writes a checkpoint, and before it the best weights if those of `best_step` (-1: none) are not there yet; on a
  /// full disk in place of all checkpoints but the newest. Returns what went wrong where the disk does not take them,
  /// and nothing where it does.
  std::string save(const Checkpoint& checkpoint, std::int64_t best_step, const std::function<ModelFile()>& best);
  /// Writes model.safetensors; on a full disk in place of all checkpoints but the newest. Throws Error(io).
  void save_model_file(const ModelFile& model);

 private:
  void restore();
  void write(Checkpoint checkpoint, std::int64_t best_step, const std::function<ModelFile()>& best);
  /// Removes all checkpoints but the newest; whether there were any.
  bool make_room() const;

  RunFolder folder_;
  CheckpointFolder checkpoints_;
  Say say_;
  bool is_foreign_ = false;
  std::int64_t best_step_ = -1;   // of the best weights that this run has written or read
  std::string best_fingerprint_;  // of their file
};

}  // namespace saw::train
