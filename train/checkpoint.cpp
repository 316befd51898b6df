#include "saw/train/checkpoint.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/safetensors.h"
#include "saw/train/internal/checksum.h"
#include "saw/train/internal/numbered_files.h"

namespace saw::train {
namespace {

constexpr const char* format_name = "saw checkpoint 1";
constexpr const char* checksum_key = "checksum";
constexpr const char* kind = "step";
const std::string note_prefix = "note.";

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  StateDict tensors;
  auto names = nlohmann::json::array();  // a part may be without tensors
  for (const auto& [part, state] : checkpoint.parts) {
    names.push_back(part);
    for (const auto& [name, tensor] : state) tensors.emplace_back(part + "/" + name, tensor);
  }
  std::map<std::string, std::string> metadata{
      {"format", format_name}, {"step", std::to_string(checkpoint.step)}, {"parts", names.dump()}};
  for (const auto& [name, text] : checkpoint.notes) metadata.emplace(note_prefix + name, text);
  metadata[checksum_key] = checksum(tensors, metadata, checksum_key);
  data::save_safetensors(path, tensors, metadata);
}

Checkpoint load_checkpoint(const std::string& path) {
  data::SafetensorsFile file = data::load_safetensors(path);
  const auto& metadata = file.metadata;
  const auto reject = [&](const char* what) { fail(ErrorKind::io, "{}: not a checkpoint of saw: {}", path, what); };
  if (!metadata.contains("format") || !metadata.at("format").starts_with("saw checkpoint "))
    reject("its metadata does not say that it is one");
  if (metadata.at("format") != format_name) reject("it is of another version of the format");
  if (!metadata.contains(checksum_key)) reject("it has no checksum");
  const std::string sum = checksum(file.tensors, metadata, checksum_key);
  if (sum != metadata.at(checksum_key))
    fail(ErrorKind::io, "{}: the checkpoint is damaged; its content has the checksum {}; expected {}", path, sum,
         metadata.at(checksum_key));

  Checkpoint result;
  const auto names = nlohmann::json::parse(metadata.contains("parts") ? metadata.at("parts") : "", nullptr, false);
  if (!names.is_array()) reject("it does not list its parts");
  for (const auto& name : names) {
    if (!name.is_string()) reject("it does not list its parts");
    result.parts[name.get<std::string>()];
  }
  const std::string step = metadata.contains("step") ? metadata.at("step") : "";
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), result.step);
  if (error != std::errc() || end != step.data() + step.size() || result.step < 0) reject("it does not say its step");
  for (auto& [name, tensor] : file.tensors) {
    const std::size_t slash = name.find('/');
    const auto part = result.parts.find(name.substr(0, slash));
    if (slash == std::string::npos || part == result.parts.end()) reject("a tensor belongs to no part");
    part->second.emplace_back(name.substr(slash + 1), tensor);
  }
  for (const auto& [key, text] : metadata)
    if (key.starts_with(note_prefix)) result.notes.emplace(key.substr(note_prefix.size()), text);
  return result;
}

CheckpointFolder::CheckpointFolder(std::string path, std::int64_t keep) : path_(std::move(path)), keep_(keep) {
  if (keep < 1) fail(ErrorKind::argument, "CheckpointFolder: keep; got {}; expected at least 1", keep);
}

std::vector<std::int64_t> CheckpointFolder::steps() const { return file_numbers(path_, kind); }

std::string CheckpointFolder::file(std::int64_t step) const { return numbered_file(path_, kind, step); }

void CheckpointFolder::save(const Checkpoint& checkpoint) const {
  data::make_directories(path_);
  save_checkpoint(file(checkpoint.step), checkpoint);
  std::vector<std::int64_t> there = steps();
  while (!there.empty() && there.back() > checkpoint.step) {
    remove_numbered_file(path_, kind, there.back());
    there.pop_back();
  }
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < there.size(); ++i)
    remove_numbered_file(path_, kind, there[i]);
}

std::optional<Checkpoint> CheckpointFolder::load_newest(const std::function<void(const std::string&)>& say,
                                                        const std::function<void(const Checkpoint&)>& check) const {
  const std::vector<std::int64_t> there = steps();
  for (auto step = there.rbegin(); step != there.rend(); ++step) {
    try {
      Checkpoint checkpoint = load_checkpoint(file(*step));
      if (checkpoint.step != *step)
        fail(ErrorKind::io, "{}: the checkpoint is of another step; got {}", file(*step), checkpoint.step);
      if (check) check(checkpoint);
      return checkpoint;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io) throw;
      const bool is_last = step + 1 == there.rend();
      if (say)
        say(fmt::format("{}; {}", error.what(),
                        is_last ? std::string("there is none before it")
                                : fmt::format("taking the one before, of step {}", *(step + 1))));
    }
  }
  if (!there.empty())
    fail(ErrorKind::io, "{}: none of the {} checkpoints can be read; remove the folder to begin anew", path_,
         there.size());
  return std::nullopt;
}

void CheckpointFolder::clear() const {
  for (const std::int64_t step : steps()) remove_numbered_file(path_, kind, step);
}

}  // namespace saw::train
