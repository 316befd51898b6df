#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// The fewest changes that make a reference out of a hypothesis (Levenshtein 1966), by kind. Of the alignments with
/// equally few changes the one with the fewest substitutions counts, which leaves the most units right; so the counts,
/// too, are a function of the two texts alone.
struct Edits {
  std::int64_t substitutions = 0;  ///< units that stand for another one
  std::int64_t deletions = 0;      ///< units of the reference that the hypothesis lacks
  std::int64_t insertions = 0;     ///< units that the hypothesis has in excess
  std::int64_t reference = 0;      ///< units of the reference
  std::int64_t total() const { return substitutions + deletions + insertions; }  ///< all changes
};

/// Of sequences of ids; time |hypothesis| · |reference|, memory |reference|.
Edits edit_distance(std::span<const std::int64_t> hypothesis, std::span<const std::int64_t> reference);
/// Of the words of two texts, which stand between white space of any kind.
Edits word_edits(std::string_view hypothesis, std::string_view reference);
/// Of the characters (Unicode code points) of two texts; white space at either end does not count, that between words
/// does.
Edits character_edits(std::string_view hypothesis, std::string_view reference);

/// What is counted.
enum class EditUnit {
  words,       ///< what white space separates
  characters,  ///< see character_edits()
};

/// Error rates over many texts: all edits divided by all units of the references. Can exceed 1.
///
///   EditDistance words(EditUnit::words);        // word error rate
///   EditDistance characters(EditUnit::characters);
///   words.update("the cat sat", "the cat sat down");
class EditDistance {
 public:
  /// What the two texts of update() are cut into.
  explicit EditDistance(EditUnit unit) : unit_(unit) {}

  /// Two texts, cut into units; no text is refused.
  void update(std::string_view hypothesis, std::string_view reference);
  /// Sequences of ids, whatever the unit is called.
  void update(std::span<const std::int64_t> hypothesis, std::span<const std::int64_t> reference);
  /// Throws Error(argument) for another unit.
  void merge(const EditDistance& other);
  void reset() { *this = EditDistance(unit_); }  ///< begins anew

  /// The error rate. Where the references have no unit: 0 when there are no edits either, else infinity; NaN before the
  /// first update.
  double value() const;
  /// The part of all texts that are not right as a whole; NaN before the first update.
  double text_error_rate() const;
  const Edits& edits() const { return edits_; }  ///< of all texts together
  std::int64_t count() const { return texts_; }  ///< texts

 private:
  void add(const Edits& edits);

  EditUnit unit_;
  Edits edits_;
  std::int64_t texts_ = 0, wrong_ = 0;
};

}  // namespace train
}  // namespace saw
