#include "saw/train/metrics/edit_distance.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/train/metrics/internal/words.h"

namespace saw::train {
namespace {

/// What an alignment costs: all edits first, substitutions among equals.
struct Cost {
  std::int64_t edits = 0, substitutions = 0;
  friend bool operator<(const Cost& a, const Cost& b) {
    return a.edits != b.edits ? a.edits < b.edits : a.substitutions < b.substitutions;
  }
};

template <class Unit>
Edits align(std::span<const Unit> hypothesis, std::span<const Unit> reference) {
  Edits edits{.reference = std::ssize(reference)};
  // Common ends are right in some best alignment; texts that differ little take little time.
  while (!hypothesis.empty() && !reference.empty() && hypothesis.front() == reference.front()) {
    hypothesis = hypothesis.subspan(1);
    reference = reference.subspan(1);
  }
  while (!hypothesis.empty() && !reference.empty() && hypothesis.back() == reference.back()) {
    hypothesis = hypothesis.first(hypothesis.size() - 1);
    reference = reference.first(reference.size() - 1);
  }
  std::vector<Cost> row(reference.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = {static_cast<std::int64_t>(j), 0};
  for (std::size_t i = 0; i < hypothesis.size(); ++i) {
    Cost diagonal = row[0];
    ++row[0].edits;
    for (std::size_t j = 0; j < reference.size(); ++j) {
      const std::int64_t differs = hypothesis[i] == reference[j] ? 0 : 1;
      Cost best{diagonal.edits + differs, diagonal.substitutions + differs};
      diagonal = row[j + 1];
      for (const Cost& gap : {row[j], row[j + 1]})
        if (const Cost longer{gap.edits + 1, gap.substitutions}; longer < best) best = longer;
      row[j + 1] = best;
    }
  }
  // Insertions less deletions are what the hypothesis is longer by; with that the two numbers are four.
  const std::int64_t gaps = row.back().edits - row.back().substitutions;
  const std::int64_t longer = std::ssize(hypothesis) - std::ssize(reference);
  edits.substitutions = row.back().substitutions;
  edits.insertions = (gaps + longer) / 2;
  edits.deletions = (gaps - longer) / 2;
  return edits;
}

std::u32string trimmed(std::string_view text) {
  std::u32string points = code_points(text);
  while (!points.empty() && is_space(points.back())) points.pop_back();
  points.erase(points.begin(), std::find_if_not(points.begin(), points.end(), is_space));
  return points;
}

}  // namespace

Edits edit_distance(std::span<const std::int64_t> hypothesis, std::span<const std::int64_t> reference) {
  return align(hypothesis, reference);
}

Edits word_edits(std::string_view hypothesis, std::string_view reference) {
  const std::vector<std::u32string> a = split_words(code_points(hypothesis)), b = split_words(code_points(reference));
  return align(std::span<const std::u32string>(a), std::span<const std::u32string>(b));
}

Edits character_edits(std::string_view hypothesis, std::string_view reference) {
  const std::u32string a = trimmed(hypothesis), b = trimmed(reference);
  return align(std::span<const char32_t>(a), std::span<const char32_t>(b));
}

void EditDistance::add(const Edits& edits) {
  edits_.substitutions += edits.substitutions;
  edits_.deletions += edits.deletions;
  edits_.insertions += edits.insertions;
  edits_.reference += edits.reference;
  ++texts_;
  wrong_ += edits.total() > 0;
}

void EditDistance::update(std::string_view hypothesis, std::string_view reference) {
  add(unit_ == EditUnit::words ? word_edits(hypothesis, reference) : character_edits(hypothesis, reference));
}

void EditDistance::update(std::span<const std::int64_t> hypothesis, std::span<const std::int64_t> reference) {
  add(edit_distance(hypothesis, reference));
}

void EditDistance::merge(const EditDistance& other) {
  if (unit_ != other.unit_) fail(ErrorKind::argument, "EditDistance: words and characters cannot be merged");
  edits_.substitutions += other.edits_.substitutions;
  edits_.deletions += other.edits_.deletions;
  edits_.insertions += other.edits_.insertions;
  edits_.reference += other.edits_.reference;
  texts_ += other.texts_;
  wrong_ += other.wrong_;
}

double EditDistance::value() const {
  if (texts_ == 0) return std::numeric_limits<double>::quiet_NaN();
  if (edits_.total() == 0) return 0.0;
  return static_cast<double>(edits_.total()) / static_cast<double>(edits_.reference);  // infinity over nothing
}

double EditDistance::text_error_rate() const {
  return texts_ > 0 ? static_cast<double>(wrong_) / static_cast<double>(texts_)
                    : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace saw::train
