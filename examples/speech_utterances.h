#pragma once

// What speech_recognition.cpp learns from and is judged by: utterances, their letters, and what must hold of them.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "speech_model.h"

namespace saw::examples {

/// What somebody says.
struct SpeechUtterance {
  Tensor samples = {};     ///< (T) float32
  std::string text = {};   ///< words with a single space between them
  std::string name = {};   ///< a path, or what it is called
  std::string place = {};  ///< "file:line" of a table, else empty
};

/// Some of them, made or read when they are asked for; from any thread.
struct SpeechPart {
  std::int64_t count = 0;
  std::function<SpeechUtterance(std::int64_t number)> read = {};
};

struct SpeechCorpus {
  std::string description = {};
  std::int64_t sample_rate = 16000;  ///< Hz
  SpeechPart train = {}, dev = {}, test = {};
  Letters letters = {};                      ///< of the training texts, or those that were given
  bool is_endless = false;                   ///< training strings are made for the occasion
  std::vector<std::string> words = {};       ///< all that may be said, where that is known
  std::vector<std::string> skipped = {};     ///< what cannot be used, and why
  std::vector<train::NamedPath> files = {};  ///< sound files
};

/// What tells whether the recordings are the same ones: the sizes of their files, whose names their table has.
inline std::string fingerprint_of(const std::vector<train::NamedPath>& files) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a over the text
  for (const train::NamedPath& file : files) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file.path, error);
    for (const char byte : error ? std::string("none,") : fmt::format("{},", size))
      hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  }
  return fmt::format("{} files with sizes of hash {:016x}", files.size(), hash);
}

struct SpeechCorpusOptions {
  std::string manifest, join_digits, leave_out;  ///< at most one of the first two
  std::int64_t sample_rate = 0;                  ///< Hz; 0: 8,000 for digits, else 16,000
  std::int64_t voices = 24, strings = 600;       ///< of the synthesiser, of the test on digits
  bool training = true;                          ///< false: only the test part is needed
  bool skip_bad = false;                         ///< leave out what cannot be used, and list it
  std::uint64_t seed = 1;
  const Letters* letters = nullptr;  ///< of a model that is there; null: those of the training texts
};

/// Text as it is written to be read aloud: white space of any kind is one space between words, none around them.
inline std::string normal_spaces(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::string result;
  for (std::string word; stream >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

/// The letters of some texts, sorted.
inline Letters letters_of(const std::vector<std::string>& texts) {
  std::set<std::string> letters;
  for (const std::string& text : texts)
    for (const std::string& letter : data::split_characters(text)) letters.insert(letter);
  return Letters({letters.begin(), letters.end()});
}

/// The letters of words that are given beforehand, or those of a model, which must have them.
inline Letters letters_of_words(const std::vector<std::string>& words, const SpeechCorpusOptions& options) {
  std::vector<std::string> texts = words;
  texts.emplace_back(" ");
  if (options.letters == nullptr) return letters_of(texts);
  for (const std::string& text : texts)
    if (const std::string letter = options.letters->unknown_letter(text); !letter.empty())
      throw Error(ErrorKind::io, fmt::format("the model was trained on texts without the letter \"{}\"", letter));
  return *options.letters;
}

/// A part that is in memory already.
inline SpeechPart part_of(std::vector<SpeechUtterance> utterances) {
  const auto kept = std::make_shared<const std::vector<SpeechUtterance>>(std::move(utterances));
  return {std::ssize(*kept), [kept](std::int64_t number) { return kept->at(static_cast<std::size_t>(number)); }};
}

/// Throws Error(io) for an utterance that a model cannot be trained on or judged by; `column` is what its table calls
/// the text.
inline void check_utterance(const SpeechUtterance& utterance, const SpeechFeatures& features, const Letters& letters,
                            const char* column = "text") {
  const std::int64_t samples = utterance.samples.numel();
  if (samples < features.fewest_samples())
    throw Error(ErrorKind::io, fmt::format("{}: too short; got {} samples; expected at least {}", utterance.name,
                                           samples, features.fewest_samples()));
  const auto reject = [&](const std::string& why) {
    throw Error(ErrorKind::io,
                fmt::format("column \"{}\": {}; got \"{}\"", column, why, train::printable(utterance.text, 60)));
  };
  if (const std::string letter = letters.unknown_letter(utterance.text); !letter.empty())
    reject(fmt::format("the letter \"{}\" is in no text that is trained on", train::printable(letter)));
  const std::int64_t rows = features.rows(samples), needed = nn::ctc_frames_needed(letters.encode(utterance.text));
  if (needed > rows)
    reject(fmt::format("its letters, and a blank between equal ones, need {} rows of 30 ms; {} has {}", needed,
                       utterance.name, rows));
}

}  // namespace saw::examples
