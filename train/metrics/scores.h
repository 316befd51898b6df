#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// How figures of single classes become one.
enum class Average {
  micro,     ///< from the counts of all classes together
  macro,     ///< the plain mean over the classes that occur as targets or as predictions
  weighted,  ///< the mean over classes, each with as much weight as it has targets
};

/// What was counted for one class.
struct ClassCounts {
  std::int64_t correct = 0;    ///< rightly predicted (true positives)
  std::int64_t predicted = 0;  ///< predicted at all
  std::int64_t targets = 0;    ///< to be found
};

/// precision = correct / predicted, recall = correct / targets, F1 = 2·correct / (predicted + targets), each 0 where it
/// would be 0/0, as scikit-learn, seqeval and conlleval have it.
struct Scores {
  double precision = 0.0, recall = 0.0, f1 = 0.0;  ///< in [0, 1]
  std::int64_t support = 0;                        ///< the targets
};

Scores scores_of(const ClassCounts& counts);                              ///< of one class
Scores scores_of(std::span<const ClassCounts> classes, Average average);  ///< of all classes together

/// Scores of every class and their averages as a table; `names` as many as classes. Classes that never occur are left
/// out.
///
///            precision    recall        F1   targets
///   NOUN        0.9512    0.9701    0.9606     1,204
///   …
std::string scores_table(const std::vector<std::string>& names, std::span<const ClassCounts> classes);

}  // namespace train
}  // namespace saw
