#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/data/string_map.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Counts words (or characters, or tags), for a Vocabulary.
class Counter {
 public:
  void add(std::string_view word, std::int64_t times = 1);  ///< counts a word `times` more
  std::int64_t count(std::string_view word) const;          ///< 0 for a word never added
  std::int64_t total() const { return total_; }             ///< all words added, repeats included
  std::int64_t size() const { return static_cast<std::int64_t>(counts_.size()); }  ///< different words
  const StringMap<std::int64_t>& counts() const { return counts_; }                ///< of each word, in no order

 private:
  StringMap<std::int64_t> counts_;
  std::int64_t total_ = 0;
};

/// Which words a Vocabulary keeps, and which roles it has beside them.
struct VocabularyOptions {
  std::int64_t minimum_count = 1;       ///< words counted less often are left out
  bool unknown = true;                  ///< has an entry that stands for all words that are not in it
  bool padding = false;                 ///< has an entry that stands for no word at all, with id 0
  bool begin = false;                   ///< has an entry for the beginning of a sequence
  bool end = false;                     ///< has an entry for its end
  bool mask = false;                    ///< has an entry for a word that is hidden
  std::vector<std::string> roles = {};  ///< has an entry for each of these: "separator", "class", …
};

/// A numbered list of words: id(word) and word(id). The entries with a role come first, in the order padding, unknown,
/// begin, end, mask, and the named ones; they are not words, so a text that contains "<unknown>" does no harm.
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
  /// The labels of a task: the different ones among `labels`, sorted (as numbers where all are integers), without an
  /// unknown entry. Throws Error(argument) for none, and for one that is empty or not UTF-8.
  ///
  ///   const auto classes = Vocabulary::of_labels(table.texts("label"));
  ///   const std::vector<std::int64_t> targets = classes.ids(table.texts("label"));
  static Vocabulary of_labels(const std::vector<std::string>& labels);

  /// All entries, special ones included: what an Embedding needs as its size.
  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()); }
  /// The number of a word; that of the unknown entry for words that are not here. Throws Error(argument) for these
  /// where there is no unknown entry.
  std::int64_t id(std::string_view word) const;
  /// The number of a word, or nothing.
  std::optional<std::int64_t> find(std::string_view word) const;
  /// Whether there is such a word; roles are none.
  bool contains(std::string_view word) const { return find(word).has_value(); }
  /// id() of each word.
  std::vector<std::int64_t> ids(const std::vector<std::string>& words) const;
  /// The word with a number; "<unknown>", "<padding>", "<separator>" for entries with a role. Throws Error(index).
  const std::string& word(std::int64_t id) const;
  /// word() of each number.
  std::vector<std::string> words(std::span<const std::int64_t> ids) const;

  /// Stands for words that are not here.
  std::optional<std::int64_t> unknown_id() const { return find_role("unknown"); }
  std::optional<std::int64_t> padding_id() const { return find_role("padding"); }  ///< fills up
  std::optional<std::int64_t> begin_id() const { return find_role("begin"); }      ///< stands before a sequence
  std::optional<std::int64_t> end_id() const { return find_role("end"); }          ///< stands behind a sequence
  std::optional<std::int64_t> mask_id() const { return find_role("mask"); }        ///< stands for what is to be guessed
  /// The number of the entry with a role, "padding", "unknown", "begin", "end", "mask" or a name of one's own, or
  /// nothing.
  std::optional<std::int64_t> find_role(std::string_view role) const;
  /// The same; throws Error(argument), which lists the roles, where there is none.
  std::int64_t role_id(std::string_view role) const;
  /// How many entries have a role. They are the first.
  std::int64_t role_count() const { return static_cast<std::int64_t>(roles_.size()); }
  /// Whether the entry with that number is no word but has a role.
  bool is_role(std::int64_t id) const { return id >= 0 && id < role_count(); }

  /// One entry a line in the order of ids; in words, `\\ \t \n \r` stand for these characters. The entries with a role
  /// are the lines "\padding", "\unknown", "\begin", "\end", "\mask" and "\special name".
  std::string text() const;
  /// The vocabulary that text() wrote. Throws Error(io) "name:line: …" for an empty or repeated entry, a bad escape,
  /// invalid UTF-8, a role after words or out of its order, a missing last line end.
  static Vocabulary parse(std::string_view text, std::string_view name);

  /// Writes text() to a file, all of it or nothing.
  void save(const std::string& path) const;
  /// Reads what save() wrote. Throws Error(io), as parse() with the path as name.
  static Vocabulary load(const std::string& path);

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.words_ == b.words_ && a.roles_ == b.roles_;
  }

 private:
  void add_roles(const VocabularyOptions& options);
  void add_role(std::string_view role);
  void add_words(const std::vector<std::string>& words);

  std::vector<std::string> words_;
  StringMap<std::int64_t> ids_;
  std::vector<std::string> roles_;  // of the first entries
};

}  // namespace data
}  // namespace saw
