#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Splits of anything that can be numbered, as lists of numbers: functions of seed and arguments alone, the same on
// every platform. All lists are ascending; who wants another order shuffles.

/// How split() divides.
struct SplitOptions {
  std::vector<double> fractions = {0.8, 0.1, 0.1};  ///< of each part; positive, together 1
  std::uint64_t seed = 0;                           ///< of the choice
  /// One for each example, or empty. The parts then have each label in the proportion of the whole, as near as whole
  /// examples allow (less than one off), and the first part has at least one of each.
  std::span<const std::int64_t> labels = {};
  /// One for each example, or empty. All examples of a group then come into the same part: one recording session, one
  /// author, one patient. The parts' sizes are as near the fractions as whole groups allow; with labels, so are those
  /// of each label.
  std::span<const std::int64_t> groups = {};
};

/// The numbers 0 … count − 1 in parts. Without labels and groups the sizes are count · fraction, less than one off.
///
///   const auto parts = data::split(table.size(), {.fractions = {0.9, 0.1}, .seed = 1, .labels = labels});
///   // parts[0] to train on, parts[1] to test on
///
/// Throws Error(argument) for a negative count, fractions that are not positive or do not add up to 1 (within 1e-6),
/// and for labels or groups that are not one for each example.
std::vector<std::vector<std::int64_t>> split(std::int64_t count, const SplitOptions& options = {});

/// How k_folds() divides.
struct FoldOptions {
  std::int64_t folds = 5;                     ///< k, at least 2
  std::uint64_t seed = 0;                     ///< of the choice
  std::span<const std::int64_t> labels = {};  ///< as in SplitOptions
  std::span<const std::int64_t> groups = {};  ///< likewise
};

/// One of k ways to hold a k-th part out.
struct Fold {
  std::vector<std::int64_t> training;  ///< numbers of examples, ascending
  std::vector<std::int64_t> held_out;  ///< likewise
};

/// k folds for cross-validation: each example is held out in exactly one of them. Throws Error(argument) as split()
/// does, for fewer than 2 folds, and for fewer examples (or groups) than folds.
std::vector<Fold> k_folds(std::int64_t count, const FoldOptions& options = {});

/// How much hold_out() holds out.
struct HoldOutOptions {
  double fraction = 0.1;   ///< of the examples, at least 0 and below 1
  std::uint64_t seed = 0;  ///< of the choice
};

/// Examples in two parts.
struct HeldOut {
  std::vector<std::int64_t> training;  ///< numbers of examples, ascending
  std::vector<std::int64_t> held_out;  ///< likewise
  /// Labels with a single example (or group): it is trained on, so nothing tells how well they are known.
  std::vector<std::int64_t> single_labels;
};

/// Holds out a random part of the examples, the fraction of them, rounded, but never a label's last one. `labels` are
/// those of the `numbers`, one for each. With groups, one for each as well, whole groups are held out until it is at
/// least the fraction; never a label's last group. Throws Error(argument) for a fraction out of range and for lists of
/// different lengths.
HeldOut hold_out(std::span<const std::int64_t> numbers, std::span<const std::int64_t> labels,
                 std::span<const std::int64_t> groups, const HoldOutOptions& options = {});

/// A number for each text, the same for the same text: labels and groups for the functions above. Numbers count up in
/// the order of the sorted texts.
std::vector<std::int64_t> numbers_of(std::span<const std::string> texts);

}  // namespace data
}  // namespace saw
