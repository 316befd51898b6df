#include "saw/train/metrics/scores.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/utf8.h"

namespace saw::train {
namespace {

double ratio(double a, double b) { return b > 0 ? a / b : 0.0; }

bool occurs(const ClassCounts& counts) { return counts.predicted > 0 || counts.targets > 0; }

}  // namespace

Scores scores_of(const ClassCounts& counts) {
  const auto correct = static_cast<double>(counts.correct), predicted = static_cast<double>(counts.predicted),
             targets = static_cast<double>(counts.targets);
  return {ratio(correct, predicted), ratio(correct, targets), ratio(2 * correct, predicted + targets), counts.targets};
}

Scores scores_of(std::span<const ClassCounts> classes, Average average) {
  ClassCounts all;
  for (const ClassCounts& counts : classes) {
    all.correct += counts.correct;
    all.predicted += counts.predicted;
    all.targets += counts.targets;
  }
  if (average == Average::micro) return scores_of(all);
  Scores mean;
  double weights = 0;
  for (const ClassCounts& counts : classes) {
    if (!occurs(counts)) continue;
    const Scores scores = scores_of(counts);
    const double weight = average == Average::macro ? 1.0 : static_cast<double>(counts.targets);
    mean.precision += weight * scores.precision;
    mean.recall += weight * scores.recall;
    mean.f1 += weight * scores.f1;
    weights += weight;
  }
  return {ratio(mean.precision, weights), ratio(mean.recall, weights), ratio(mean.f1, weights), all.targets};
}

std::string scores_table(const std::vector<std::string>& names, std::span<const ClassCounts> classes) {
  if (names.size() != classes.size())
    fail(ErrorKind::argument, "scores_table: got {} names; expected one for each of {} classes", names.size(),
         classes.size());
  std::size_t width = 12;  // of "weighted avg"
  for (const std::string& name : names) width = std::max(width, data::decode_utf8(name).size());
  const auto row = [&](const std::string& name, const Scores& scores) {
    return fmt::format("{}{:{}}  {:9.4f} {:9.4f} {:9.4f} {:9}\n", name, "", width - data::decode_utf8(name).size(),
                       scores.precision, scores.recall, scores.f1, scores.support);
  };
  std::string table =
      fmt::format("{:{}}  {:>9} {:>9} {:>9} {:>9}\n", "", width, "precision", "recall", "F1", "targets");
  for (std::size_t c = 0; c < classes.size(); ++c)
    if (occurs(classes[c])) table += row(names[c], scores_of(classes[c]));
  table += row("micro", scores_of(classes, Average::micro));
  table += row("macro", scores_of(classes, Average::macro));
  return table + row("weighted", scores_of(classes, Average::weighted));
}

}  // namespace saw::train
