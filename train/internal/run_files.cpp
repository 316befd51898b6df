#include "saw/train/internal/run_files.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/train/internal/numbered_files.h"
#include "saw/train/output_paths.h"

namespace saw::train {
namespace {

constexpr const char* best_kind = "best";
constexpr const char* earlier = ".earlier";
constexpr const char* best_note = "best";  // what is in the file of the best weights that a checkpoint refers to

}  // namespace

RunFiles::RunFiles(const std::string& folder, std::int64_t keep, Say say)
    : folder_(folder), checkpoints_(folder_.file("checkpoints"), keep), say_(std::move(say)) {}

bool RunFiles::has_model() const {
  std::error_code error;
  return std::filesystem::exists(model_path(), error);
}

void RunFiles::restore() {
  if (folder_.restore())
    say_(fmt::format("{}: the folder was removed or moved during the training; it was made again", folder_.path()));
}

std::optional<Checkpoint> RunFiles::load(const std::function<std::int64_t(const Checkpoint&)>& best_step,
                                         StateDict& best) {
  return checkpoints_.load_newest(say_, [&](const Checkpoint& checkpoint) {
    const std::int64_t step = best_step(checkpoint);
    best = {};
    if (step < 0) return;
    const std::string path = numbered_file(checkpoints_.path(), best_kind, step);
    best = load_model(path).weights;
    const std::string found = fingerprint(path);
    if (const auto note = checkpoint.notes.find(best_note); note != checkpoint.notes.end() && note->second != found)
      fail(ErrorKind::io, "{}: not the best weights with which the checkpoint of step {} was saved", path,
           checkpoint.step);
    best_step_ = step;
    best_fingerprint_ = found;
  });
}

void RunFiles::write(Checkpoint checkpoint, std::int64_t best_step, const std::function<ModelFile()>& best) {
  restore();
  const std::string& folder = checkpoints_.path();
  if (is_foreign_) {
    remove_earlier();
    std::error_code error;
    std::filesystem::rename(folder, folder + earlier, error);
    if (error) {  // there is something else in its way
      checkpoints_.clear();
      remove_unneeded_best();
    }
    is_foreign_ = false;
  }
  data::make_directories(folder);
  if (best_step >= 0) {
    const std::string path = numbered_file(folder, best_kind, best_step);
    const auto there = file_numbers(folder, best_kind);
    if (best_step != best_step_ || !std::binary_search(there.begin(), there.end(), best_step)) {
      save_model(path, best());
      best_fingerprint_ = fingerprint(path);
      best_step_ = best_step;
    }
    checkpoint.notes[best_note] = best_fingerprint_;
  }
  checkpoints_.save(checkpoint);
  remove_unneeded_best();
}

std::string RunFiles::save(const Checkpoint& checkpoint, std::int64_t best_step,
                           const std::function<ModelFile()>& best) {
  for (bool again = false;; again = true) try {
      write(checkpoint, best_step, best);
      return {};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io) throw;
      remove_unneeded_best();  // on a full disk every byte counts
      if (again || !make_room())
        return fmt::format("the checkpoint of step {} could not be written: {}", checkpoint.step, error.what());
    }
}

void RunFiles::remove_earlier() const {
  const std::string folder = checkpoints_.path() + earlier;
  for (const char* kind : {"step", best_kind})
    for (const std::int64_t number : file_numbers(folder, kind)) remove_numbered_file(folder, kind, number);
  std::error_code error;
  std::filesystem::remove(folder, error);  // if nothing else is in it
}

void RunFiles::remove_unneeded_best() const {
  const auto best = file_numbers(checkpoints_.path(), best_kind);
  const auto kept = steps();
  for (std::size_t i = 0; i < best.size(); ++i) {
    const std::int64_t next = i + 1 < best.size() ? best[i + 1] : std::numeric_limits<std::int64_t>::max();
    const bool is_needed =
        std::any_of(kept.begin(), kept.end(), [&](std::int64_t step) { return best[i] <= step && step < next; });
    if (!is_needed) remove_numbered_file(checkpoints_.path(), best_kind, best[i]);
  }
}

void RunFiles::save_model_file(const ModelFile& model) {
  restore();
  try {
    save_model(model_path(), model);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io || !make_room()) throw;
    save_model(model_path(), model);
  }
}

bool RunFiles::make_room() const {
  std::vector<std::int64_t> there = steps();
  if (there.size() < 2) return false;
  there.pop_back();
  for (const std::int64_t step : there) remove_numbered_file(checkpoints_.path(), "step", step);
  remove_unneeded_best();
  return true;
}

}  // namespace saw::train
