#include "saw/data/hw04.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/pytorch.h"
#include "saw/data/table.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using OrderedJson =
    nlohmann::ordered_json;  // members stay in the order in which they are put in; looking one up is slow

constexpr std::uint64_t longest_json = std::uint64_t{1} << 30;

/// Finds keys that an object has twice; the library would keep the last and say nothing.
class RepeatedKeys {
 public:
  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key && !open_.back().insert(parsed.get<std::string>()).second &&
               repeated_.empty()) {
      repeated_ = parsed.get<std::string>();
    }
    return true;
  }
  const std::string& first() const { return repeated_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string repeated_;
};

/// One of the JSON files, with checks whose messages begin with its path.
class Document {
 public:
  explicit Document(std::string path) : path_(std::move(path)) {
    const std::string text = read_file(path_, longest_json);
    RepeatedKeys repeated;
    try {
      root_ = Json::parse(text, std::ref(repeated));
    } catch (const Json::parse_error& error) {
      const std::string_view before = std::string_view(text).substr(0, std::max<std::size_t>(error.byte, 1) - 1);
      const auto line = std::count(before.begin(), before.end(), '\n') + 1;
      const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
      // Of the library's own text, what people can use: not the name and place of its error, not the bytes it read.
      std::string_view what = error.what();
      what.remove_prefix(std::min(what.find("syntax error"), what.size()));
      fail(ErrorKind::io, "{}:{}:{}: not JSON; {}", path_, line, column, what.substr(0, what.find("; last read")));
    }
    if (!repeated.first().empty()) reject("{} is given twice", quote(repeated.first()));
  }

  const Json& root() const { return root_; }

  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}: {}", path_, fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  /// A member of an object; `place` is what messages call the object.
  const Json& member(const Json& object, const std::string& place, const char* key) const {
    if (!object.is_object()) reject("{}; got {}; expected an object", place, object.type_name());
    const auto found = object.find(key);
    if (found == object.end()) reject("{} has no \"{}\"", place, key);
    return *found;
  }
  const Json& object(const Json& parent, const std::string& place, const char* key) const {
    const Json& value = member(parent, place, key);
    if (!value.is_object()) reject("{}: \"{}\"; got {}; expected an object", place, key, value.type_name());
    return value;
  }
  const std::string& string(const Json& parent, const std::string& place, const char* key) const {
    return string(member(parent, place, key), place + ": \"" + key + "\"");
  }
  const std::string& string(const Json& value, const std::string& place) const {
    if (!value.is_string()) reject("{}; got {}; expected a string", place, value.type_name());
    return value.get_ref<const std::string&>();
  }
  std::int64_t integer(const Json& parent, const std::string& place, const char* key) const {
    return integer(member(parent, place, key), place + ": \"" + key + "\"");
  }
  std::int64_t integer(const Json& value, const std::string& place) const {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > largest))
      reject("{}; got {}; expected an integer", place, value.is_number() ? value.dump() : value.type_name());
    return value.get<std::int64_t>();
  }
  std::int64_t n_mels() const {
    const std::int64_t mels = integer(root_, "the file", "n_mels");
    if (mels < 1) reject("\"n_mels\"; got {}; expected at least 1", mels);
    return mels;
  }

 private:
  std::string path_;
  Json root_;
};

std::string path_in(const std::string& directory, const std::string& name) {
  return (fs::path(directory) / name).string();
}

/// A document that may be missing.
std::optional<Document> optional_document(const std::string& path) {
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) return std::nullopt;
  return Document(path);
}

/// The speakers by number, which both directions of mapping.json must agree upon.
std::vector<std::string> read_mapping(const Document& document) {
  const Json& numbers = document.object(document.root(), "the file", "speaker2id");
  const Json& names = document.object(document.root(), "the file", "id2speaker");
  std::vector<std::string> speakers(numbers.size());
  for (const auto& [speaker, value] : numbers.items()) {
    const std::int64_t number = document.integer(value, "\"speaker2id\": " + quote(speaker));
    if (number < 0 || number >= std::ssize(speakers))
      document.reject("\"speaker2id\": {}; got {}; expected 0 to {}", quote(speaker), number, speakers.size() - 1);
    std::string& place = speakers[static_cast<std::size_t>(number)];
    if (!place.empty())
      document.reject("\"speaker2id\": {} and {} have one number, {}", quote(place), quote(speaker), number);
    if (speaker.empty()) document.reject("\"speaker2id\" has an empty name");
    place = speaker;
  }
  if (names.size() != speakers.size())
    document.reject("\"id2speaker\" and \"speaker2id\" contradict each other; got {} and {} speakers", names.size(),
                    speakers.size());
  for (std::size_t number = 0; number < speakers.size(); ++number) {
    const auto found = names.find(std::to_string(number));
    if (found == names.end()) document.reject("\"id2speaker\" has no \"{}\"", number);
    const std::string& name = document.string(*found, fmt::format("\"id2speaker\": \"{}\"", number));
    if (name != speakers[number])
      document.reject("\"id2speaker\" and \"speaker2id\" contradict each other; got {} and {} for {}", quote(name),
                      quote(speakers[number]), number);
  }
  return speakers;
}

/// Collects the utterances of both files.
class Reader {
 public:
  Reader(const std::string& directory, const Hw04Options& options) : directory_(directory), options_(options) {}

  Hw04Folder read() && {
    const Document metadata(path_in(directory_, "metadata.json"));
    folder_.n_mels = metadata.n_mels();
    const Json& speakers = metadata.object(metadata.root(), "the file", "speakers");
    number_speakers(metadata, speakers);
    for (const auto& [speaker, utterances] : speakers.items())
      add(metadata, utterances, "speaker " + quote(speaker), "train", numbers_.at(speaker));

    if (const auto testdata = optional_document(path_in(directory_, "testdata.json"))) {
      if (testdata->n_mels() != folder_.n_mels)
        testdata->reject("\"n_mels\"; got {}; expected {} as in metadata.json", testdata->n_mels(), folder_.n_mels);
      add(*testdata, testdata->member(testdata->root(), "the file", "utterances"), "\"utterances\"", "test", -1);
    }
    return std::move(folder_);
  }

 private:
  void number_speakers(const Document& metadata, const Json& speakers) {
    std::vector<std::string>& names = folder_.data.speakers;
    const auto mapping = optional_document(path_in(directory_, "mapping.json"));
    if (mapping) {
      names = read_mapping(*mapping);
    } else {
      for (const auto& [speaker, utterances] : speakers.items()) names.push_back(speaker);
      std::sort(names.begin(), names.end());
    }
    for (std::size_t i = 0; i < names.size(); ++i) numbers_.emplace(names[i], static_cast<std::int64_t>(i));
    for (const auto& [speaker, utterances] : speakers.items()) {
      if (speaker.empty()) metadata.reject("\"speakers\" has an empty name");
      if (!numbers_.contains(speaker))
        mapping->reject("\"speaker2id\" has no {}, who is in metadata.json", quote(speaker));
    }
  }

  void add(const Document& document, const Json& list, const std::string& owner, const char* split,
           std::int64_t speaker) {
    if (!list.is_array()) document.reject("{}; got {}; expected a list", owner, list.type_name());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("{}, utterance {}", owner, i + 1);
      Utterance utterance;
      utterance.name = document.string(list[i], place, "feature_path");
      utterance.frames = document.integer(list[i], place, "mel_len");
      utterance.path = path_in(directory_, utterance.name);
      utterance.speaker = speaker;
      utterance.split = split;
      if (utterance.name.empty()) document.reject("{}: \"feature_path\" is empty", place);
      if (!known_.insert(utterance.name).second)
        document.reject("{}: a file is named twice; got {}", place, quote(utterance.name));
      try {
        check(utterance);
      } catch (const Error& error) {
        if (!options_.skip_bad) throw;
        folder_.skipped.emplace_back(error.what());
        continue;
      }
      folder_.data.utterances.push_back(std::move(utterance));
    }
  }

  static void check(const Utterance& utterance) {
    if (utterance.frames < 1)
      fail(ErrorKind::io, "{}: \"mel_len\"; got {}; expected at least 1", utterance.path, utterance.frames);
    std::error_code error;
    const fs::file_type type = fs::status(utterance.path, error).type();
    if (type == fs::file_type::not_found)
      fail(ErrorKind::io, "{}: no such file; {}.json names it", utterance.path,
           utterance.split == "test" ? "testdata" : "metadata");
    if (type != fs::file_type::regular)
      fail(ErrorKind::io, "{}: not a regular file{}{}", utterance.path, error ? "; " : "",
           error ? error.message() : "");
  }

  const std::string& directory_;
  Hw04Options options_;
  Hw04Folder folder_;
  std::map<std::string, std::int64_t> numbers_;  // of the speakers
  std::set<std::string> known_;                  // names of files
};

/// What json.dump(value, file, indent=4) writes: ASCII, no line end at the end.
void write_json(const std::string& path, const OrderedJson& json) { write_file(path, json.dump(4, ' ', true)); }

void check_name(const char* what, const std::string& name) {
  if (name.empty()) fail(ErrorKind::argument, "write_hw04: {} has no name", what);
  if (find_invalid_utf8(name))
    fail(ErrorKind::argument, "write_hw04: name of {} is not UTF-8; got {}", what, quote(name));
}

}  // namespace

Hw04Folder read_hw04(const std::string& directory, const Hw04Options& options) {
  return Reader(directory, options).read();
}

Tensor read_features(const Utterance& utterance, std::int64_t n_mels) {
  Tensor features = load_pytorch_tensor(utterance.path);
  const auto reject = [&](std::string_view expected) {
    fail(ErrorKind::io, "{}: features; got {} {}; expected {}", utterance.path, features.dtype(), features.shape(),
         expected);
  };
  if (features.dtype() != float32 || features.rank() != 2 || features.size(0) < 1 || features.size(1) != n_mels)
    reject(fmt::format("float32 (mel_len, {})", n_mels));
  if (utterance.frames >= 0 && features.size(0) != utterance.frames)
    reject(fmt::format("({}, {}), as \"mel_len\" says", utterance.frames, n_mels));
  features = features.contiguous();
  const float* values = features.data<float>();
  const auto bad =
      std::find_if_not(values, values + features.numel(), [](float x) { return std::isfinite(x); }) - values;
  if (bad != features.numel())
    fail(ErrorKind::io, "{}: features; got {} in frame {}, band {}; expected finite numbers", utterance.path,
         values[bad], bad / n_mels, bad % n_mels);
  return features;
}

void write_hw04(const std::string& directory, const Hw04Folder& folder) {
  const std::vector<std::string>& names = folder.data.speakers;
  std::vector<OrderedJson> lists(names.size(), OrderedJson::array());  // each speaker's utterances
  OrderedJson test = OrderedJson::array();
  for (const Utterance& utterance : folder.data.utterances) {
    check_name("an utterance", utterance.name);
    if (utterance.frames < 1)
      fail(ErrorKind::argument, "write_hw04: frames of {}; got {}; expected at least 1", quote(utterance.name),
           utterance.frames);
    const bool is_test = utterance.split == "test";
    if (!is_test && (utterance.speaker < 0 || utterance.speaker >= std::ssize(names)))
      fail(ErrorKind::argument, "write_hw04: speaker of {}; got {}; expected 0 to {}", quote(utterance.name),
           utterance.speaker, std::ssize(names) - 1);
    OrderedJson& list = is_test ? test : lists[static_cast<std::size_t>(utterance.speaker)];
    list.push_back({{"feature_path", utterance.name}, {"mel_len", utterance.frames}});
  }
  OrderedJson speakers = OrderedJson::object(), speaker2id = OrderedJson::object(), id2speaker = OrderedJson::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    check_name("a speaker", names[i]);
    speakers[names[i]] = std::move(lists[i]);
    speaker2id[names[i]] = i;
    id2speaker[std::to_string(i)] = names[i];
  }
  write_json(path_in(directory, "mapping.json"), {{"speaker2id", speaker2id}, {"id2speaker", id2speaker}});
  write_json(path_in(directory, "testdata.json"), {{"n_mels", folder.n_mels}, {"utterances", test}});
  write_json(path_in(directory, "metadata.json"), {{"n_mels", folder.n_mels}, {"speakers", speakers}});
}

void write_predictions(const std::string& path, std::span<const std::pair<std::string, std::string>> rows) {
  std::string text = "Id,Category\r\n";
  for (const auto& [id, category] : rows) text += csv_field(id) + ',' + csv_field(category) + "\r\n";
  write_file(path, text);
}

}  // namespace data
}  // namespace saw
