#include "saw/nn/crf.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

/// "B-PER" as 'B' and "PER"; "O" without a type.
struct ChunkLabel {
  char place;
  std::string_view type;

  explicit ChunkLabel(const std::string& label) : place(label.empty() ? '\0' : label[0]) {
    const bool is_known = std::string_view("BIOELSU").find(place) != std::string_view::npos;
    if (!is_known || (label.size() > 1 && (place == 'O' || label[1] != '-' || label.size() == 2)))
      fail(ErrorKind::argument,
           "bio_constraints: not a label of entities; got '{}'; expected O, B-X, I-X (E-X, L-X, S-X, U-X)", label);
    if (label.size() > 1) type = std::string_view(label).substr(2);
  }
  /// Has an entity before it, of which it is a part.
  bool continues() const { return place == 'I' || ends(); }
  bool ends() const { return place == 'E' || place == 'L'; }
  /// Leaves an entity open.
  bool opens() const { return place == 'B' || place == 'I'; }
};

/// x, or x + what is forbidden.
Tensor with(const Tensor& x, const Tensor& constraint) {
  return constraint.defined() ? x + to(constraint, x.dtype()) : x;
}

Tensor checked_constraint(const char* what, const Tensor& constraint, const Shape& shape) {
  if (!constraint.defined()) return {};
  if (constraint.shape() != shape || !is_floating(constraint.dtype()))
    fail(ErrorKind::shape, "ConditionalRandomField: the constraint of {} does not fit; got {} {}; expected {}", what,
         constraint.dtype(), constraint.shape(), shape);
  return constraint.detach().clone();
}

/// The end of a partial labelling: where it came from.
struct Partial {
  double score;
  std::int64_t label;   // of the row before
  std::int64_t number;  // among that label's partial labellings, the best first
};

/// Keeps the `count` best, which come first; of equal ones those that were found first.
void keep_best(std::vector<Partial>& partials, std::int64_t count) {
  std::erase_if(partials, [](const Partial& partial) { return !(partial.score > double{never}); });
  std::stable_sort(partials.begin(), partials.end(),
                   [](const Partial& a, const Partial& b) { return a.score > b.score; });
  if (std::ssize(partials) > count) partials.resize(static_cast<std::size_t>(count));
}

/// Scores of a CRF in double, row-major.
struct PlainScores {
  std::vector<double> emissions, transitions, begin, end;
  std::size_t labels;
};

/// Viterbi with `count` ways to each label of each row in place of one.
std::vector<Labelling> best_labellings(const PlainScores& scores, std::size_t first, std::size_t length,
                                       std::int64_t count) {
  if (length == 0) return {Labelling()};
  const std::size_t labels = scores.labels;
  std::vector<std::vector<Partial>> ways(length * labels);  // to each label of each row
  for (std::size_t t = 0; t < length; ++t)
    for (std::size_t j = 0; j < labels; ++j) {
      std::vector<Partial>& here = ways[t * labels + j];
      const double emission = scores.emissions[(first + t) * labels + j];
      if (t == 0) here.push_back({scores.begin[j] + emission, -1, -1});
      for (std::size_t i = 0; t > 0 && i < labels; ++i) {
        const std::vector<Partial>& before = ways[(t - 1) * labels + i];
        for (std::size_t k = 0; k < before.size(); ++k)
          here.push_back({before[k].score + scores.transitions[i * labels + j] + emission, static_cast<std::int64_t>(i),
                          static_cast<std::int64_t>(k)});
      }
      keep_best(here, count);
    }
  std::vector<Partial> whole;
  for (std::size_t j = 0; j < labels; ++j) {
    const std::vector<Partial>& before = ways[(length - 1) * labels + j];
    for (std::size_t k = 0; k < before.size(); ++k)
      whole.push_back({before[k].score + scores.end[j], static_cast<std::int64_t>(j), static_cast<std::int64_t>(k)});
  }
  keep_best(whole, count);
  std::vector<Labelling> results;
  for (Partial at : whole) {
    Labelling result{std::vector<std::int64_t>(length, 0), at.score};
    for (std::size_t t = length; t-- > 0;) {
      result.labels[t] = at.label;
      at = ways[t * labels + static_cast<std::size_t>(at.label)][static_cast<std::size_t>(at.number)];
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

CrfConstraints bio_constraints(const std::vector<std::string>& labels) {
  std::vector<ChunkLabel> chunks;
  for (const std::string& label : labels) chunks.emplace_back(label);
  const bool must_end = std::any_of(chunks.begin(), chunks.end(), [](const ChunkLabel& label) { return label.ends(); });
  std::vector<float> transitions, begin, end;
  for (const ChunkLabel& before : chunks) {
    begin.push_back(before.continues() ? never : 0.0F);
    end.push_back(must_end && before.opens() ? never : 0.0F);
    for (const ChunkLabel& after : chunks) {
      const bool same_entity = before.opens() && after.continues() && before.type == after.type;
      const bool broken = after.continues() || (must_end && before.opens());
      transitions.push_back(broken && !same_entity ? never : 0.0F);
    }
  }
  const auto size = static_cast<std::int64_t>(labels.size());
  return {.transitions = tensor(transitions, {size, size}), .begin = tensor(begin), .end = tensor(end)};
}

ConditionalRandomField::ConditionalRandomField(std::int64_t labels, const ConditionalRandomFieldOptions& options)
    : start_transitions(param("start_transitions",
                              {checked_positive("ConditionalRandomField", "the number of labels", labels)},
                              init::uniform(-0.1, 0.1))),
      end_transitions(param("end_transitions", {labels}, init::uniform(-0.1, 0.1))),
      transitions(param("transitions", {labels, labels}, init::uniform(-0.1, 0.1))),
      constraints_{checked_constraint("transitions", options.constraints.transitions, {labels, labels}),
                   checked_constraint("the begin", options.constraints.begin, {labels}),
                   checked_constraint("the end", options.constraints.end, {labels})} {}

ConditionalRandomField::Scores ConditionalRandomField::scores() const {
  return {with(transitions, constraints_.transitions), with(start_transitions, constraints_.begin),
          with(end_transitions, constraints_.end)};
}

Tensor ConditionalRandomField::forward(const Tensor& emissions, const Tensor& labels, const Segments& segments,
                                       const CrfLossOptions& options) const {
  const auto scope = enter(emissions);
  const Scores own = scores();
  const Tensor losses =
      crf_loss(emissions, own.transitions, own.begin, own.end, labels, segments, options.ignore_index);
  if (options.reduction == Reduction::none) return scope.output(losses);
  const Tensor total = sum(losses);
  const std::int64_t count = options.per_row ? segments.rows() : segments.count();
  if (options.reduction == Reduction::sum || count == 0) return scope.output(total);
  return scope.output(total / static_cast<double>(count));
}

BestLabels ConditionalRandomField::decode(const Tensor& emissions, const Segments& segments) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Scores own = scores();
  return crf_decode(emissions, own.transitions, own.begin, own.end, segments);
}

std::vector<std::vector<Labelling>> ConditionalRandomField::decode_n_best(const Tensor& emissions,
                                                                          const Segments& segments,
                                                                          std::int64_t count) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  checked_positive("ConditionalRandomField", "how many labellings are wanted", count);
  decode(emissions, segments);  // refuses what does not fit
  const Scores own = scores();
  const auto plain = [](const Tensor& x) { return x.to(float64).to_vector<double>(); };
  const PlainScores numbers{plain(emissions), plain(own.transitions), plain(own.begin), plain(own.end),
                            static_cast<std::size_t>(emissions.size(1))};
  std::vector<std::vector<Labelling>> results(static_cast<std::size_t>(segments.count()));
  parallel_for(0, segments.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      results[static_cast<std::size_t>(b)] = best_labellings(numbers, static_cast<std::size_t>(segments.begin(b)),
                                                             static_cast<std::size_t>(segments.length(b)), count);
  });
  return results;
}

Tensor ConditionalRandomField::marginals(const Tensor& emissions, const Segments& segments) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Scores own = scores();
  return crf_marginals(emissions, own.transitions, own.begin, own.end, segments);
}

}  // namespace saw::nn
