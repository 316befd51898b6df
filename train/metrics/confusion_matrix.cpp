#include "saw/train/metrics/confusion_matrix.h"

#include <limits>
#include <numeric>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/train/metrics/internal/labels.h"

namespace saw::train {

ConfusionMatrix::ConfusionMatrix(std::int64_t classes, std::int64_t ignore_index)
    : classes_(classes), ignore_index_(ignore_index) {
  constexpr std::int64_t most_classes = 1 << 15;  // 8 GiB
  if (classes < 1 || classes > most_classes)
    fail(ErrorKind::argument, "ConfusionMatrix: classes; got {}; expected 1 … {}", classes, most_classes);
  counts_.assign(static_cast<std::size_t>(classes * classes), 0);
}

std::size_t ConfusionMatrix::place(std::int64_t target, std::int64_t prediction) const {
  if (target < 0 || target >= classes_ || prediction < 0 || prediction >= classes_)
    fail(ErrorKind::index, "ConfusionMatrix: target {} and prediction {}; expected 0 … {}", target, prediction,
         classes_ - 1);
  return static_cast<std::size_t>(target * classes_ + prediction);
}

void ConfusionMatrix::update(const Tensor& predictions, const Tensor& targets) {
  const Labels labels = labels_of("ConfusionMatrix", predictions, targets, ignore_index_);
  std::vector<std::size_t> places;
  places.reserve(labels.targets.size());
  for (std::size_t i = 0; i < labels.targets.size(); ++i)
    places.push_back(place(labels.targets[i], labels.predictions[i]));
  for (const std::size_t at : places) ++counts_[at];
}

void ConfusionMatrix::update(std::int64_t prediction, std::int64_t target, std::int64_t times) {
  if (times < 0) fail(ErrorKind::argument, "ConfusionMatrix: times; got {}; expected at least 0", times);
  if (target == ignore_index_) return;
  counts_[place(target, prediction)] += times;
}

void ConfusionMatrix::merge(const ConfusionMatrix& other) {
  if (classes_ != other.classes_)
    fail(ErrorKind::argument, "ConfusionMatrix: matrices of {} and {} classes cannot be merged", classes_,
         other.classes_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void ConfusionMatrix::reset() { counts_.assign(counts_.size(), 0); }

std::int64_t ConfusionMatrix::count(std::int64_t target, std::int64_t prediction) const {
  return counts_[place(target, prediction)];
}

std::int64_t ConfusionMatrix::total() const { return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0}); }

Tensor ConfusionMatrix::counts() const { return tensor(counts_, {classes_, classes_}); }

ClassCounts ConfusionMatrix::counts_of(std::int64_t label) const {
  ClassCounts counts{.correct = count(label, label)};
  for (std::int64_t other = 0; other < classes_; ++other) {
    counts.predicted += count(other, label);
    counts.targets += count(label, other);
  }
  return counts;
}

std::vector<ClassCounts> ConfusionMatrix::all_counts() const {
  std::vector<ClassCounts> all;
  all.reserve(static_cast<std::size_t>(classes_));
  for (std::int64_t label = 0; label < classes_; ++label) all.push_back(counts_of(label));
  return all;
}

double ConfusionMatrix::accuracy() const {
  std::int64_t correct = 0;
  for (std::int64_t label = 0; label < classes_; ++label) correct += count(label, label);
  const std::int64_t all = total();
  return all > 0 ? static_cast<double>(correct) / static_cast<double>(all) : std::numeric_limits<double>::quiet_NaN();
}

double ConfusionMatrix::balanced_accuracy() const {
  double sum = 0, classes = 0;
  for (const ClassCounts& counts : all_counts()) {
    if (counts.targets == 0) continue;
    sum += scores_of(counts).recall;
    ++classes;
  }
  return classes > 0 ? sum / classes : std::numeric_limits<double>::quiet_NaN();
}

Scores ConfusionMatrix::scores(std::int64_t label) const { return scores_of(counts_of(label)); }

Scores ConfusionMatrix::scores(Average average) const { return scores_of(all_counts(), average); }

std::string ConfusionMatrix::report(const std::vector<std::string>& names) const {
  if (!names.empty()) return scores_table(names, all_counts());
  std::vector<std::string> numbers;
  for (std::int64_t label = 0; label < classes_; ++label) numbers.push_back(std::to_string(label));
  return scores_table(numbers, all_counts());
}

}  // namespace saw::train
