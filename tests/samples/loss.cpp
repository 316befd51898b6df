#include <algorithm>
#include <cmath>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor cross_entropy_reference(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  const auto rows = static_cast<std::size_t>(logits.size(0)), classes = static_cast<std::size_t>(logits.size(1));
  const std::vector<double> x = doubles_of(logits);
  const std::vector<double> weight =
      options.weight.defined() ? doubles_of(options.weight) : std::vector<double>(classes, 1.0);
  const std::vector<std::int64_t> numbers = targets.to_vector<std::int64_t>();
  std::vector<double> losses(rows, 0.0);
  double total = 0, weights = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    if (numbers[r] == options.ignore_index) continue;
    const double* row = x.data() + r * classes;
    const double maximum = *std::max_element(row, row + classes);
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += std::exp(row[c] - maximum);
    for (std::size_t c = 0; c < classes; ++c) {
      const double share = (static_cast<std::int64_t>(c) == numbers[r] ? 1.0 - options.label_smoothing : 0.0) +
                           options.label_smoothing / static_cast<double>(classes);
      losses[r] += share * weight[c] * (maximum + std::log(sum) - row[c]);
    }
    total += losses[r];
    weights += weight[static_cast<std::size_t>(numbers[r])];
  }
  if (options.reduction == Reduction::none) return from_doubles(losses, {logits.size(0)}, logits.dtype());
  if (options.reduction == Reduction::mean && weights > 0) total /= weights;
  return from_doubles({total}, {}, logits.dtype());
}

std::vector<Sample> samples_of_cross_entropy(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& logits, const Tensor& targets, CrossEntropyOptions options) {
    return Sample{
        .name = name,
        .inputs = {logits},
        .run = [=](const TensorList& in) { return TensorList{cross_entropy(in[0], targets, options)}; },
        .reference =
            [=](const TensorList& in) { return TensorList{cross_entropy_reference(in[0], targets, options)}; }};
  };
  const Tensor targets = make.integers({6}, 0, 5);
  const Tensor weight = make.uniform({5}, 0.2, 2.0);
  const Tensor some_ignored = tensor(std::vector<std::int64_t>{0, -100, 4, 2, -100, 1});
  const Tensor all_ignored = full({6}, -100, int64);
  const Tensor logits = make.normal({6, 5});
  const Tensor no_targets = Tensor::empty({0}, int64);
  CrossEntropyOptions an_ignored_class;
  an_ignored_class.ignore_index = targets.to_vector<std::int64_t>().front();
  return {
      sample("mean", logits, targets, {}),
      sample("sum", make.normal({6, 5}), targets, {.reduction = Reduction::sum}),
      sample("none", make.normal({6, 5}), targets, {.reduction = Reduction::none}),
      sample("wider than a vector", make.normal({6, 37}), make.integers({6}, 0, 37), {.label_smoothing = 0.1}),
      sample("one class", make.normal({6, 1}), zeros({6}, int64), {}),
      sample("weights", make.normal({6, 5}), targets, {.weight = weight}),
      sample("ignored rows", make.normal({6, 5}), some_ignored, {}),
      sample("an ignored class", make.normal({6, 5}), targets, an_ignored_class),
      sample("label smoothing", make.normal({6, 5}), targets, {.label_smoothing = 0.1}),
      sample("nothing but smoothing", make.normal({6, 5}), targets, {.label_smoothing = 1.0}),
      sample("all options, mean", make.normal({6, 5}), some_ignored, {.weight = weight, .label_smoothing = 0.2}),
      sample("all options, sum", make.normal({6, 5}), some_ignored,
             {.weight = weight, .label_smoothing = 0.2, .reduction = Reduction::sum}),
      sample("all options, none", make.normal({6, 5}), some_ignored,
             {.weight = weight, .label_smoothing = 0.2, .reduction = Reduction::none}),
      sample("everything ignored", make.normal({6, 5}), all_ignored, {.weight = weight, .label_smoothing = 0.2}),
      sample("large logits", make.uniform({6, 5}, 400.0, 420.0), targets, {}),
      sample("no rows", make.normal({0, 5}), no_targets, {}),
      sample("no rows, none", make.normal({0, 5}), no_targets, {.reduction = Reduction::none}),
  };
}

std::vector<ErrorSample> cross_entropy_errors() {
  const auto call = [](const Shape& logits, const Tensor& targets, const CrossEntropyOptions& options = {},
                       DType dtype = float32) {
    return [=] { cross_entropy(zeros(logits, dtype), targets, options); };
  };
  const Tensor targets = zeros({2}, int64);
  return {
      {"logits of one dimension", call({3}, targets), ErrorKind::shape, "cross_entropy: logits"},
      {"targets of another length", call({3, 4}, targets), ErrorKind::shape, "cross_entropy: targets"},
      {"transposed logits", call({4, 2}, targets), ErrorKind::shape,
       "cross_entropy: logits look transposed; got (4, 2)"},
      {"targets of two dimensions", call({2, 4}, zeros({2, 4}, int64)), ErrorKind::shape, "cross_entropy: targets"},
      {"integer logits", call({2, 4}, targets, {}, int64), ErrorKind::dtype, "cross_entropy: logits"},
      {"floating targets", call({2, 4}, zeros({2})), ErrorKind::dtype, "cross_entropy: targets"},
      {"target too large", call({2, 4}, tensor(std::vector<std::int64_t>{0, 4})), ErrorKind::index,
       "got 4 in row 1; expected 0 … 3"},
      {"negative target", call({2, 4}, tensor(std::vector<std::int64_t>{-1, 0})), ErrorKind::index,
       "got -1 in row 0; expected 0 … 3"},
      {"weight of another size", call({2, 4}, targets, {.weight = zeros({3})}), ErrorKind::shape,
       "cross_entropy: weight"},
      {"weight of another dtype", call({2, 4}, targets, {.weight = zeros({4}, float64)}), ErrorKind::dtype,
       "cross_entropy: weight"},
      {"smoothing above 1", call({2, 4}, targets, {.label_smoothing = 1.5}), ErrorKind::argument,
       "cross_entropy: label_smoothing"},
      {"negative smoothing", call({2, 4}, targets, {.label_smoothing = -0.1}), ErrorKind::argument,
       "cross_entropy: label_smoothing"},
      {"weight that wants a gradient",
       [] {
         cross_entropy(zeros({2, 4}), zeros({2}, int64), {.weight = ones({4}).set_requires_grad(true)});
       },
       ErrorKind::autograd, "cross_entropy: weight"},
  };
}

}  // namespace

SampleList loss_samples() { return {{"cross_entropy", samples_of_cross_entropy, cross_entropy_errors}}; }

}  // namespace samples
