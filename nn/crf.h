#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/crf.h"
#include "saw/autograd/ops/loss.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// What labellings must not do: scores of 0 and −∞ that are added to those of a CRF. Undefined tensors forbid nothing.
struct CrfConstraints {
  Tensor transitions = {};  ///< (labels, labels), from the row's label to the column's
  Tensor begin = {};        ///< (labels)
  Tensor end = {};          ///< (labels)
};

/// The constraints of labels that are called "O", "B-PER", "I-PER", … (IOB2): I-X follows B-X or I-X alone, and begins
/// nothing. Labels with the letters E or L (the last word of an entity) and S or U (its only word) make it BIOES or
/// BILOU: then what was begun must also be ended. Letters alone ("B", "I") are entities without a type. Throws
/// Error(argument) for a name of another form.
///
///   nn::ConditionalRandomField crf(tags.size(), {.constraints = nn::bio_constraints(tags)});
CrfConstraints bio_constraints(const std::vector<std::string>& labels);

/// For ConditionalRandomField.
struct ConditionalRandomFieldOptions {
  CrfConstraints constraints = {};  ///< what labellings must not do; nothing is forbidden
};

/// The labels of one segment, and s(labels) of ops/crf.h.
struct Labelling {
  std::vector<std::int64_t> labels;  ///< one for each row
  double score = 0.0;                ///< −∞ where the constraints forbid it
};

/// How ConditionalRandomField::forward reduces the losses of segments.
struct CrfLossOptions {
  std::int64_t ignore_index = -100;       ///< rows with this label may have any
  Reduction reduction = Reduction::mean;  ///< over the segments
  bool per_row = false;                   ///< the mean is over rows instead of segments (PyTorch-CRF's token_mean)
};

/// A linear-chain conditional random field over the labels of a sequence (Lafferty et al. 2001; on top of a BiLSTM,
/// Huang et al. 2015). Parameters `start_transitions`, `end_transitions` (labels) and `transitions` (labels, labels),
/// from the row's label to the column's, uniform in ±0.1 at first; names, shapes and losses are those of pytorch-crf.
/// The formulas are in ops/crf.h.
///
///   nn::ConditionalRandomField& crf = child<nn::ConditionalRandomField>("crf", 17);
///   Tensor loss = crf.forward(scores, batch.tags, batch.sentences);         // scores (N, 17)
///   Tensor tags = crf.decode(scores, batch.sentences).labels;            // (N)
class ConditionalRandomField : public Module {
 public:
  using Options = ConditionalRandomFieldOptions;

  /// Throws Error(argument) for fewer labels than 1, Error(shape) for constraints of other sizes.
  explicit ConditionalRandomField(std::int64_t labels, const ConditionalRandomFieldOptions& options = {});

  /// −log p(labels) of each segment, for emissions (N, labels) and labels (N) int64, reduced: the mean over segments (0
  /// of none), their sum, or one each. A labelling against the constraints has the loss +∞ and no gradient. Throws
  /// Error(index) for a label outside 0 … labels − 1 that is not ignore_index.
  Tensor forward(const Tensor& emissions, const Tensor& labels, const Segments& segments,
                 const CrfLossOptions& options = {}) const;
  /// The best labels (N) and their scores (B). No gradient.
  BestLabels decode(const Tensor& emissions, const Segments& segments) const;
  /// The `count` best labellings of each segment, the best first; fewer where fewer are possible. Their scores are
  /// summed in double. Throws Error(argument) for a count below 1.
  std::vector<std::vector<Labelling>> decode_n_best(const Tensor& emissions, const Segments& segments,
                                                    std::int64_t count) const;
  /// The probability of each label in each row: (N, labels). No gradient.
  Tensor marginals(const Tensor& emissions, const Segments& segments) const;

  const Tensor& start_transitions;  ///< (labels), added for the first row's label
  const Tensor& end_transitions;    ///< (labels), added for the last row's
  const Tensor& transitions;        ///< (labels, labels), from the row's label to the column's

 private:
  struct Scores {
    Tensor transitions, begin, end;
  };
  /// The parameters with what is forbidden.
  Scores scores() const;

  CrfConstraints constraints_;  // no buffers: they follow from the labels, and model files hold no infinities
};

}  // namespace nn
}  // namespace saw
