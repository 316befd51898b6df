#include "saw/data/manifest.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/lines.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> splits{"train", "dev", "test"};
constexpr std::array<std::string_view, 10> sound_extensions{".aif", ".aiff", ".au",   ".flac", ".mp3",
                                                            ".oga", ".ogg",  ".opus", ".w64",  ".wav"};

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == line.npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

/// Where the columns of the table are.
struct Columns {
  std::size_t count, path, speaker;
  std::optional<std::size_t> split, group;

  explicit Columns(const Lines& header) {
    const std::vector<std::string_view> names = split_fields(header.line());
    count = names.size();
    const auto find = [&](std::string_view name) -> std::optional<std::size_t> {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) return std::nullopt;
      if (std::find(found + 1, names.end(), name) != names.end()) header.reject("two columns named {}", name);
      return static_cast<std::size_t>(found - names.begin());
    };
    const auto require = [&](std::string_view name) {
      const auto column = find(name);
      if (!column)
        header.reject(
            "no column named {}; got {}; expected a header line with path, speaker and optionally split and "
            "group, separated by tabs",
            name, quote(header.line()));
      return *column;
    };
    path = require("path");
    speaker = require("speaker");
    split = find("split");
    group = find("group");
  }
};

/// Gives the utterances their speakers' numbers, in the order of the sorted names.
SpeakerData number_speakers(std::vector<Utterance> utterances, const std::vector<std::string>& speaker_of) {
  SpeakerData data;
  data.utterances = std::move(utterances);
  std::map<std::string_view, std::int64_t> numbers;
  for (const std::string& speaker : speaker_of) numbers.emplace(speaker, 0);
  for (auto& [name, number] : numbers) {
    number = std::ssize(data.speakers);
    data.speakers.emplace_back(name);
  }
  for (std::size_t i = 0; i < speaker_of.size(); ++i) data.utterances[i].speaker = numbers.at(speaker_of[i]);
  return data;
}

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// The sound files below a folder, sorted.
std::vector<fs::path> find_sounds(const std::string& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(directory, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string extension = lower_ascii(entry->path().extension().string());
    if (!std::binary_search(sound_extensions.begin(), sound_extensions.end(), extension)) continue;
    std::error_code ignored;  // a link to nothing is reported when it is read
    if (!entry->is_directory(ignored)) files.push_back(entry->path());
  }
  if (error) fail(ErrorKind::io, "{}: cannot read the folders; {}", directory, error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

SpeakerData read_manifest(const std::string& path) {
  const std::string text = read_file(path);
  const fs::path directory = fs::path(path).parent_path();
  Lines lines(text, path);
  if (!lines.next()) fail(ErrorKind::io, "{}: the table is empty; expected a header line with path and speaker", path);
  const Columns columns(lines);

  std::vector<Utterance> utterances;
  std::vector<std::string> speaker_of;
  std::map<std::string, std::int64_t> line_of;  // each path's
  while (lines.next()) {
    const std::vector<std::string_view> fields = split_fields(lines.line());
    if (fields.size() != columns.count)
      lines.reject("wrong number of fields; got {}; expected {} as in the header, separated by tabs", fields.size(),
                   columns.count);
    if (fields[columns.path].empty()) lines.reject("the path is empty");
    if (fields[columns.speaker].empty()) lines.reject("the speaker is empty");
    Utterance utterance;
    utterance.name = fields[columns.path];
    utterance.path = (directory / utterance.name).string();
    if (columns.split) utterance.split = fields[*columns.split];
    if (columns.group) utterance.group = fields[*columns.group];
    if (!utterance.split.empty() && std::find(splits.begin(), splits.end(), utterance.split) == splits.end())
      lines.reject("unknown split; got {}; expected train, dev, test or nothing", quote(utterance.split));
    const auto [first, inserted] = line_of.emplace(utterance.name, lines.number());
    if (!inserted) lines.reject("a path is given twice; got {}; first on line {}", quote(first->first), first->second);
    utterances.push_back(std::move(utterance));
    speaker_of.emplace_back(fields[columns.speaker]);
  }
  if (utterances.empty()) fail(ErrorKind::io, "{}: the table has no row", path);
  return number_speakers(std::move(utterances), speaker_of);
}

SpeakerData read_speaker_tree(const std::string& directory) {
  std::vector<Utterance> utterances;
  std::vector<std::string> speaker_of;
  for (const fs::path& file : find_sounds(directory)) {
    const fs::path name = file.lexically_relative(directory), folder = name.parent_path();
    if (folder.empty())
      fail(ErrorKind::io, "{}: a sound file outside of any speaker's folder; expected {}/<speaker>/…", file.string(),
           directory);
    if (find_invalid_utf8(name.string()))
      fail(ErrorKind::io, "{}: a name that is not UTF-8; got {}", directory, quote(name.string()));
    const std::string speaker = name.begin()->string();
    Utterance utterance;
    utterance.path = file.string();
    utterance.name = name.string();
    if (folder != speaker) utterance.group = folder.string();
    utterances.push_back(std::move(utterance));
    speaker_of.push_back(speaker);
  }
  if (utterances.empty())
    fail(ErrorKind::io, "{}: no sound file in it; expected <speaker>/…/<file>.wav, .flac, .ogg, …", directory);
  return number_speakers(std::move(utterances), speaker_of);
}

}  // namespace data
}  // namespace saw
