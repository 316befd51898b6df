#include "saw/autograd/ops/ctc.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/ctc.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- the reference ----

constexpr double impossible = -1e30;  // stands for −∞, whose differences would be NaN

/// The loss of one segment by the recursion over its frames; log_probs (frames, symbols).
Tensor segment_loss(const Tensor& log_probs, std::span<const std::int64_t> target, std::int64_t blank) {
  const DType dtype = log_probs.dtype();
  const std::int64_t frames = log_probs.size(0), states = 2 * std::ssize(target) + 1;
  if (frames == 0) return full({}, target.empty() ? 0.0 : -impossible, dtype);
  std::vector<std::int64_t> symbols;
  std::vector<double> skip, start;  // what it costs to leave out the blank before a state, and to begin there
  for (std::int64_t s = 0; s < states; ++s) {
    const auto u = static_cast<std::size_t>(s / 2);
    symbols.push_back(s % 2 == 0 ? blank : target[u]);
    skip.push_back(s % 2 == 1 && u > 0 && target[u] != target[u - 1] ? 0.0 : impossible);
    start.push_back(s < 2 ? 0.0 : impossible);
  }
  const Tensor emissions = index_select(log_probs, 1, tensor(symbols));  // (frames, states)
  const Tensor skips = tensor(skip, dtype);
  const Tensor outside = full({2}, impossible, dtype);
  Tensor ahead = tensor(start, dtype) + select(emissions, 0, 0);
  for (std::int64_t t = 1; t < frames; ++t) {
    const Tensor padded = cat({outside, ahead}, 0);
    ahead =
        logsumexp(
            stack({padded.slice(0, 0, states) + skips, padded.slice(0, 1, states + 1), padded.slice(0, 2, states + 2)}),
            {0}) +
        select(emissions, 0, t);
  }
  return -logsumexp(ahead.slice(0, std::max<std::int64_t>(states - 2, 0), states), {0});
}

Tensor ctc_reference(const Tensor& log_probs, const Segments& frames, const Tensor& targets,
                     const Segments& target_segments, std::int64_t blank) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor finite = masked_fill(log_probs, equal(log_probs, -infinity), impossible);
  const std::int64_t* symbols = targets.data<std::int64_t>();
  TensorList losses;
  for (std::int64_t b = 0; b < frames.count(); ++b)
    losses.push_back(segment_loss(finite.slice(0, frames.begin(b), frames.end(b)),
                                  std::span(symbols + target_segments.begin(b), symbols + target_segments.end(b)),
                                  blank));
  if (losses.empty()) return zeros({0}, log_probs.dtype());
  const Tensor all = stack(losses);
  return masked_fill(all, greater(all, -0.1 * impossible), infinity);
}

// ---- checks ----

void check_ctc(const Tensor& log_probs, const Segments& frames, const Tensor& targets, const Segments& target_segments,
               const CtcOptions& options) {
  if (log_probs.rank() != 2)
    fail(ErrorKind::shape, "ctc_loss: log_probs have the wrong rank; got {}; expected (N, symbols)", log_probs.shape());
  if (!is_floating(log_probs.dtype()))
    fail(ErrorKind::dtype, "ctc_loss: log_probs are no floating point numbers; got {}; expected float32 or float64",
         log_probs.dtype());
  check_rows("ctc_loss", log_probs, frames);
  if (targets.dtype() != int64)
    fail(ErrorKind::dtype, "ctc_loss: targets are numbers of symbols; got {}; expected int64", targets.dtype());
  if (targets.rank() != 1 || targets.size(0) != target_segments.rows())
    fail(ErrorKind::shape, "ctc_loss: targets do not match their segments; got shape {} for {}; expected ({},)",
         targets.shape(), target_segments, target_segments.rows());
  if (target_segments.count() != frames.count())
    fail(ErrorKind::shape, "ctc_loss: needs one target per segment of frames; got {} targets for {} segments",
         target_segments.count(), frames.count());
  const std::int64_t symbols = log_probs.size(1);
  if (options.blank < 0 || options.blank >= symbols)
    fail(ErrorKind::index, "ctc_loss: the blank is no symbol; got {}; expected 0 … {}", options.blank, symbols - 1);
}

void check_symbols(const Tensor& targets, const Segments& target_segments, std::int64_t symbols, std::int64_t blank) {
  const std::int64_t* values = targets.data<std::int64_t>();
  for (std::int64_t b = 0; b < target_segments.count(); ++b)
    for (std::int64_t i = target_segments.begin(b); i < target_segments.end(b); ++i) {
      if (values[i] == blank)
        fail(ErrorKind::index, "ctc_loss: a target has the blank; got {} as symbol {} of target {}", blank,
             i - target_segments.begin(b), b);
      if (values[i] < 0 || values[i] >= symbols)
        fail(ErrorKind::index, "ctc_loss: target out of range; got {} as symbol {} of target {}; expected 0 … {}",
             values[i], i - target_segments.begin(b), b, symbols - 1);
    }
}

// ---- the kernels ----

/// What both kernels read; keeps it alive.
struct Problem {
  Tensor log_probs, targets;
  Segments frames, target_segments;
  std::int64_t blank;

  template <class T>
  kernels::Ctc<T> of() const {
    return {log_probs.data<T>(),
            frames.offsets().data(),
            targets.data<std::int64_t>(),
            target_segments.offsets().data(),
            frames.count(),
            log_probs.size(1),
            blank};
  }
};

const OpInfo ctc_loss_info{"ctc_loss", "−log p(target), summed over all its alignments with the frames", true};

/// The losses of the segments (B).
Tensor ctc_losses(const Tensor& log_probs, const Problem& problem) {
  const std::int64_t count = problem.frames.count();
  const Tensor losses = Tensor::empty({count}, log_probs.dtype()), ends = Tensor::empty({count}, log_probs.dtype());
  Tensor moves;
  std::vector<std::int64_t> places(static_cast<std::size_t>(count), 0);
  dispatch_floating("ctc_loss", log_probs.dtype(), [&]<class T>() {
    const kernels::Ctc<T> ctc = problem.of<T>();
    kernels::CtcMoves<T> kept;
    if (needs_record({log_probs})) {
      std::int64_t size = 0;
      for (std::int64_t b = 0; b < count; ++b) {
        places[static_cast<std::size_t>(b)] = size;
        size += ctc.move_count(b);
      }
      moves = Tensor::empty({size}, log_probs.dtype());
      kept = {moves.mutable_data<T>(), places.data()};
    }
    kernels::ctc_forward(ctc, kept, losses.mutable_data<T>(), ends.mutable_data<T>());
  });
  return record(ctc_loss_info, {log_probs}, losses, [&] {
    enum Saved : std::size_t { saved_losses, saved_ends, saved_moves };
    const auto kernel = [problem, places](const BackwardContext& context) {
      const Tensor results = context.saved(saved_losses), last = context.saved(saved_ends),
                   kept = context.saved(saved_moves), dlosses = context.grad_output().contiguous();
      const Tensor gradient = Tensor::empty(problem.log_probs.shape(), results.dtype());
      dispatch_floating("ctc_loss", results.dtype(), [&]<class T>() {
        // The kernel takes what the forward pass wrote, and only reads it.
        const kernels::CtcMoves<T> steps{const_cast<T*>(kept.data<T>()), places.data()};
        kernels::ctc_backward(problem.of<T>(), steps, results.data<T>(), last.data<T>(), dlosses.data<T>(),
                              gradient.mutable_data<T>());
      });
      return TensorList{gradient};
    };
    const auto reference = [problem](const TensorList& in) {
      return TensorList{ctc_reference(in[0], problem.frames, problem.targets, problem.target_segments, problem.blank)};
    };
    return Gradient::with_reference({losses, ends, moves}, kernel, reference);
  });
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Segments& frames, const Tensor& targets, const Segments& target_segments,
                const CtcOptions& options) {
  check_ctc(log_probs, frames, targets, target_segments, options);
  const Problem problem{contiguous(log_probs.detach()), targets.detach().clone(), frames, target_segments,
                        options.blank};
  check_symbols(problem.targets, target_segments, log_probs.size(1), options.blank);
  Tensor losses = ctc_losses(log_probs, problem);
  if (options.zero_infinity) losses = masked_fill(losses, equal(losses, std::numeric_limits<double>::infinity()), 0.0);
  if (options.reduction == Reduction::none) return losses;
  if (options.reduction == Reduction::sum || frames.count() == 0) return sum(losses);
  std::vector<double> shares;  // of each loss in the mean
  for (const std::int64_t length : target_segments.lengths())
    shares.push_back(1.0 / static_cast<double>(frames.count() * std::max<std::int64_t>(length, 1)));
  return sum(losses * tensor(shares, log_probs.dtype()));
}

OpList ctc_ops() { return {&ctc_loss_info}; }

}  // namespace saw
