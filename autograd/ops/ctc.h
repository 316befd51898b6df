#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// For ctc_loss().
struct CtcOptions {
  std::int64_t blank = 0;  ///< the symbol that stands for none
  Reduction reduction =
      Reduction::mean;         ///< mean: each loss divided by its target's length (at least 1), then averaged
  bool zero_infinity = false;  ///< losses of impossible targets are 0 instead of +∞
};
/// Connectionist temporal classification (Graves et al. 2006): −log of the probability that the frames of a segment say
/// its target, summed over all ways to spread the target over them. A way names a symbol or the blank for every frame;
/// it says what is left when repetitions are drawn together and blanks left out.
///
/// log_probs (N, symbols) are logarithms of probabilities, frame by frame: log_softmax(logits, 1). targets (M) int64
/// are the symbols of all targets, one after the other; target_segments says where each begins and has as many segments
/// as `frames` (Error(shape)). A target that is the blank or no symbol throws Error(index). Targets may be empty. A
/// target that needs more frames than there are (its length, and one for each repetition) has the loss +∞, or 0 if
/// zero_infinity, and in both cases no gradient. Otherwise the numbers are those of PyTorch's ctc_loss; the mean of no
/// segments is 0.
///
/// The gradient with respect to log_probs is minus how often each symbol is expected in each frame. (PyTorch gives
/// exp(log_probs) minus that, which is the same behind log_softmax.) One kernel forward, one backward; logarithms are
/// relative to their frame, so long segments lose nothing.
///
///   Tensor loss = ctc_loss(log_softmax(logits, 1), frames, letters, letters_of_utterance);
Tensor ctc_loss(const Tensor& log_probs, const Segments& frames, const Tensor& targets, const Segments& target_segments,
                const CtcOptions& options = {});

}  // namespace saw
