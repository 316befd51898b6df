#include "saw/data/splits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/data/internal/shuffle.h"

namespace saw {
namespace data {
namespace {

using Numbers = std::vector<std::int64_t>;

// Streams of random numbers that nothing else draws from which is given the same seed.
constexpr std::uint64_t split_stream = std::uint64_t{5} << 61;

void check_lengths(const char* op, std::int64_t count, std::span<const std::int64_t> labels,
                   std::span<const std::int64_t> groups) {
  if (count < 0) fail(ErrorKind::argument, "{}: number of examples; got {}; expected at least 0", op, count);
  if (!labels.empty() && std::ssize(labels) != count)
    fail(ErrorKind::argument, "{}: labels; got {}; expected one for each of {} examples", op, labels.size(), count);
  if (!groups.empty() && std::ssize(groups) != count)
    fail(ErrorKind::argument, "{}: groups; got {}; expected one for each of {} examples", op, groups.size(), count);
}

/// What stays whole: one example, or all of a group, by places in the list of examples. In the order of the groups.
std::vector<Numbers> units_of(std::int64_t count, std::span<const std::int64_t> groups) {
  std::vector<Numbers> units;
  if (groups.empty()) {
    units.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) units.push_back({i});
    return units;
  }
  std::map<std::int64_t, Numbers> members;
  for (std::int64_t i = 0; i < count; ++i) members[groups[static_cast<std::size_t>(i)]].push_back(i);
  for (auto& [group, places] : members) units.push_back(std::move(places));
  return units;
}

/// The part that lacks most of what it should have; the first of equal ones.
std::size_t neediest(const std::vector<double>& lacking, const std::vector<bool>& closed) {
  std::size_t best = lacking.size();
  for (std::size_t part = 0; part < lacking.size(); ++part)
    if (!closed[part] && (best == lacking.size() || lacking[part] > lacking[best] + 1e-9)) best = part;
  return best;
}

/// Examples by label: each label's are shuffled, each part gets the whole examples that are due to it, and what is left
/// goes to the parts that lack most so far.
std::vector<Numbers> split_examples(std::int64_t count, const SplitOptions& options, bool first_has_all) {
  std::map<std::int64_t, Numbers> by_label;
  for (std::int64_t i = 0; i < count; ++i)
    by_label[options.labels.empty() ? 0 : options.labels[static_cast<std::size_t>(i)]].push_back(i);
  const std::size_t parts = options.fractions.size();
  std::vector<Numbers> result(parts);
  std::vector<double> lacking(parts, 0.0);
  std::vector<std::int64_t> order;  // of the labels: which of many rare ones get what is left is drawn, too
  for (const auto& [label, members] : by_label) order.push_back(label);
  shuffle(order, RandomStream(options.seed, split_stream));
  std::uint64_t stream = split_stream + 1;
  for (const std::int64_t label : order) {
    Numbers& members = by_label[label];
    shuffle(members, RandomStream(options.seed, stream++));
    std::vector<std::int64_t> sizes(parts);
    std::vector<bool> closed(parts, false);
    std::int64_t left = std::ssize(members);
    for (std::size_t part = 0; part < parts; ++part) {
      const double due = options.fractions[part] * static_cast<double>(members.size());
      sizes[part] = static_cast<std::int64_t>(std::floor(due + 1e-9));
      lacking[part] += due - static_cast<double>(sizes[part]);
      closed[part] = due - static_cast<double>(sizes[part]) < 1e-9;  // one more would be a whole one too many
      left -= sizes[part];
    }
    const auto give = [&](std::size_t part) {
      ++sizes[part];
      lacking[part] -= 1;
      closed[part] = true;
      --left;
    };
    if (first_has_all && sizes[0] == 0 && left > 0) give(0);
    while (left > 0) {
      if (std::find(closed.begin(), closed.end(), false) == closed.end()) closed.assign(parts, false);
      give(neediest(lacking, closed));
    }
    auto next = members.begin();
    for (std::size_t part = 0; part < parts; ++part) {
      result[part].insert(result[part].end(), next, next + sizes[part]);
      next += sizes[part];
    }
  }
  return result;
}

/// Whole groups, larger ones first (a large one that comes last cannot be made up for), equal ones in random order:
/// each goes to the part where it brings the labels nearest to what is due.
std::vector<Numbers> split_groups(std::int64_t count, const SplitOptions& options) {
  std::vector<Numbers> units = units_of(count, options.groups);
  shuffle(units, RandomStream(options.seed, split_stream));
  std::stable_sort(units.begin(), units.end(), [](const Numbers& a, const Numbers& b) { return a.size() > b.size(); });
  const auto label_of = [&](std::int64_t place) {
    return options.labels.empty() ? 0 : options.labels[static_cast<std::size_t>(place)];
  };
  std::map<std::int64_t, double> total;
  for (std::int64_t i = 0; i < count; ++i) ++total[label_of(i)];
  const std::size_t parts = options.fractions.size();
  std::vector<Numbers> result(parts);
  std::vector<std::map<std::int64_t, double>> lacking(parts);
  std::vector<double> lacking_in_all(parts);
  for (std::size_t part = 0; part < parts; ++part) {
    for (const auto& [label, examples] : total) lacking[part][label] = options.fractions[part] * examples;
    lacking_in_all[part] = options.fractions[part] * static_cast<double>(count);
  }
  for (const Numbers& unit : units) {
    std::map<std::int64_t, double> of_label;
    for (const std::int64_t place : unit) ++of_label[label_of(place)];
    const auto size = static_cast<double>(unit.size());
    std::size_t best = 0;
    double best_gain = 0;
    for (std::size_t part = 0; part < parts; ++part) {
      // How much smaller the squares of what is lacking become, each label by its frequency, and of the sizes.
      double gain = size * (2 * lacking_in_all[part] - size) / static_cast<double>(count);
      for (const auto& [label, examples] : of_label)
        gain += examples * (2 * lacking[part].at(label) - examples) / total.at(label);
      if (part == 0 || gain > best_gain + 1e-9) {
        best = part;
        best_gain = gain;
      }
    }
    for (const auto& [label, examples] : of_label) lacking[best][label] -= examples;
    lacking_in_all[best] -= size;
    result[best].insert(result[best].end(), unit.begin(), unit.end());
  }
  return result;
}

std::vector<Numbers> split_into(std::int64_t count, const SplitOptions& options, bool first_has_all) {
  std::vector<Numbers> result =
      options.groups.empty() ? split_examples(count, options, first_has_all) : split_groups(count, options);
  for (Numbers& part : result) std::sort(part.begin(), part.end());
  return result;
}

}  // namespace

std::vector<Numbers> split(std::int64_t count, const SplitOptions& options) {
  check_lengths("split", count, options.labels, options.groups);
  if (options.fractions.empty()) fail(ErrorKind::argument, "split: fractions; got none; expected one for each part");
  double sum = 0;
  for (const double fraction : options.fractions) {
    if (!(fraction > 0 && fraction <= 1))
      fail(ErrorKind::argument, "split: fractions; got {}; expected positive ones that add up to 1", fraction);
    sum += fraction;
  }
  constexpr double rounding = 1e-6;
  if (std::abs(sum - 1) > rounding)
    fail(ErrorKind::argument, "split: fractions that add up to {}; expected 1; got {}", sum,
         fmt::join(options.fractions, ", "));
  return split_into(count, options, !options.labels.empty());
}

std::vector<Fold> k_folds(std::int64_t count, const FoldOptions& options) {
  check_lengths("k_folds", count, options.labels, options.groups);
  if (options.folds < 2) fail(ErrorKind::argument, "k_folds: folds; got {}; expected at least 2", options.folds);
  const std::int64_t units =
      options.groups.empty() ? count : std::ssize(std::set<std::int64_t>(options.groups.begin(), options.groups.end()));
  if (units < options.folds)
    fail(ErrorKind::argument, "k_folds: {}; got {}; expected at least one for each of {} folds",
         options.groups.empty() ? "examples" : "groups", units, options.folds);
  const auto folds = static_cast<std::size_t>(options.folds);
  const std::vector<Numbers> parts =
      split_into(count,
                 {.fractions = std::vector<double>(folds, 1.0 / static_cast<double>(folds)),
                  .seed = options.seed,
                  .labels = options.labels,
                  .groups = options.groups},
                 false);
  std::vector<Fold> result(folds);
  for (std::size_t i = 0; i < folds; ++i) {
    result[i].held_out = parts[i];
    for (std::size_t j = 0; j < folds; ++j)
      if (j != i) result[i].training.insert(result[i].training.end(), parts[j].begin(), parts[j].end());
    std::sort(result[i].training.begin(), result[i].training.end());
  }
  return result;
}

HeldOut hold_out(std::span<const std::int64_t> numbers, std::span<const std::int64_t> labels,
                 std::span<const std::int64_t> groups, const HoldOutOptions& options) {
  if (!(options.fraction >= 0 && options.fraction < 1))
    fail(ErrorKind::argument, "hold_out: fraction; got {}; expected at least 0 and below 1", options.fraction);
  check_lengths("hold_out", std::ssize(numbers), labels, groups);
  std::vector<Numbers> units = units_of(std::ssize(numbers), groups);
  const auto labels_of = [&](const Numbers& unit) {
    std::set<std::int64_t> result;
    if (!labels.empty())
      for (const std::int64_t place : unit) result.insert(labels[static_cast<std::size_t>(place)]);
    return result;
  };
  std::map<std::int64_t, std::int64_t> trained_units;  // of each label
  for (const Numbers& unit : units)
    for (const std::int64_t label : labels_of(unit)) ++trained_units[label];
  HeldOut result;
  for (const auto& [label, count] : trained_units)
    if (count == 1) result.single_labels.push_back(label);

  const auto wanted = std::lround(options.fraction * static_cast<double>(numbers.size()));
  shuffle(units, RandomStream(options.seed, 0));
  for (const Numbers& unit : units) {
    const std::set<std::int64_t> of_unit = labels_of(unit);
    const bool spared =
        std::ssize(result.held_out) >= wanted ||
        std::any_of(of_unit.begin(), of_unit.end(), [&](std::int64_t label) { return trained_units[label] == 1; });
    Numbers& part = spared ? result.training : result.held_out;
    for (const std::int64_t place : unit) part.push_back(numbers[static_cast<std::size_t>(place)]);
    if (!spared)
      for (const std::int64_t label : of_unit) --trained_units[label];
  }
  std::sort(result.training.begin(), result.training.end());
  std::sort(result.held_out.begin(), result.held_out.end());
  return result;
}

std::vector<std::int64_t> numbers_of(std::span<const std::string> texts) {
  std::map<std::string_view, std::int64_t> numbers;
  for (const std::string& text : texts) numbers.emplace(text, 0);
  std::int64_t next = 0;
  for (auto& [text, number] : numbers) number = next++;
  Numbers result;
  result.reserve(texts.size());
  for (const std::string& text : texts) result.push_back(numbers.at(text));
  return result;
}

}  // namespace data
}  // namespace saw
