#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Lets a map with std::string keys be asked with a std::string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

/// Counts words (or characters, or tags), for a Vocabulary.
class Counter {
 public:
  void add(std::string_view word, std::int64_t times = 1);
  std::int64_t count(std::string_view word) const;  ///< 0 for a word never added
  std::int64_t total() const { return total_; }     ///< all words added, repeats included
  std::int64_t size() const { return static_cast<std::int64_t>(counts_.size()); }  ///< different words
  const StringMap<std::int64_t>& counts() const { return counts_; }

 private:
  StringMap<std::int64_t> counts_;
  std::int64_t total_ = 0;
};

struct VocabularyOptions {
  std::int64_t minimum_count = 1;  ///< words counted less often are left out
  bool unknown = true;             ///< has an entry that stands for all words that are not in it
  bool padding = false;            ///< has an entry that stands for no word at all, with id 0
};

/// A numbered list of words: id(word) and word(id). The entries for padding and for the unknown come first; they are
/// not words, so a text that contains "<unknown>" does no harm.
///
///   Counter counter;
///   for (const std::string& word : words) counter.add(word);
///   const Vocabulary vocabulary(counter, {.minimum_count = 2});
///   vocabulary.id("saw");
class Vocabulary {
 public:
  /// No entry at all.
  Vocabulary() = default;
  /// The counted words, most frequent first, equally frequent ones in the order of their bytes: the same words give the
  /// same vocabulary wherever they came from. Throws Error(argument) for a word that is empty or not UTF-8.
  explicit Vocabulary(const Counter& counter, const VocabularyOptions& options = {});
  /// Words in a given order; minimum_count does not matter. Throws Error(argument) for a repeated, empty or non-UTF-8
  /// word.
  explicit Vocabulary(const std::vector<std::string>& words, const VocabularyOptions& options = {});

  /// All entries, special ones included: what an Embedding needs as its size.
  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()); }
  /// The number of a word; that of the unknown entry for words that are not here. Throws Error(argument) for these
  /// where there is no unknown entry.
  std::int64_t id(std::string_view word) const;
  /// The number of a word, or nothing.
  std::optional<std::int64_t> find(std::string_view word) const;
  bool contains(std::string_view word) const { return find(word).has_value(); }
  /// The word with a number; "<unknown>" and "<padding>" for the special entries. Throws Error(index).
  const std::string& word(std::int64_t id) const;
  std::optional<std::int64_t> unknown_id() const { return unknown_; }
  std::optional<std::int64_t> padding_id() const { return padding_; }

  /// One entry a line in the order of ids; in words, \\ \t \n \r stand for these characters. The special entries are
  /// the lines "\padding" and "\unknown".
  std::string text() const;
  /// The vocabulary that text() wrote. Throws Error(io) "name:line: …" for an empty or repeated entry, a bad escape,
  /// invalid UTF-8, a missing last line end.
  static Vocabulary parse(std::string_view text, std::string_view name);

  /// Writes text() to a file, all of it or nothing.
  void save(const std::string& path) const;
  static Vocabulary load(const std::string& path);

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.words_ == b.words_ && a.unknown_ == b.unknown_ && a.padding_ == b.padding_;
  }

 private:
  void add_special(const VocabularyOptions& options);
  void add_words(const std::vector<std::string>& words);

  std::vector<std::string> words_;
  StringMap<std::int64_t> ids_;
  std::optional<std::int64_t> unknown_;
  std::optional<std::int64_t> padding_;
};

}  // namespace data
}  // namespace saw
