#include <algorithm>
#include <cmath>
#include <limits>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

constexpr double infinity = std::numeric_limits<double>::infinity();

using Symbols = std::vector<std::int64_t>;

/// What a path of one symbol per frame says: repetitions drawn together, blanks left out.
Symbols said(const Symbols& path, std::int64_t blank) {
  Symbols result;
  for (std::size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) result.push_back(path[t]);
  return result;
}

/// −log Σ over all paths of `frames` frames from `first` on that say the target.
double loss_of_target(const std::vector<double>& log_probs, std::int64_t first, std::int64_t frames,
                      std::int64_t symbols, const Symbols& target, std::int64_t blank) {
  Symbols path(static_cast<std::size_t>(frames), 0);
  std::vector<double> scores;
  while (true) {
    if (said(path, blank) == target) {
      double score = 0;
      for (std::size_t t = 0; t < path.size(); ++t)
        score += log_probs[(static_cast<std::size_t>(first) + t) * static_cast<std::size_t>(symbols) +
                           static_cast<std::size_t>(path[t])];
      scores.push_back(score);
    }
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == symbols) path[t++] = 0;
    if (t == path.size()) break;
  }
  double largest = -infinity, total = 0;
  for (const double score : scores) largest = std::max(largest, score);
  if (largest == -infinity) return infinity;
  for (const double score : scores) total += std::exp(score - largest);
  return -(largest + std::log(total));
}

struct Case {
  const char* name;
  Tensor logits;  // (N, symbols)
  Segments frames;
  std::vector<Symbols> targets;
  CtcOptions options = {};
};

Tensor packed(const std::vector<Symbols>& targets) {
  Symbols all;
  for (const Symbols& target : targets) all.insert(all.end(), target.begin(), target.end());
  return tensor(all);
}

Segments segments_of(const std::vector<Symbols>& targets) {
  Symbols lengths;
  for (const Symbols& target : targets) lengths.push_back(std::ssize(target));
  return Segments::from_lengths(lengths);
}

Tensor reference(const Tensor& log_probs, const Case& c) {
  const std::vector<double> values = doubles_of(log_probs);
  std::vector<double> losses;
  double mean = 0, sum = 0;
  for (std::int64_t b = 0; b < c.frames.count(); ++b) {
    const Symbols& target = c.targets[static_cast<std::size_t>(b)];
    double loss =
        loss_of_target(values, c.frames.begin(b), c.frames.length(b), log_probs.size(1), target, c.options.blank);
    if (loss == infinity && c.options.zero_infinity) loss = 0;
    losses.push_back(loss);
    sum += loss;
    mean += loss / static_cast<double>(std::max<std::int64_t>(std::ssize(target), 1) * c.frames.count());
  }
  if (c.options.reduction == Reduction::none) return from_doubles(losses, {c.frames.count()}, log_probs.dtype());
  return from_doubles({c.options.reduction == Reduction::mean ? mean : sum}, {}, log_probs.dtype());
}

std::vector<Sample> samples_of_ctc_loss(SampleMaker& make) {
  const CtcOptions each{.reduction = Reduction::none};
  const Segments ragged = Segments::from_lengths({4, 1, 0, 5});
  const std::vector<Symbols> targets{{1, 2}, {2}, {}, {1, 1, 2}};
  std::vector<Sample> samples;
  for (const Case& c : std::vector<Case>{
           {"mean", make.normal({10, 3}), ragged, targets, {}},
           {"sum", make.normal({10, 3}), ragged, targets, {.reduction = Reduction::sum}},
           {"none", make.normal({10, 3}), ragged, targets, each},
           {"another blank",
            make.normal({6, 3}),
            Segments::from_lengths({6}),
            {{0, 1, 0}},
            {.blank = 2, .reduction = Reduction::none}},
           {"empty targets", make.normal({5, 3}), Segments::from_lengths({3, 2, 0}), {{}, {}, {}}, each},
           {"exactly as many frames as needed",
            make.normal({8, 3}),
            Segments::from_lengths({3, 5}),
            {{1, 1}, {2, 2, 2}},
            each},
           {"many states", make.normal({9, 2}), Segments::from_lengths({9}), {{1, 1, 1, 1, 1}}, each},
           {"blank alone", make.normal({3, 1}), Segments::from_lengths({3}), {{}}, each},
           {"nothing", make.normal({0, 3}), Segments(), {}, {}},
           {"nothing, none", make.normal({0, 3}), Segments(), {}, each},
       }) {
    const Tensor packed_targets = packed(c.targets);
    const Segments target_segments = segments_of(c.targets);
    samples.push_back({.name = c.name,
                       .inputs = {c.logits},
                       .run =
                           [=](const TensorList& in) {
                             return TensorList{ctc_loss(in[0], c.frames, packed_targets, target_segments, c.options)};
                           },
                       .reference = [=](const TensorList& in) { return TensorList{reference(in[0], c)}; }});
  }
  return samples;
}

std::vector<ErrorSample> ctc_loss_errors() {
  const Segments frames = Segments::from_lengths({4, 2}), lengths = Segments::from_lengths({2, 1});
  const auto call = [=](const Tensor& log_probs, const Symbols& targets, std::int64_t blank = 0) {
    return [=] { ctc_loss(log_probs, frames, tensor(targets), lengths, {.blank = blank}); };
  };
  const Tensor x = zeros({6, 3});
  return {
      {"log_probs of one dimension", call(zeros({6}), {1, 2, 1}), ErrorKind::shape,
       "ctc_loss: log_probs have the wrong"},
      {"integers", call(zeros({6, 3}, int64), {1, 2, 1}), ErrorKind::dtype, "ctc_loss: log_probs"},
      {"too few rows", call(zeros({5, 3}), {1, 2, 1}), ErrorKind::shape, "ctc_loss: the rows do not match"},
      {"floating targets", [=] { ctc_loss(x, frames, zeros({3}), lengths); }, ErrorKind::dtype, "ctc_loss: targets"},
      {"too few targets", call(x, {1, 2}), ErrorKind::shape,
       "ctc_loss: targets do not match their segments; got shape (2,)"},
      {"another number of targets",
       [=] {
         ctc_loss(x, frames, tensor(Symbols{1, 2, 1}), Segments::single(3));
       },
       ErrorKind::shape, "ctc_loss: needs one target per segment of frames; got 1 targets for 2 segments"},
      {"the blank in a target", call(x, {1, 2, 0}), ErrorKind::index,
       "ctc_loss: a target has the blank; got 0 as symbol 0 of target 1"},
      {"another blank in a target", call(x, {0, 2, 0}, 2), ErrorKind::index,
       "ctc_loss: a target has the blank; got 2 as symbol 1 of target 0"},
      {"a target out of range", call(x, {1, 3, 1}), ErrorKind::index,
       "ctc_loss: target out of range; got 3 as symbol 1 of target 0; expected 0 … 2"},
      {"a negative target", call(x, {1, 1, -1}), ErrorKind::index, "got -1 as symbol 0 of target 1"},
      {"a blank out of range", call(x, {1, 2, 1}, 3), ErrorKind::index, "ctc_loss: the blank is no symbol; got 3"},
  };
}

}  // namespace

SampleList ctc_samples() { return {{"ctc_loss", samples_of_ctc_loss, ctc_loss_errors}}; }

}  // namespace samples
