#pragma once

// Texts as numbers and back, for programs that write texts.

#include <fmt/format.h>
#include <saw/saw.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace saw::examples {

/// What the units of a text are.
struct TextUnitOptions {
  std::int64_t pieces = 0;              ///< entries of sub-words
  double coverage = 1.0;                ///< of the characters, by sub-words
  bool exact = false;                   ///< sub-words keep every character and space; those not covered as bytes
  std::int64_t minimum_count = 1;       ///< characters that are rarer are unknown
  std::vector<std::string> roles = {};  ///< entries beside "begin", "end", "unknown" and "padding"
};

/// A text as numbers and back: sub-words by SentencePiece, or characters.
class TextUnits {
 public:
  TextUnits() = default;
  static TextUnits train(const std::string& kind, const std::vector<std::string>& texts,
                         const TextUnitOptions& options) {
    TextUnits units;
    if (kind == "subwords") {
      units.subwords_ = data::Subwords::train(texts, {.size = options.pieces,
                                                      .coverage = options.coverage,
                                                      .bytes = options.exact,
                                                      .exact = options.exact,
                                                      .roles = options.roles});
    } else {
      data::Counter counter;
      for (const std::string& text : texts)
        for (const std::string& character : data::split_characters(text)) counter.add(character);
      units.characters_ = data::Vocabulary(counter, {.minimum_count = options.minimum_count,
                                                     .padding = true,
                                                     .begin = true,
                                                     .end = true,
                                                     .roles = options.roles});
    }
    return units;
  }
  std::string text() const { return subwords_ ? subwords_->text() : characters_.text(); }
  /// What text() gave. Throws Error(io) in the name of `name` for what is none, or lacks an entry that all have.
  static TextUnits parse(const std::string& kind, const std::string& text, const std::string& name) {
    TextUnits units;
    if (kind == "subwords")
      units.subwords_ = data::Subwords::parse(text, name);
    else if (kind == "characters")
      units.characters_ = data::Vocabulary::parse(text, name);
    else
      throw Error(ErrorKind::io, fmt::format("{}: unknown units \"{}\"; expected characters or subwords", name,
                                             train::printable(kind, 60)));
    for (const char* role : {"begin", "end", "unknown", "padding"})
      if (!units.find_role(role)) throw Error(ErrorKind::io, fmt::format("{}: has no entry for {}", name, role));
    return units;
  }

  std::int64_t size() const { return subwords_ ? subwords_->size() : characters_.size(); }
  std::int64_t role(const char* name) const {
    const auto found = find_role(name);
    if (!found) throw Error(ErrorKind::internal, std::string("units of text: no entry for ") + name);
    return *found;
  }
  std::vector<std::int64_t> encode(const std::string& text) const {
    return subwords_ ? subwords_->encode(text) : characters_.ids(data::split_characters(text));
  }
  std::string decode(std::span<const std::int64_t> ids) const {
    if (subwords_) return subwords_->decode(ids);
    std::string text;
    for (const std::int64_t id : ids)
      if (!characters_.is_role(id)) text += characters_.word(id);
    return text;
  }

 private:
  std::optional<std::int64_t> find_role(const char* name) const {
    return subwords_ ? subwords_->find_role(name) : characters_.find_role(name);
  }

  std::optional<data::Subwords> subwords_;
  data::Vocabulary characters_;
};

}  // namespace saw::examples
