#include <cmath>
#include <limits>
#include <vector>

#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

constexpr std::uint64_t seed = 11, stream_number = 3;

// The oracles draw from the same stream, one number at a time.

Tensor naive_bernoulli(const Tensor& p) {
  const RandomStream stream(seed, stream_number);
  const std::vector<double> probabilities = to(p.detach(), float64).to_vector<double>();
  std::vector<double> draws;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    draws.push_back(stream.uniform(i) < probabilities[i] ? 1.0 : 0.0);
  }
  return to(tensor(draws, p.shape()), p.dtype());
}

Tensor naive_multinomial(const Tensor& weights, std::int64_t count, bool replacement) {
  const RandomStream stream(seed, stream_number);
  const std::int64_t classes = weights.shape().back(), rows = weights.rank() == 1 ? 1 : weights.size(0);
  const std::vector<double> all = to(weights.detach(), float64).to_vector<double>();
  std::vector<std::int64_t> draws;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::vector<double> w(all.begin() + row * classes, all.begin() + (row + 1) * classes);
    std::vector<bool> taken(w.size(), false);
    for (std::int64_t i = 0; i < count; ++i) {
      std::size_t chosen = 0;
      if (replacement) {
        double rest = 0;
        for (const double weight : w) rest += weight;
        rest *= stream.uniform(static_cast<std::uint64_t>(row * count + i));
        while (rest >= w[chosen]) rest -= w[chosen++];
      } else {
        double best = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < w.size(); ++c) {
          const double u = stream.uniform(static_cast<std::uint64_t>(row * classes) + c);
          const double key = -std::log1p(-u) / w[c];
          if (w[c] > 0 && !taken[c] && key < best) {
            best = key;
            chosen = c;
          }
        }
        taken[chosen] = true;
      }
      draws.push_back(static_cast<std::int64_t>(chosen));
    }
  }
  return tensor(draws, weights.rank() == 1 ? Shape{count} : Shape{rows, count});
}

std::vector<Sample> bernoulli_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& p) {
    return Sample{.name = name,
                  .inputs = {p},
                  .run =
                      [](const TensorList& in) {
                        Generator generator(seed, stream_number);
                        return TensorList{bernoulli(in[0], generator)};
                      },
                  .reference = [](const TensorList& in) { return TensorList{naive_bernoulli(in[0])}; }};
  };
  return {sample("probabilities", make.uniform({7, 11}, 0.0, 1.0)),
          sample("never and always", make.conditions({5, 5}).to(make.dtype())),
          sample("number", make.uniform({}, 0.0, 1.0)), sample("none", make.uniform({0, 3}, 0.0, 1.0))};
}
std::vector<ErrorSample> bernoulli_errors() {
  return {{"above 1", [] { bernoulli(full({2}, 1.5)); }, ErrorKind::argument, "bernoulli: a probability lies outside"},
          {"NaN", [] { bernoulli(full({2}, std::numeric_limits<double>::quiet_NaN())); }, ErrorKind::argument,
           "bernoulli: a probability lies outside"},
          {"integers", [] { bernoulli(zeros({2}, int64)); }, ErrorKind::dtype, "bernoulli: "}};
}

std::vector<Sample> multinomial_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& weights, std::int64_t count, bool replacement) {
    return Sample{
        .name = name,
        .inputs = {weights},
        .run =
            [=](const TensorList& in) {
              Generator generator(seed, stream_number);
              return TensorList{multinomial(in[0], count, replacement, generator)};
            },
        .reference = [=](const TensorList& in) { return TensorList{naive_multinomial(in[0], count, replacement)}; }};
  };
  const Tensor with_zeros = make.uniform({3, 6}, 0.5, 2.0);
  with_zeros.slice(1, 2, 4).fill_(0.0);
  return {sample("with replacement", make.uniform({3, 5}, 0.1, 1.0), 8, true),
          sample("without replacement", make.uniform({3, 5}, 0.1, 1.0), 4, false),
          sample("one row", make.uniform({7}, 0.1, 1.0), 7, false),
          sample("zeros, with replacement", with_zeros, 9, true),
          sample("zeros, without replacement", with_zeros, 4, false),
          sample("no draws", make.uniform({2, 3}, 0.1, 1.0), 0, true)};
}
std::vector<ErrorSample> multinomial_errors() {
  return {{"too many",
           [] {
             multinomial(ones({2, 3}), 4);
           },
           ErrorKind::argument, "multinomial: too many draws"},
          {"negative weight", [] { multinomial(full({2}, -1.0), 1); }, ErrorKind::argument,
           "multinomial: weights must be finite"},
          {"no weight",
           [] {
             multinomial(zeros({2, 3}), 1, true);
           },
           ErrorKind::argument, "multinomial: a row needs"},
          {"negative count", [] { multinomial(ones({2}), -1); }, ErrorKind::argument, "multinomial: the count"},
          {"rank",
           [] {
             multinomial(ones({2, 2, 2}), 1);
           },
           ErrorKind::shape, "multinomial: the weights have the wrong rank"},
          {"integers", [] { multinomial(ones({2}, int64), 1); }, ErrorKind::dtype, "multinomial: "}};
}

}  // namespace

SampleList sampling_samples() {
  return {{"bernoulli", bernoulli_samples, bernoulli_errors}, {"multinomial", multinomial_samples, multinomial_errors}};
}

}  // namespace samples
