// Batch norm and group norm where the registry's small samples do not reach: many chunks of rows, threads, neighbours,
// means that are far larger than the spread.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/batch_norm.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/group_norm.h"
#include "saw/autograd/ops/norm.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Segments;
using saw::Tensor;
using saw::TensorList;

struct Operands {
  Tensor x, weight, bias, gradient;
};

Operands make_operands(saw::DType dtype, std::int64_t rows, std::int64_t channels) {
  saw::Generator generator(4);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator, saw::float64).to(dtype); };
  const Operands o{normal({rows, channels}), normal({channels}), normal({channels}), normal({rows, channels})};
  for (const Tensor& leaf : {o.x, o.weight, o.bias}) leaf.set_requires_grad(true);
  return o;
}

/// The output of norm(x, weight, bias) and all gradients; with `reference` the gradients of the op made of plain ops.
template <class Norm>
TensorList outcome(const Operands& o, const Norm& norm, bool reference = false) {
  const Tensor y = norm(o.x, o.weight, o.bias);
  TensorList all = saw::grad({y}, {o.x, o.weight, o.bias}, {.grad_outputs = {o.gradient}, .create_graph = reference});
  all.insert(all.begin(), y);
  return all;
}

auto batch_norm() {
  return [](const Tensor& x, const Tensor& weight, const Tensor& bias) { return saw::batch_norm(x, weight, bias); };
}
auto group_norm(const Segments& segments, std::int64_t groups) {
  return [segments, groups](const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return saw::group_norm(x, segments, groups, weight, bias);
  };
}

Segments ragged() { return Segments::from_lengths({300, 1, 0, 17, 700, 2}); }

/// Float32 against float64, and both against the gradients of the op made of plain ops.
template <class Norm>
void check_precision(std::int64_t rows, std::int64_t channels, const Norm& norm) {
  const Operands wide = make_operands(saw::float64, rows, channels),
                 narrow = make_operands(saw::float32, rows, channels);
  const TensorList expected = outcome(wide, norm), reference = outcome(wide, norm, true),
                   actual = outcome(narrow, norm);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    const double size = test::magnitude(expected[i]);
    CHECK_EQ(test::difference(expected[i], reference[i], 1e-12 * size), "");
    CHECK_EQ(test::difference(actual[i].to(saw::float64), expected[i], 64 * test::epsilon(saw::float32) * size), "");
  }
}

TEST_CASE("batch_norm, group_norm: many rows in float32 give what float64 and the reference give") {
  for (const std::int64_t channels : {3, 16, 70}) {
    CAPTURE(channels);
    check_precision(1020, channels, batch_norm());
    check_precision(1020, channels, group_norm(ragged(), 1));
    check_precision(1020, channels, group_norm(ragged(), channels % 2 == 0 ? 2 : channels));
  }
}

TEST_CASE("batch_norm, group_norm: the same bits for every number of threads") {
  const Operands o = make_operands(saw::float32, 1020, 96);
  const auto check = [&](const auto& norm) {
    const TensorList serial = [&] {
      const test::Threads one(1);
      return outcome(o, norm);
    }();
    for (const int threads : {2, 7}) {
      const test::Threads scope(threads);
      CHECK_MESSAGE(test::same_bits(outcome(o, norm), serial), threads, " threads");
    }
  };
  check(batch_norm());
  check(group_norm(ragged(), 4));
}

TEST_CASE("group_norm: a sequence gets the same bits alone and in a batch") {
  const Segments segments = ragged();
  const Operands batch = make_operands(saw::float32, segments.rows(), 48);
  const TensorList together = outcome(batch, group_norm(segments, 3));
  for (std::int64_t s = 0; s < segments.count(); ++s) {
    CAPTURE(s);
    const auto rows = [&](const Tensor& x) {
      return test::copy_of(saw::slice(x.detach(), 0, segments.begin(s), segments.end(s)));
    };
    const Operands alone{rows(batch.x).set_requires_grad(true), batch.weight, batch.bias, rows(batch.gradient)};
    const TensorList one = outcome(alone, group_norm(Segments::single(alone.x.size(0)), 3));
    for (const std::size_t i : {0, 1}) CHECK(test::same_bits(test::copy_of(one[i].detach()), rows(together[i])));
  }
}

TEST_CASE("batch_norm, group_norm: a mean far larger than the spread costs no more than the input's own rounding") {
  // Steps of 1/512 around 10⁴ are exact in float32, so both precisions see the same numbers.
  saw::Generator generator(9);
  std::vector<double> values = saw::randn({2000, 4}, generator, saw::float64).to_vector<double>();
  for (double& value : values) value = 1e4 + std::round(value * 512) / 512;
  const Tensor wide = saw::tensor(values, {2000, 4}), narrow = wide.to(saw::float32);
  saw::BatchStatistics exact, rounded;
  const Tensor expected = saw::batch_norm(wide, {}, {}, 1e-5, &exact);
  const Tensor actual = saw::batch_norm(narrow, {}, {}, 1e-5, &rounded);
  CHECK_EQ(test::difference(actual.to(saw::float64), expected, 1e-5), "");
  CHECK_EQ(test::difference(rounded.variance.to(saw::float64), exact.variance, 1e-5), "");
  CHECK_EQ(test::difference(rounded.mean.to(saw::float64), exact.mean, 1e4 * test::epsilon(saw::float32)), "");
  // A first row that is nothing like the others.
  const Tensor outlier = saw::zeros({1, 4}, saw::float64);
  const auto with_outlier = [&](saw::DType dtype) {
    std::vector<double> all = outlier.to_vector<double>();
    all.insert(all.end(), values.begin(), values.end());
    return saw::group_norm(saw::tensor(all, {2001, 4}).to(dtype), Segments::from_lengths({1, 2000}), 2);
  };
  CHECK_EQ(test::difference(with_outlier(saw::float32).to(saw::float64), with_outlier(saw::float64), 1e-5), "");
}

TEST_CASE("batch_norm: NaN stays in its channel, and equal rows give the bias") {
  saw::Generator generator(3);
  const Tensor x = saw::randn({40, 20}, generator);
  std::vector<float> values = x.to_vector<float>();
  values[7 * 20 + 4] = std::numeric_limits<float>::quiet_NaN();
  const Tensor clean = saw::batch_norm(x), poisoned = saw::batch_norm(saw::tensor(values, {40, 20}));
  for (std::int64_t c = 0; c < 20; ++c) {
    CAPTURE(c);
    const Tensor column = poisoned.select(1, c);
    if (c == 4)
      for (const float value : column.to_vector<float>()) CHECK(std::isnan(value));
    else
      CHECK(test::same_bits(test::copy_of(column), test::copy_of(clean.select(1, c))));
  }
  const Tensor bias = saw::randn({20}, generator);
  const Tensor y = saw::batch_norm(saw::full({30, 20}, 0.1), {}, bias);
  CHECK(test::same_bits(test::copy_of(y.select(0, 29)), bias));
}

TEST_CASE("batch_norm, group_norm: steps of one size ask nothing of the system") {
  const Operands o = make_operands(saw::float32, 1020, 32);
  const auto step = [&] {
    outcome(o, batch_norm());
    outcome(o, group_norm(ragged(), 4));
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = saw::memory_stats();
  for (int i = 0; i < 10; ++i) step();
  CHECK(saw::memory_stats().system_allocations == before.system_allocations);
}

TEST_CASE("layer_norm, rms_norm: a row beyond float32's squares is normalised, and the others keep their bits") {
  saw::Generator generator(8);
  const Tensor x = saw::randn({4, 20}, generator);
  const Tensor mixed = x.clone();
  mixed.select(0, 1).mul_(1e25);
  mixed.select(0, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  const auto check = [&](auto&& norm) {
    const Tensor clean = norm(x), result = norm(mixed);
    for (const std::int64_t row : {0, 3})
      CHECK(test::same_bits(test::copy_of(result.select(0, row)), test::copy_of(clean.select(0, row))));
    // Epsilon counts for the small row, 1e-5 beside a variance near 1, and not for the large one.
    CHECK_EQ(test::difference(result.select(0, 1), clean.select(0, 1), 1e-4), "");
    for (const float value : result.select(0, 2).to_vector<float>()) CHECK(std::isnan(value));
    const Tensor leaf = mixed.clone().set_requires_grad(true), plain = x.clone().set_requires_grad(true);
    norm(leaf).select(0, 0).sum().backward();
    norm(plain).select(0, 0).sum().backward();
    CHECK_EQ(test::difference(leaf.grad().select(0, 0), plain.grad().select(0, 0), 64 * test::epsilon(saw::float32)),
             "");
  };
  check([](const Tensor& in) { return saw::layer_norm(in); });
  check([](const Tensor& in) { return saw::rms_norm(in); });
}

}  // namespace
