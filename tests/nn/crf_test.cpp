// The layer of conditional random fields: reductions, constraints of entity labels, errors, and that it learns.

#include "saw/nn/crf.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/optim/optim.h"
#include "support/tensors.h"

using namespace saw;

namespace {

Tensor numbers(const std::vector<std::int64_t>& values) { return tensor(values); }

/// Whether the constraints allow these labels, by names.
bool allows(const std::vector<std::string>& names, const std::vector<std::string>& sequence) {
  std::vector<std::int64_t> labels;
  for (const std::string& name : sequence)
    labels.push_back(std::find(names.begin(), names.end(), name) - names.begin());
  const auto size = static_cast<std::int64_t>(names.size()), length = static_cast<std::int64_t>(labels.size());
  const nn::ConditionalRandomField crf(size, {.constraints = nn::bio_constraints(names)});
  return std::isfinite(crf.forward(zeros({length, size}), numbers(labels), Segments::single(length)).item());
}

}  // namespace

TEST_CASE("ConditionalRandomField has the names, shapes and reductions of pytorch-crf") {
  const GeneratorGuard seeded(Generator(1));
  const nn::ConditionalRandomField crf(4);
  std::vector<std::string> names;
  for (const auto& [name, value] : crf.named_parameters()) {
    names.push_back(name);
    for (const double x : to(value, float64).to_vector<double>()) CHECK(std::abs(x) <= 0.1);
  }
  CHECK(names == std::vector<std::string>{"start_transitions", "end_transitions", "transitions"});

  const Segments segments = Segments::from_lengths({3, 0, 2});
  const Tensor emissions = randn({5, 4}), labels = numbers({0, 3, 1, 2, 2});
  const Tensor each = crf.forward(emissions, labels, segments, {.reduction = Reduction::none});
  CHECK(each.shape() == Shape{3});
  CHECK(each.to_vector<float>()[1] == 0.0F);
  const double total = sum(each).item();
  CHECK(crf.forward(emissions, labels, segments, {.reduction = Reduction::sum}).item() == doctest::Approx(total));
  CHECK(crf.forward(emissions, labels, segments).item() == doctest::Approx(total / 3));
  CHECK(crf.forward(emissions, labels, segments, {.per_row = true}).item() == doctest::Approx(total / 5));
  CHECK(crf.forward(zeros({0, 4}), numbers({}), Segments()).item() == 0.0);

  // By hand: the score of the second segment against all 16 labellings.
  const auto e = emissions.to_vector<float>();
  const auto a = crf.transitions.to_vector<float>(), b = crf.start_transitions.to_vector<float>(),
             c = crf.end_transitions.to_vector<float>();
  const auto score = [&](std::size_t i, std::size_t j) {
    return static_cast<double>(b[i]) + e[12 + i] + a[4 * i + j] + e[16 + j] + c[j];
  };
  double all = 0;
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j) all += std::exp(score(i, j));
  CHECK(each.to_vector<float>()[2] == doctest::Approx(std::log(all) - score(2, 2)).epsilon(1e-5));
}

TEST_CASE("ConditionalRandomField: constraints of entity labels") {
  const std::vector<std::string> bio{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  CHECK(allows(bio, {"O", "B-PER", "I-PER", "I-PER", "B-PER", "B-LOC", "I-LOC", "O"}));
  CHECK(allows(bio, {"B-PER"}));
  CHECK_FALSE(allows(bio, {"I-PER"}));
  CHECK_FALSE(allows(bio, {"O", "I-PER"}));
  CHECK_FALSE(allows(bio, {"B-LOC", "I-PER"}));
  CHECK_FALSE(allows(bio, {"B-PER", "I-PER", "I-LOC"}));
  const std::vector<std::string> bioes{"O", "B-X", "I-X", "E-X", "S-X", "B-Y", "E-Y"};
  CHECK(allows(bioes, {"S-X", "B-X", "I-X", "E-X", "O", "B-Y", "E-Y", "S-X"}));
  CHECK_FALSE(allows(bioes, {"B-X"}));
  CHECK_FALSE(allows(bioes, {"B-X", "O"}));
  CHECK_FALSE(allows(bioes, {"B-X", "E-Y"}));
  CHECK_FALSE(allows(bioes, {"S-X", "E-X"}));
  CHECK_FALSE(allows(bioes, {"E-X"}));
  CHECK(allows({"O", "B", "I"}, {"B", "I", "O"}));
  CHECK_FALSE(allows({"O", "B", "I"}, {"O", "I"}));
  for (const char* name : {"", "X", "PER", "B-", "O-PER", "BPER"})
    CHECK_THROWS_AS(nn::bio_constraints({"O", name}), Error);
  CHECK_THROWS_WITH_AS(nn::bio_constraints({"PER"}),
                       "bio_constraints: not a label of entities; got 'PER'; expected O, B-X, I-X (E-X, L-X, S-X, U-X)",
                       Error);
}

TEST_CASE("ConditionalRandomField: what is forbidden is never decoded, has no share, and stays out of the state") {
  const GeneratorGuard seeded(Generator(2));
  const std::vector<std::string> names{"O", "B-X", "I-X"};
  const nn::ConditionalRandomField crf(3, {.constraints = nn::bio_constraints(names)});
  const Segments segments = Segments::from_lengths({40, 1});
  const Tensor emissions = randn({41, 3}) * 3.0;
  const std::vector<std::int64_t> best = crf.decode(emissions, segments).labels.to_vector<std::int64_t>();
  for (std::size_t t = 0; t < 40; ++t)
    if (best[t] == 2) {
      REQUIRE(t > 0);
      CHECK(best[t - 1] != 0);
    }
  CHECK(best[40] != 2);
  const Tensor marginals = crf.marginals(emissions, segments);
  CHECK(marginals.to_vector<float>()[2] == 0.0F);
  CHECK_EQ(test::difference(sum(marginals, {1}), ones({41}), 1e-5), "");
  CHECK(crf.state_dict().size() == 3);
  for (const auto& [name, value] : crf.state_dict())
    for (const float x : value.to_vector<float>()) CHECK(std::isfinite(x));
}

TEST_CASE("ConditionalRandomField: the best labellings of all, in order") {
  const GeneratorGuard seeded(Generator(4));
  nn::ConditionalRandomField crf(3, {.constraints = nn::bio_constraints({"O", "B-X", "I-X"})});
  crf.to(float64);
  const Segments segments = Segments::from_lengths({4, 0, 1});
  const Tensor emissions = randn({5, 3}, float64);
  const auto found = crf.decode_n_best(emissions, segments, 1000);
  REQUIRE(found.size() == 3);
  REQUIRE(found[1].size() == 1);
  CHECK(found[1][0].labels.empty());
  CHECK(found[1][0].score == 0.0);
  CHECK(found[2].size() == 2);  // I-X does not begin
  // All labellings of the first segment by their losses, which differ from scores by what all have in common.
  std::vector<std::pair<double, std::vector<std::int64_t>>> expected;
  for (std::int64_t code = 0; code < 81; ++code) {
    const std::vector<std::int64_t> labels{code / 27, code / 9 % 3, code / 3 % 3, code % 3};
    const double loss = crf.forward(emissions.slice(0, 0, 4), numbers(labels), Segments::single(4)).item();
    if (std::isfinite(loss)) expected.emplace_back(loss, labels);
  }
  std::sort(expected.begin(), expected.end());
  REQUIRE(found[0].size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(found[0][i].labels == expected[i].second);
    CHECK(found[0][0].score - found[0][i].score ==
          doctest::Approx(expected[i].first - expected[0].first).epsilon(1e-9));
  }
  const BestLabels best = crf.decode(emissions, segments);
  CHECK(best.scores.to_vector<double>()[0] == doctest::Approx(found[0][0].score).epsilon(1e-12));
  const auto three = crf.decode_n_best(emissions, segments, 3);
  REQUIRE(three[0].size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(three[0][i].labels == found[0][i].labels);
  CHECK_THROWS_AS(crf.decode_n_best(emissions, segments, 0), Error);
}

TEST_CASE("ConditionalRandomField works in float64, too") {
  nn::ConditionalRandomField crf(3, {.constraints = nn::bio_constraints({"O", "B-X", "I-X"})});
  crf.to(float64);
  CHECK(crf.forward(zeros({2, 3}, float64), numbers({1, 2}), Segments::single(2)).dtype() == float64);
  CHECK_THROWS_AS(crf.forward(zeros({2, 3}), numbers({1, 2}), Segments::single(2)), Error);
}

TEST_CASE("ConditionalRandomField learns what only the order of labels tells") {
  // Emissions say nothing: labels alternate, and the first is fixed by the start alone.
  const GeneratorGuard seeded(Generator(3));
  const nn::ConditionalRandomField crf(3);
  optim::AdamW adam(crf.parameters(), {.learning_rate = 0.1, .weight_decay = 0.0});
  const Segments segments = Segments::from_lengths({4, 7});
  const Tensor emissions = zeros({11, 3}), labels = numbers({1, 2, 0, 1, 1, 2, 0, 1, 2, 0, 1});
  double loss = 0;
  for (int step = 0; step < 150; ++step) {
    const Tensor value = crf.forward(emissions, labels, segments);
    loss = value.item();
    adam.zero_grad();
    value.backward();
    adam.step();
  }
  CHECK(loss < 0.1);
  CHECK(crf.decode(emissions, segments).labels.to_vector<std::int64_t>() == labels.to_vector<std::int64_t>());
}

TEST_CASE("ConditionalRandomField says what does not fit") {
  CHECK_THROWS_AS(nn::ConditionalRandomField(0), Error);
  CHECK_THROWS_AS(nn::ConditionalRandomField(3, {.constraints = nn::bio_constraints({"O", "B"})}), Error);
  const nn::ConditionalRandomField crf(3);
  CHECK_THROWS_WITH_AS(crf.forward(zeros({2, 3}), numbers({0, 3}), Segments::single(2)),
                       "crf_loss: label out of range; got 3 in row 1; expected 0 … 2 or ignore_index -100", Error);
  CHECK_THROWS_AS(crf.forward(zeros({2, 4}), numbers({0, 3}), Segments::single(2)), Error);
  CHECK_THROWS_AS(crf.decode(zeros({2, 3}), Segments::single(3)), Error);
}
