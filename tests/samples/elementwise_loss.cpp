#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using Loss = std::function<Tensor(const Tensor& input, const Tensor& target, Reduction reduction)>;
using Formula = std::function<double(double x, double t)>;

Tensor naive_loss(const Tensor& input, const Tensor& target, Reduction reduction, const Formula& formula) {
  const std::vector<double> x = doubles_of(input), t = doubles_of(target);
  std::vector<double> losses(x.size());
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += losses[i] = formula(x[i], t[i]);
  if (reduction == Reduction::none) return from_doubles(losses, input.shape(), input.dtype());
  if (reduction == Reduction::mean) total /= static_cast<double>(x.size());
  return from_doubles({total}, {}, input.dtype());
}

/// `inputs` makes an input and a target of a shape.
std::vector<Sample> samples_of(const std::function<TensorList(const Shape&)>& inputs, const Loss& loss,
                               const Formula& formula) {
  const auto sample = [&](const char* name, const Shape& shape, Reduction reduction) {
    return Sample{
        .name = name,
        .inputs = inputs(shape),
        .run = [=](const TensorList& in) { return TensorList{loss(in[0], in[1], reduction)}; },
        .reference = [=](const TensorList& in) { return TensorList{naive_loss(in[0], in[1], reduction, formula)}; }};
  };
  return {sample("mean", {3, 5}, Reduction::mean),
          sample("sum", {3, 5}, Reduction::sum),
          sample("none", {3, 5}, Reduction::none),
          sample("longer than a vector", {2, 37}, Reduction::none),
          sample("longer than a vector, mean", {2, 37}, Reduction::mean),
          sample("a number", {}, Reduction::mean),
          sample("no elements, sum", {0, 3}, Reduction::sum),
          sample("no elements, none", {0, 3}, Reduction::none)};
}

std::vector<ErrorSample> errors_of(const std::string& op, const Loss& loss) {
  const auto call = [=](const Tensor& input, const Tensor& target) {
    return [=] { loss(input, target, Reduction::mean); };
  };
  return {{"shapes", call(zeros({2, 1}), zeros({2})), ErrorKind::shape, op + ": the target has another shape"},
          {"integers", call(zeros({2}, int64), zeros({2}, int64)), ErrorKind::dtype, op + ": needs floating point"},
          {"dtypes", call(zeros({2}), zeros({2}, float64)), ErrorKind::dtype, op + ": the target has another dtype"}};
}

/// Distances that keep away from 0 and ±1, where the slopes jump or bend, also when elements are repeated.
std::function<TensorList(const Shape&)> distances(SampleMaker& make) {
  return [&make](const Shape& shape) {
    const Tensor target = make.uniform(shape, -0.01, 0.01);
    return TensorList{make.away_from(shape, {0.0, -1.0, 1.0}), target};
  };
}

double huber(double distance, double delta) {
  const double a = std::abs(distance);
  return a <= delta ? a * a / 2 : delta * (a - delta / 2);
}

std::vector<Sample> samples_of_mse_loss(SampleMaker& make) {
  return samples_of(
      distances(make), [](const auto& x, const auto& t, auto r) { return mse_loss(x, t, r); },
      [](double x, double t) { return std::pow(x - t, 2); });
}
std::vector<ErrorSample> mse_loss_errors() {
  return errors_of("mse_loss", [](const auto& x, const auto& t, auto r) { return mse_loss(x, t, r); });
}

std::vector<Sample> samples_of_l1_loss(SampleMaker& make) {
  return samples_of(
      distances(make), [](const auto& x, const auto& t, auto r) { return l1_loss(x, t, r); },
      [](double x, double t) { return std::abs(x - t); });
}
std::vector<ErrorSample> l1_loss_errors() {
  return errors_of("l1_loss", [](const auto& x, const auto& t, auto r) { return l1_loss(x, t, r); });
}

std::vector<Sample> samples_of_huber_loss(SampleMaker& make) {
  std::vector<Sample> samples = samples_of(
      distances(make), [](const auto& x, const auto& t, auto r) { return huber_loss(x, t, 1.0, r); },
      [](double x, double t) { return huber(x - t, 1.0); });
  const Tensor x = make.away_from({4, 5}, {0.0, -0.4, 0.4}), t = make.uniform({4, 5}, -0.01, 0.01);
  samples.push_back({.name = "another delta",
                     .inputs = {x, t},
                     .run = [](const TensorList& in) { return TensorList{huber_loss(in[0], in[1], 0.4)}; },
                     .reference =
                         [](const TensorList& in) {
                           return TensorList{naive_loss(in[0], in[1], Reduction::mean,
                                                        [](double a, double b) { return huber(a - b, 0.4); })};
                         }});
  return samples;
}
std::vector<ErrorSample> huber_loss_errors() {
  std::vector<ErrorSample> errors =
      errors_of("huber_loss", [](const auto& x, const auto& t, auto r) { return huber_loss(x, t, 1.0, r); });
  errors.push_back({"delta", [] { huber_loss(zeros({2}), zeros({2}), 0.0); }, ErrorKind::argument,
                    "huber_loss: delta must be positive; got 0"});
  return errors;
}

std::vector<Sample> samples_of_smooth_l1_loss(SampleMaker& make) {
  std::vector<Sample> samples = samples_of(
      distances(make), [](const auto& x, const auto& t, auto r) { return smooth_l1_loss(x, t, 1.0, r); },
      [](double x, double t) { return huber(x - t, 1.0); });
  for (const double beta : {0.0, 0.4}) {
    const Tensor x = make.away_from({4, 5}, {0.0, -0.4, 0.4}), t = make.uniform({4, 5}, -0.01, 0.01);
    samples.push_back(
        {.name = beta == 0.0 ? "beta 0" : "another beta",
         .inputs = {x, t},
         .run = [=](const TensorList& in) { return TensorList{smooth_l1_loss(in[0], in[1], beta, Reduction::none)}; },
         .reference =
             [=](const TensorList& in) {
               return TensorList{naive_loss(in[0], in[1], Reduction::none, [=](double a, double b) {
                 return beta == 0 ? std::abs(a - b) : huber(a - b, beta) / beta;
               })};
             }});
  }
  return samples;
}
std::vector<ErrorSample> smooth_l1_loss_errors() {
  std::vector<ErrorSample> errors =
      errors_of("smooth_l1_loss", [](const auto& x, const auto& t, auto r) { return smooth_l1_loss(x, t, 1.0, r); });
  errors.push_back({"beta", [] { smooth_l1_loss(zeros({2}), zeros({2}), -1.0); }, ErrorKind::argument,
                    "smooth_l1_loss: beta must not be negative; got -1"});
  return errors;
}

double naive_bce(double x, double t) {
  const auto minus_log = [](double y) { return y > 0 ? std::log1p(std::exp(-y)) : -y + std::log1p(std::exp(y)); };
  return t * minus_log(x) + (1 - t) * minus_log(-x);  // −log σ(x) and −log σ(−x)
}

std::vector<Sample> samples_of_binary_cross_entropy(SampleMaker& make) {
  std::vector<Sample> samples = samples_of(
      [&](const Shape& shape) {
        const Tensor x = make.normal(shape);
        return TensorList{x, make.uniform(shape, 0.0, 1.0)};
      },
      [](const auto& x, const auto& t, auto r) { return binary_cross_entropy_with_logits(x, t, {.reduction = r}); },
      naive_bce);
  samples.push_back({.name = "weights",
                     .inputs = {make.normal({4, 3}), make.uniform({4, 3}, 0.0, 1.0), make.uniform({4, 3}, 0.5, 2.0),
                                make.uniform({3}, 0.5, 2.0)},
                     .run =
                         [](const TensorList& in) {
                           return TensorList{binary_cross_entropy_with_logits(
                               in[0], in[1], {.weight = in[2], .pos_weight = in[3], .reduction = Reduction::none})};
                         },
                     .reference =
                         [](const TensorList& in) {
                           const std::vector<double> x = doubles_of(in[0]), t = doubles_of(in[1]),
                                                     w = doubles_of(in[2]), p = doubles_of(in[3]);
                           std::vector<double> losses(x.size());
                           for (std::size_t i = 0; i < x.size(); ++i)
                             losses[i] =
                                 w[i] * (p[i % 3] * t[i] * naive_bce(x[i], 1) + (1 - t[i]) * naive_bce(x[i], 0));
                           return TensorList{from_doubles(losses, in[0].shape(), in[0].dtype())};
                         }});
  return samples;
}
std::vector<ErrorSample> binary_cross_entropy_errors() {
  const std::string name = "binary_cross_entropy_with_logits";
  std::vector<ErrorSample> errors = errors_of(name, [](const auto& x, const auto& t, auto r) {
    return binary_cross_entropy_with_logits(x, t, {.reduction = r});
  });
  errors.push_back({"weight",
                    [] {
                      binary_cross_entropy_with_logits(zeros({2, 3}), zeros({2, 3}), {.weight = zeros({3})});
                    },
                    ErrorKind::shape, name + ": weight has another shape"});
  errors.push_back({"pos_weight",
                    [] {
                      binary_cross_entropy_with_logits(zeros({2, 3}), zeros({2, 3}), {.pos_weight = zeros({2})});
                    },
                    ErrorKind::shape, name + ": pos_weight does not fit"});
  return errors;
}

}  // namespace

SampleList elementwise_loss_samples() {
  return {{"mse_loss", samples_of_mse_loss, mse_loss_errors},
          {"l1_loss", samples_of_l1_loss, l1_loss_errors},
          {"huber_loss", samples_of_huber_loss, huber_loss_errors},
          {"smooth_l1_loss", samples_of_smooth_l1_loss, smooth_l1_loss_errors},
          {"binary_cross_entropy_with_logits", samples_of_binary_cross_entropy, binary_cross_entropy_errors}};
}

}  // namespace samples
