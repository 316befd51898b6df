#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A CRF as plain numbers, and all of its labellings, one by one.
struct PlainCrf {
  std::vector<double> emissions, transitions, begin, end;
  std::size_t labels;

  explicit PlainCrf(const TensorList& in)
      : emissions(doubles_of(in[0])),
        transitions(doubles_of(in[1])),
        begin(doubles_of(in[2])),
        end(doubles_of(in[3])),
        labels(static_cast<std::size_t>(in[0].size(1))) {}

  using Labelling = std::vector<std::size_t>;

  double score(std::size_t first, const Labelling& y) const {
    if (y.empty()) return 0;
    double total = begin[y.front()] + end[y.back()];
    for (std::size_t t = 0; t < y.size(); ++t) {
      total += emissions[(first + t) * labels + y[t]];
      if (t > 0) total += transitions[y[t - 1] * labels + y[t]];
    }
    return total;
  }

  /// Calls f(labelling, score) for all of `length` rows from `first` on; later labels vary slowest.
  void for_each(std::size_t first, std::size_t length, const std::function<void(const Labelling&, double)>& f) const {
    Labelling y(length, 0);
    while (true) {
      f(y, score(first, y));
      std::size_t t = 0;
      while (t < length && ++y[t] == labels) y[t++] = 0;
      if (t == length) return;
    }
  }
};

double log_of_sum(const std::vector<double>& scores) {
  double largest = -infinity, total = 0;
  for (const double score : scores) largest = std::max(largest, score);
  if (largest == -infinity) return largest;
  for (const double score : scores) total += std::exp(score - largest);
  return largest + std::log(total);
}

Tensor loss_reference(const TensorList& in, const Tensor& labels, const Segments& segments) {
  const PlainCrf crf(in);
  const std::vector<std::int64_t> targets = labels.to_vector<std::int64_t>();
  std::vector<double> losses;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    const auto first = static_cast<std::size_t>(segments.begin(b)),
               length = static_cast<std::size_t>(segments.length(b));
    std::vector<double> all, fitting;
    crf.for_each(first, length, [&](const PlainCrf::Labelling& y, double score) {
      all.push_back(score);
      bool fits = true;
      for (std::size_t t = 0; t < length; ++t)
        fits = fits && (targets[first + t] < 0 || targets[first + t] == static_cast<std::int64_t>(y[t]));
      if (fits) fitting.push_back(score);
    });
    const double fit = log_of_sum(fitting);
    losses.push_back(fit == -infinity ? infinity : log_of_sum(all) - fit);
  }
  return from_doubles(losses, {segments.count()}, in[0].dtype());
}

TensorList decode_reference(const TensorList& in, const Segments& segments) {
  const PlainCrf crf(in);
  std::vector<std::int64_t> labels;
  std::vector<double> scores;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    PlainCrf::Labelling best(static_cast<std::size_t>(segments.length(b)), 0);
    double best_score = segments.length(b) == 0 ? 0 : -infinity;
    crf.for_each(static_cast<std::size_t>(segments.begin(b)), best.size(),
                 [&](const PlainCrf::Labelling& y, double score) {
                   if (!(score > best_score)) return;
                   best = y;
                   best_score = score;
                 });
    labels.insert(labels.end(), best.begin(), best.end());
    scores.push_back(best_score);
  }
  return {tensor(labels), from_doubles(scores, {segments.count()}, in[0].dtype())};
}

Tensor marginals_reference(const TensorList& in, const Segments& segments) {
  const PlainCrf crf(in);
  std::vector<double> marginals(static_cast<std::size_t>(in[0].numel()), 0.0);
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    const auto first = static_cast<std::size_t>(segments.begin(b)),
               length = static_cast<std::size_t>(segments.length(b));
    std::vector<double> all;
    crf.for_each(first, length, [&](const PlainCrf::Labelling&, double score) { all.push_back(score); });
    const double total = log_of_sum(all);
    if (total == -infinity) continue;
    crf.for_each(first, length, [&](const PlainCrf::Labelling& y, double score) {
      for (std::size_t t = 0; t < length; ++t) marginals[(first + t) * crf.labels + y[t]] += std::exp(score - total);
    });
  }
  return from_doubles(marginals, in[0].shape(), in[0].dtype());
}

/// Emissions, transitions, begin and end of `rows` rows.
TensorList scores(SampleMaker& make, std::int64_t rows, std::int64_t labels) {
  return {make.normal({rows, labels}), make.normal({labels, labels}), make.normal({labels}), make.normal({labels})};
}

/// The same with a label that may follow only some and may not begin: −∞ is no place to differentiate at.
TensorList constrained_scores(SampleMaker& make, std::int64_t rows) {
  TensorList in = scores(make, rows, 3);
  const auto forbid = [](const Tensor& x, std::initializer_list<bool> mask) {
    return masked_fill(x, tensor(std::vector<bool>(mask), x.shape()), -infinity);
  };
  in[1] = forbid(in[1], {false, false, true, false, false, false, true, false, false});
  in[2] = forbid(in[2], {false, false, true});
  in[3] = forbid(in[3], {true, false, false});
  return in;
}

struct Case {
  const char* name;
  TensorList in;
  Segments segments;
  std::vector<std::size_t> constants = {};
};

/// Labels that the constrained scores allow.
const std::vector<std::int64_t> allowed_labels{0, 1, 2, 1, 1, 0, 1, 1, 2};

std::vector<Case> cases(SampleMaker& make) {
  return {
      {"ragged", scores(make, 8, 3), Segments::from_lengths({3, 0, 1, 4})},
      {"one label", scores(make, 3, 1), Segments::from_lengths({2, 1})},
      {"more labels than a vector holds", scores(make, 4, 19), Segments::from_lengths({2, 2})},
      {"forbidden labels", constrained_scores(make, 9), Segments::from_lengths({4, 1, 2, 2}), {1, 2, 3}},
      {"empty segments alone", scores(make, 0, 3), Segments::from_lengths({0, 0})},
      {"nothing", scores(make, 0, 3), Segments()},
  };
}

Sample loss_sample(const Case& c, const Tensor& labels) {
  return {
      .name = c.name,
      .inputs = c.in,
      .run = [=](const TensorList& in) { return TensorList{crf_loss(in[0], in[1], in[2], in[3], labels, c.segments)}; },
      .reference = [=](const TensorList& in) { return TensorList{loss_reference(in, labels, c.segments)}; },
      .vary_layout = c.constants.empty(),  // an expanded row of −∞ forbids everything
      .constants = c.constants};
}

std::vector<Sample> samples_of_crf_loss(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases(make)) {
    const Tensor labels = make.integers({c.in[0].size(0)}, 0, c.in[0].size(1));
    samples.push_back(loss_sample(c, c.constants.empty() ? labels : tensor(allowed_labels)));
  }
  const Segments segments = Segments::from_lengths({4, 2, 1});
  samples.push_back(loss_sample({"ignored labels", scores(make, 7, 3), segments},
                                tensor(std::vector<std::int64_t>{-100, 2, -100, 0, -100, -100, -100})));
  samples.push_back(loss_sample({"ignored among forbidden", constrained_scores(make, 7), segments, {1, 2, 3}},
                                tensor(std::vector<std::int64_t>{-100, 2, -100, 1, 0, -100, -100})));
  return samples;
}

std::vector<Sample> samples_of_crf_decode(SampleMaker& make) {
  std::vector<Sample> samples;
  for (Case c : cases(make)) {
    // Multiples of 1/64: sums of them are exact, so that equal labellings are equal in every order.
    for (Tensor& x : c.in) x = round(x * 64.0) / 64.0;
    samples.push_back({.name = c.name,
                       .inputs = c.in,
                       .run =
                           [=](const TensorList& in) {
                             const BestLabels best = crf_decode(in[0], in[1], in[2], in[3], c.segments);
                             return TensorList{best.labels, best.scores};
                           },
                       .reference = [=](const TensorList& in) { return decode_reference(in, c.segments); }});
  }
  return samples;
}

std::vector<Sample> samples_of_crf_marginals(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases(make))
    samples.push_back(
        {.name = c.name,
         .inputs = c.in,
         .run = [=](const TensorList& in) { return TensorList{crf_marginals(in[0], in[1], in[2], in[3], c.segments)}; },
         .reference = [=](const TensorList& in) { return TensorList{marginals_reference(in, c.segments)}; }});
  return samples;
}

using Call = std::function<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Segments&)>;

std::vector<ErrorSample> score_errors(const std::string& op, const Call& call) {
  const Segments segments = Segments::from_lengths({2, 3});
  const Tensor e = zeros({5, 4}), square = zeros({4, 4}), v = zeros({4});
  return {
      {"emissions of one dimension", [=] { call(v, square, v, v, segments); }, ErrorKind::shape,
       op + ": emissions have the wrong shape; got (4,)"},
      {"no labels",
       [=] {
         call(zeros({5, 0}), zeros({0, 0}), zeros({0}), zeros({0}), segments);
       },
       ErrorKind::shape, op + ": emissions have the wrong shape; got (5, 0)"},
      {"integers",
       [=] {
         call(zeros({5, 4}, int64), square, v, v, segments);
       },
       ErrorKind::dtype, op + ": emissions"},
      {"too few rows",
       [=] {
         call(zeros({4, 4}), square, v, v, segments);
       },
       ErrorKind::shape, op + ": the rows do not match"},
      {"transitions of other labels",
       [=] {
         call(e, zeros({4, 3}), v, v, segments);
       },
       ErrorKind::shape,
       op + ": transitions do not fit the emissions; got (4, 3) for emissions (5, 4); expected (4, 4)"},
      {"begin of other labels", [=] { call(e, square, zeros({3}), v, segments); }, ErrorKind::shape,
       op + ": begin does not fit"},
      {"end of another dtype", [=] { call(e, square, v, zeros({4}, float64), segments); }, ErrorKind::dtype,
       op + ": end does not have the emissions' dtype"},
  };
}

std::vector<ErrorSample> crf_loss_errors() {
  const auto with_labels = [](const Tensor& labels) {
    return [=](const Tensor& e, const Tensor& t, const Tensor& b, const Tensor& end, const Segments& segments) {
      crf_loss(e, t, b, end, labels, segments);
    };
  };
  std::vector<ErrorSample> errors = score_errors("crf_loss", with_labels(zeros({5}, int64)));
  const auto call = [=](const Tensor& labels) {
    return [=] {
      with_labels(labels)(zeros({5, 4}), zeros({4, 4}), zeros({4}), zeros({4}), Segments::from_lengths({2, 3}));
    };
  };
  errors.push_back({"a label outside the set", call(tensor(std::vector<std::int64_t>{0, 3, 4, 0, 0})), ErrorKind::index,
                    "crf_loss: label out of range; got 4 in row 2; expected 0 … 3 or ignore_index -100"});
  errors.push_back({"a negative label", call(tensor(std::vector<std::int64_t>{-1, 3, 0, 0, 0})), ErrorKind::index,
                    "crf_loss: label out of range; got -1 in row 0"});
  errors.push_back({"too few labels", call(zeros({4}, int64)), ErrorKind::shape,
                    "crf_loss: labels do not fit the emissions; got (4,) for emissions (5, 4); expected (5,)"});
  errors.push_back({"floating labels", call(zeros({5})), ErrorKind::dtype, "crf_loss: labels"});
  return errors;
}

std::vector<ErrorSample> crf_decode_errors() { return score_errors("crf_decode", crf_decode); }

std::vector<ErrorSample> crf_marginals_errors() { return score_errors("crf_marginals", crf_marginals); }

}  // namespace

SampleList crf_samples() {
  return {{"crf_loss", samples_of_crf_loss, crf_loss_errors},
          {"crf_decode", samples_of_crf_decode, crf_decode_errors},
          {"crf_marginals", samples_of_crf_marginals, crf_marginals_errors}};
}

}  // namespace samples
