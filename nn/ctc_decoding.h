#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

// What frames that were trained with ctc_loss say. log_probs (N, symbols) of float32 or float64 are the packed rows of
// all segments, as for ctc_loss: log_softmax(logits, 1). Nothing here has a gradient. Wrong shapes throw Error(shape),
// a blank or a target that is no symbol Error(index). ctc_beam_search.h has the search over labellings.

/// A sequence of symbols that a segment may say.
struct CtcHypothesis {
  std::vector<std::int64_t> symbols;  ///< without blanks
  double score = 0.0;                 ///< what hypotheses are ranked by
  double log_probability = 0.0;       ///< of the symbols (greedy: of the one path)
};

/// The likeliest symbol of each frame, repetitions drawn together and blanks left out: one hypothesis per segment. Of
/// equal symbols the first wins.
std::vector<CtcHypothesis> ctc_greedy(const Tensor& log_probs, const Segments& frames, std::int64_t blank = 0);

/// Where the symbols of a target lie.
struct CtcAlignment {
  Tensor symbols;    ///< (N) int64: what each frame says, the blank included
  Tensor positions;  ///< (N) int64: which symbol of its segment's target that is, −1 for the blank
  Tensor scores;     ///< (B) float64: log-probability of this path; −∞ where the target is impossible
};
/// Forced alignment: the likeliest path of each segment that says its target (Viterbi). Where no path says it, all
/// frames are blank.
CtcAlignment ctc_align(const Tensor& log_probs, const Segments& frames, const Tensor& targets,
                       const Segments& target_segments, std::int64_t blank = 0);

/// The fewest frames that can say the target: its length, and one for each symbol that is repeated at once. Utterances
/// with fewer have an infinite loss.
std::int64_t ctc_frames_needed(std::span<const std::int64_t> target);

}  // namespace nn
}  // namespace saw
