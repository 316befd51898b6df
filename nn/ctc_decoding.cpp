#include "saw/nn/ctc_decoding.h"

#include <algorithm>
#include <limits>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/creation.h"
#include "saw/nn/internal/ctc_rows.h"

namespace saw::nn {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The states of a target: blank, first symbol, blank, …; and the symbol of each.
struct States {
  std::span<const std::int64_t> target;
  std::int64_t blank;

  std::int64_t count() const { return 2 * std::ssize(target) + 1; }
  std::int64_t symbol(std::int64_t s) const { return s % 2 == 0 ? blank : target[static_cast<std::size_t>(s / 2)]; }
  bool may_skip_to(std::int64_t s) const { return s % 2 == 1 && s > 1 && symbol(s) != symbol(s - 2); }
};

/// The likeliest path through the states, one state per frame, and its log-probability; all 0 where there is none.
double best_path(const double* log_probs, std::int64_t frames, std::int64_t symbols, const States& states,
                 std::int64_t* path) {
  const std::int64_t count = states.count();
  std::fill_n(path, frames, std::int64_t{0});
  if (frames == 0) return states.target.empty() ? 0.0 : -infinity;
  std::vector<double> before(static_cast<std::size_t>(count), -infinity), now(before);
  std::vector<unsigned char> steps(static_cast<std::size_t>(frames * count), 0);  // by how many states it came
  before[0] = log_probs[states.blank];
  if (count > 1) before[1] = log_probs[states.symbol(1)];
  for (std::int64_t t = 1; t < frames; ++t) {
    for (std::int64_t s = 0; s < count; ++s) {
      const auto at = static_cast<std::size_t>(s);
      double best = before[at];
      unsigned char step = 0;
      if (s > 0 && before[at - 1] > best) {
        best = before[at - 1];
        step = 1;
      }
      if (states.may_skip_to(s) && before[at - 2] > best) {
        best = before[at - 2];
        step = 2;
      }
      now[at] = best + log_probs[t * symbols + states.symbol(s)];
      steps[static_cast<std::size_t>(t * count + s)] = step;
    }
    std::swap(before, now);
  }
  std::int64_t state = count - 1;
  if (count > 1 && before[static_cast<std::size_t>(count - 2)] > before[static_cast<std::size_t>(count - 1)])
    state = count - 2;
  const double score = before[static_cast<std::size_t>(state)];
  if (!(score > -infinity)) return score;
  for (std::int64_t t = frames - 1; t >= 0; --t) {
    path[t] = state;
    state -= steps[static_cast<std::size_t>(t * count + state)];
  }
  return score;
}

}  // namespace

std::vector<CtcHypothesis> ctc_greedy(const Tensor& log_probs, const Segments& frames, std::int64_t blank) {
  const Tensor rows = checked_ctc_rows("ctc_greedy", log_probs, frames, blank);
  const std::int64_t symbols = rows.size(1);
  const double* values = rows.data<double>();
  std::vector<CtcHypothesis> results(static_cast<std::size_t>(frames.count()));
  for (std::int64_t b = 0; b < frames.count(); ++b) {
    CtcHypothesis& result = results[static_cast<std::size_t>(b)];
    std::int64_t last = blank;
    for (std::int64_t t = frames.begin(b); t < frames.end(b); ++t) {
      const double* row = values + t * symbols;
      const std::int64_t best = std::max_element(row, row + symbols) - row;
      result.log_probability += row[best];
      if (best != blank && best != last) result.symbols.push_back(best);
      last = best;
    }
    result.score = result.log_probability;
  }
  return results;
}

CtcAlignment ctc_align(const Tensor& log_probs, const Segments& frames, const Tensor& targets,
                       const Segments& target_segments, std::int64_t blank) {
  const Tensor rows = checked_ctc_rows("ctc_align", log_probs, frames, blank);
  if (targets.dtype() != int64)
    fail(ErrorKind::dtype, "ctc_align: targets are numbers of symbols; got {}; expected int64", targets.dtype());
  if (targets.rank() != 1 || targets.size(0) != target_segments.rows())
    fail(ErrorKind::shape, "ctc_align: targets do not match their segments; got shape {} for {}; expected ({},)",
         targets.shape(), target_segments, target_segments.rows());
  if (target_segments.count() != frames.count())
    fail(ErrorKind::shape, "ctc_align: needs one target per segment of frames; got {} targets for {} segments",
         target_segments.count(), frames.count());
  const std::int64_t symbols = rows.size(1);
  const Tensor row_major = targets.contiguous();
  const std::int64_t* numbers = row_major.data<std::int64_t>();
  for (std::int64_t b = 0; b < target_segments.count(); ++b)
    for (std::int64_t i = target_segments.begin(b); i < target_segments.end(b); ++i)
      if (numbers[i] == blank || numbers[i] < 0 || numbers[i] >= symbols)
        fail(ErrorKind::index,
             "ctc_align: not a symbol to align; got {} as symbol {} of target {}; expected 0 … {}, not {}", numbers[i],
             i - target_segments.begin(b), b, symbols - 1, blank);

  const CtcAlignment result{Tensor::empty({frames.rows()}, int64), Tensor::empty({frames.rows()}, int64),
                            Tensor::empty({frames.count()}, float64)};
  std::int64_t *said = result.symbols.mutable_data<std::int64_t>(),
               *positions = result.positions.mutable_data<std::int64_t>();
  double* scores = result.scores.mutable_data<double>();
  const double* values = rows.data<double>();
  parallel_for(0, frames.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const States states{std::span(numbers + target_segments.begin(b), numbers + target_segments.end(b)), blank};
      const std::int64_t first = frames.begin(b);
      scores[b] = best_path(values + first * symbols, frames.length(b), symbols, states, positions + first);
      for (std::int64_t t = first; t < frames.end(b); ++t) {
        const std::int64_t state = positions[t];
        said[t] = states.symbol(state);
        positions[t] = state % 2 == 0 ? -1 : state / 2;
      }
    }
  });
  return result;
}

std::int64_t ctc_frames_needed(std::span<const std::int64_t> target) {
  std::int64_t needed = std::ssize(target);
  for (std::size_t i = 1; i < target.size(); ++i) needed += target[i] == target[i - 1] ? 1 : 0;
  return needed;
}

}  // namespace saw::nn
