#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/train/metrics/scores.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A labelled stretch of a sentence: its words begin … end − 1.
struct Span {
  std::string type;                 ///< "PER"
  std::int64_t begin = 0, end = 0;  ///< its first word, and one past its last
  friend auto operator<=>(const Span&, const Span&) = default;
};

/// The spans of a sentence's labels "B-PER", "I-PER", "O" by the rules of conlleval (Tjong Kim Sang & Buchholz, CoNLL
/// 2000): B begins a span, and so does an I after O or after another type. E- (last word) and S- (single word) are
/// understood as well; "B" without a type has the type "_". Throws Error(argument) for any other label.
std::vector<Span> spans_of(std::span<const std::string> labels);

/// Precision, recall and F1 of whole spans, as conlleval and seqeval (its default mode) count: right is a span whose
/// type and both ends are right.
///
///   SpanF1 spans;
///   spans.update(predicted_labels, labels);      // per sentence
///   spans.scores(Average::micro).f1;             // value() is the same
class SpanF1 {
 public:
  /// The labels of one sentence. Throws Error(argument) for different lengths and labels that are none.
  void update(std::span<const std::string> predictions, std::span<const std::string> targets);
  /// Packed rows: logits (N, C) or predicted ids (N) int64, targets (N) int64; `labels` are the C names. Rows whose
  /// target is `ignore_index` are left out: later pieces of words, for instance.
  void update(const Tensor& predictions, const Tensor& targets, const Segments& sentences,
              const std::vector<std::string>& labels, std::int64_t ignore_index = -100);
  void merge(const SpanF1& other);   ///< adds the counts of another
  void reset() { counts_.clear(); }  ///< begins anew

  /// Micro F1: 0 where there are no spans at all.
  double value() const { return scores(Average::micro).f1; }
  Scores scores(Average average = Average::micro) const;  ///< over all types
  /// Of one type; zeros for one that never occurred.
  Scores scores(const std::string& type) const;
  /// Those that occurred, in the order of their bytes.
  std::vector<std::string> types() const;
  /// scores_table() of it.
  std::string report() const;

 private:
  std::vector<ClassCounts> all_counts() const;

  std::map<std::string, ClassCounts> counts_;
};

}  // namespace train
}  // namespace saw
