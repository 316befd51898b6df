#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/tape/tensor.h"
#include "saw/train/metrics/scores.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// How often which class was taken for which: count(target, prediction), and what follows from it.
///
///   ConfusionMatrix confusion(vocabularies.tags.size());
///   for (…) confusion.update(model.forward(batch), batch.tags);
///   confusion.scores(Average::macro).f1;
class ConfusionMatrix {
 public:
  /// Targets of the value `ignore_index` do not count. Throws Error(argument) for less than one class and for
  /// more than 32,768.
  explicit ConfusionMatrix(std::int64_t classes, std::int64_t ignore_index = -100);

  /// Logits (…, classes), of which the first largest is the prediction, or predicted ids (…) int64; targets (…) int64.
  /// Throws Error(shape), Error(dtype), and Error(index) for ids out of range; nothing is counted then.
  void update(const Tensor& predictions, const Tensor& targets);
  /// One more (or `times` more) of a pair.
  void update(std::int64_t prediction, std::int64_t target, std::int64_t times = 1);
  /// Throws Error(argument) for another number of classes.
  void merge(const ConfusionMatrix& other);
  void reset();  ///< begins anew

  std::int64_t classes() const { return classes_; }  ///< how many
  /// How often `target` was taken for `prediction`. Throws Error(index).
  std::int64_t count(std::int64_t target, std::int64_t prediction) const;
  /// Everything counted.
  std::int64_t total() const;
  /// (classes, classes) int64: targets in rows, predictions in columns.
  Tensor counts() const;

  /// The part on the diagonal; NaN where nothing has been counted.
  double accuracy() const;
  /// The same as accuracy(), so that a matrix can stand where a metric does.
  double value() const { return accuracy(); }
  /// The mean recall over the classes that have targets; NaN where nothing has been counted.
  double balanced_accuracy() const;
  /// Of one class against all others. Throws Error(index).
  Scores scores(std::int64_t label) const;
  /// Over all classes. (With one label a row, micro precision, recall and F1 are all the accuracy.)
  Scores scores(Average average) const;
  /// scores_table() of it; without names the classes are numbered.
  std::string report(const std::vector<std::string>& names = {}) const;

 private:
  std::size_t place(std::int64_t target, std::int64_t prediction) const;
  ClassCounts counts_of(std::int64_t label) const;
  std::vector<ClassCounts> all_counts() const;

  std::int64_t classes_, ignore_index_;
  std::vector<std::int64_t> counts_;
};

}  // namespace train
}  // namespace saw
