// Conditional random fields where the registry's samples do not reach: what is forbidden, long segments, NaN beside.

#include "saw/autograd/ops/crf.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

using namespace saw;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Scores {
  Tensor emissions, transitions, begin, end;

  Scores(std::int64_t rows, std::int64_t labels, DType dtype = float64)
      : emissions(randn({rows, labels}, dtype)),
        transitions(randn({labels, labels}, dtype)),
        begin(randn({labels}, dtype)),
        end(randn({labels}, dtype)) {}

  void require_grad() const {
    for (const Tensor& x : all()) x.set_requires_grad(true);
  }
  TensorList all() const { return {emissions, transitions, begin, end}; }
  TensorList gradients() const { return {emissions.grad(), transitions.grad(), begin.grad(), end.grad()}; }
  Tensor loss(const Tensor& labels, const Segments& segments) const {
    return crf_loss(emissions, transitions, begin, end, labels, segments);
  }
};

bool finite(const Tensor& x) {
  for (const double value : to(x, float64).to_vector<double>())
    if (!std::isfinite(value)) return false;
  return true;
}

Tensor labels_of(const std::vector<std::int64_t>& labels) { return tensor(labels); }

}  // namespace

TEST_CASE("crf: forbidden transitions give neither NaN nor gradients, in both orders") {
  const GeneratorGuard seeded(Generator(1));
  Scores scores(9, 3);
  scores.transitions.mutable_data<double>()[2] = -infinity;  // 0 → 2
  scores.transitions.mutable_data<double>()[3] = -infinity;  // 1 → 0
  scores.begin.mutable_data<double>()[2] = -infinity;
  scores.end.mutable_data<double>()[0] = -infinity;
  scores.emissions.mutable_data<double>()[5 * 3 + 1] = -infinity;
  scores.require_grad();
  const Segments segments = Segments::from_lengths({4, 0, 1, 4});
  const Tensor losses = scores.loss(labels_of({0, 1, 2, 1, 1, 0, 1, 1, 2}), segments);
  CHECK(finite(losses));
  const TensorList first = grad({sum(losses * losses)}, scores.all(), {.create_graph = true});
  for (const Tensor& gradient : first) CHECK(finite(gradient));
  CHECK(first[1].to_vector<double>()[2] == 0.0);
  CHECK(first[1].to_vector<double>()[3] == 0.0);
  CHECK(first[2].to_vector<double>()[2] == 0.0);
  CHECK(first[3].to_vector<double>()[0] == 0.0);
  Tensor total = zeros({}, float64);
  for (const Tensor& gradient : first) total = total + sum(gradient * gradient);
  for (const Tensor& gradient : grad({total}, scores.all())) CHECK(finite(gradient));

  // The same from the fused backward.
  const Tensor again = scores.loss(labels_of({0, 1, 2, 1, 1, 0, 1, 1, 2}), segments);
  sum(again * again).backward();
  for (std::size_t i = 0; i < 4; ++i) CHECK_EQ(test::difference(scores.gradients()[i], first[i], 1e-10, 1e-12), "");
}

TEST_CASE("crf: an impossible labelling has an infinite loss and no gradient") {
  const GeneratorGuard seeded(Generator(2));
  Scores scores(5, 3);
  scores.transitions.mutable_data<double>()[1 * 3 + 2] = -infinity;
  scores.require_grad();
  const Segments segments = Segments::from_lengths({3, 2});
  const Tensor losses = scores.loss(labels_of({0, 1, 2, 2, 1}), segments);
  CHECK(losses.to_vector<double>()[0] == infinity);
  CHECK(std::isfinite(losses.to_vector<double>()[1]));
  losses.sum().backward();
  for (const Tensor& gradient : scores.gradients()) CHECK(finite(gradient));
  const std::vector<double> rows = scores.emissions.grad().to_vector<double>();
  for (std::size_t i = 0; i < 9; ++i) CHECK(rows[i] == 0.0);
  CHECK(rows[9] != 0.0);
  // What the second segment gives is all there is.
  Scores alone = scores;
  alone.emissions = scores.emissions.detach().slice(0, 3, 5).clone();
  alone.transitions = scores.transitions.detach().clone();
  alone.begin = scores.begin.detach().clone();
  alone.end = scores.end.detach().clone();
  alone.require_grad();
  alone.loss(labels_of({2, 1}), Segments::single(2)).sum().backward();
  for (std::size_t i = 1; i < 4; ++i) CHECK(test::same_bits(alone.gradients()[i], scores.gradients()[i]));
}

TEST_CASE("crf: where no labelling is possible") {
  const Segments segments = Segments::from_lengths({2, 1});
  for (const DType dtype : {float32, float64}) {
    const Tensor e = full({3, 2}, -infinity, dtype), t = zeros({2, 2}, dtype), v = zeros({2}, dtype);
    e.set_requires_grad(true);
    const Tensor losses = crf_loss(e, t, v, v, labels_of({0, 1, 1}), segments);
    for (const double loss : to(losses, float64).to_vector<double>()) CHECK(loss == infinity);
    losses.sum().backward();
    CHECK_EQ(test::difference(e.grad(), zeros({3, 2}, dtype), 0.0), "");
    CHECK_EQ(test::difference(crf_marginals(e, t, v, v, segments), zeros({3, 2}, dtype), 0.0), "");
    const BestLabels best = crf_decode(e, t, v, v, segments);
    for (const double score : to(best.scores, float64).to_vector<double>()) CHECK(score == -infinity);
    CHECK(best.labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 0, 0});
  }
  // Of labels that only begin and only end something, in a segment of one row; in both orders.
  const Tensor end_forbidden = tensor({-infinity, 0.0}), begin_forbidden = tensor({0.0, -infinity});
  const Tensor e = zeros({1, 2}, float64).set_requires_grad(true);
  for (const bool create_graph : {false, true}) {
    const Tensor loss = crf_loss(e, zeros({2, 2}, float64), to(begin_forbidden, float64), to(end_forbidden, float64),
                                 labels_of({0}), Segments::single(1));
    CHECK(loss.item() == infinity);
    const Tensor gradient = grad({loss.sum()}, {e}, {.create_graph = create_graph})[0];
    CHECK_EQ(test::difference(gradient, zeros({1, 2}, float64), 0.0), "");
  }
}

TEST_CASE("crf: a segment has the same bits alone, in a batch and beside NaN") {
  const GeneratorGuard seeded(Generator(3));
  for (const std::int64_t labels : {3, 17, 40}) {
    const std::vector<std::int64_t> lengths{5, 0, 1, 12};
    const Segments segments = Segments::from_lengths(lengths);
    Scores scores(segments.rows(), labels, float32);
    const Tensor targets = randint(0, labels, {segments.rows()});
    scores.require_grad();
    const Tensor losses = scores.loss(targets, segments);
    losses.sum().backward();
    const Tensor marginals = crf_marginals(scores.emissions, scores.transitions, scores.begin, scores.end, segments);
    const BestLabels best = crf_decode(scores.emissions, scores.transitions, scores.begin, scores.end, segments);
    for (std::int64_t b = 0; b < segments.count(); ++b) {
      const std::int64_t first = segments.begin(b), last = segments.end(b);
      for (const bool poisoned : {false, true}) {
        Tensor rows = scores.emissions.detach().slice(0, first, last).clone();
        Segments own = Segments::single(last - first);
        Tensor own_targets = targets.slice(0, first, last).clone();
        if (poisoned) {
          const Tensor nan = full({2, labels}, std::numeric_limits<double>::quiet_NaN());
          rows = cat({nan, rows}, 0);
          own_targets = cat({zeros({2}, int64), own_targets}, 0);
          own = Segments::from_lengths({2, last - first});
        }
        const std::int64_t at = poisoned ? 1 : 0, skipped = poisoned ? 2 : 0;
        rows.set_requires_grad(true);
        const Tensor loss =
            crf_loss(rows, scores.transitions.detach(), scores.begin.detach(), scores.end.detach(), own_targets, own);
        CHECK(test::same_bits(loss.slice(0, at, at + 1), losses.slice(0, b, b + 1)));
        if (poisoned) CHECK(std::isnan(loss.to_vector<float>()[0]));
        loss.sum().backward();
        CHECK(test::same_bits(rows.grad().slice(0, skipped, rows.size(0)).clone(),
                              scores.emissions.grad().slice(0, first, last).clone()));
        const Tensor p = crf_marginals(rows, scores.transitions, scores.begin, scores.end, own);
        CHECK(test::same_bits(p.slice(0, skipped, rows.size(0)).clone(), marginals.slice(0, first, last).clone()));
        const BestLabels path = crf_decode(rows, scores.transitions, scores.begin, scores.end, own);
        CHECK(test::same_bits(path.labels.slice(0, skipped, rows.size(0)).clone(),
                              best.labels.slice(0, first, last).clone()));
        CHECK(test::same_bits(path.scores.slice(0, at, at + 1), best.scores.slice(0, b, b + 1)));
      }
    }
  }
}

TEST_CASE("crf: long segments lose nothing in float32") {
  const GeneratorGuard seeded(Generator(4));
  const std::int64_t rows = 5000, labels = 9;
  Scores narrow(rows, labels, float32), wide(0, labels);
  narrow.emissions = narrow.emissions + 1000.0;  // far from 0, as logits may be
  wide.emissions = to(narrow.emissions, float64);
  wide.transitions = to(narrow.transitions, float64);
  wide.begin = to(narrow.begin, float64);
  wide.end = to(narrow.end, float64);
  const Tensor targets = randint(0, labels, {rows});
  narrow.require_grad();
  wide.require_grad();
  const Tensor loss = narrow.loss(targets, Segments::single(rows)), exact = wide.loss(targets, Segments::single(rows));
  // Emissions near 1000 are multiples of 6e-5, and each row rounds a few numbers of that size.
  CHECK(loss.to_vector<float>()[0] == doctest::Approx(exact.to_vector<double>()[0]).epsilon(1e-5));
  loss.sum().backward();
  exact.sum().backward();
  CHECK_EQ(test::difference(narrow.emissions.grad(), wide.emissions.grad(), 1e-3), "");
  const Tensor sums =
      sum(crf_marginals(narrow.emissions, narrow.transitions, narrow.begin, narrow.end, Segments::single(rows)), {1});
  CHECK_EQ(test::difference(sums, ones({rows}), 1e-5), "");
}

TEST_CASE("crf: groups of segments add up to the gradient of all") {
  // So many labels that the segments' sums do not fit into one group.
  const GeneratorGuard seeded(Generator(5));
  const Segments segments = Segments::from_lengths({2, 1, 3, 2, 2, 1});
  Scores scores(segments.rows(), 700);
  const Tensor targets = randint(0, 700, {segments.rows()});
  scores.require_grad();
  scores.loss(targets, segments).sum().backward();
  Tensor total = zeros({700, 700}, float64);
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    const Tensor transitions = scores.transitions.detach().clone().set_requires_grad(true);
    const std::int64_t first = segments.begin(b), last = segments.end(b);
    crf_loss(scores.emissions.detach().slice(0, first, last), transitions, scores.begin.detach(), scores.end.detach(),
             targets.slice(0, first, last), Segments::single(last - first))
        .sum()
        .backward();
    total = total + transitions.grad();
  }
  CHECK_EQ(test::difference(scores.transitions.grad(), total, 1e-12), "");
}
