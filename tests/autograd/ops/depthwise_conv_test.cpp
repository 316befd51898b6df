// Depthwise convolution where the registry's small samples do not reach: many blocks of rows, panels of channels,
// threads, neighbours.

#include "saw/autograd/ops/depthwise_conv.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Conv1dOptions;
using saw::Segments;
using saw::Tensor;
using saw::TensorList;

struct Case {
  std::int64_t channels, kernel;
  Conv1dOptions options;
};

const std::vector<Case> cases = {
    {144, 31, {}},
    {70, 15, {.padding_right = 0}},
    {17, 8, {.stride = 2}},
    {64, 3, {.dilation = 3}},
    {33, 5, {.stride = 3, .dilation = 2, .padding_left = 0, .padding_right = 4}},
    {20, 4, {.stride = 4, .dilation = 6, .padding_left = 9, .padding_right = 9}},
    {16, 3, {.dilation = 90}},  // further apart than a block of rows
    {5, 1, {.stride = 2}},
};

Segments many_segments() {
  saw::Generator generator(2);
  std::vector<std::int64_t> lengths = {0, 700, 1};
  for (const std::int64_t length : saw::randint(0, 16, {60}, generator).to_vector<std::int64_t>())
    lengths.push_back(length);
  return Segments::from_lengths(lengths);
}

struct Operands {
  Tensor x, weight, bias, gradient;
  Segments segments;
  Conv1dOptions options;
};

Operands make_operands(saw::DType dtype, const Segments& segments, const Case& c) {
  saw::Generator generator(4);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator, dtype); };
  const Operands o{normal({segments.rows(), c.channels}),
                   normal({c.channels, 1, c.kernel}),
                   normal({c.channels}),
                   normal({saw::conv1d_segments(segments, c.kernel, c.options).rows(), c.channels}),
                   segments,
                   c.options};
  for (const Tensor& leaf : {o.x, o.weight, o.bias}) leaf.set_requires_grad(true);
  return o;
}

/// The output and the gradients of x, weight and bias; with `reference` those of the op made of plain ops.
TensorList outcome(const Operands& o, bool reference = false) {
  const Tensor y = saw::depthwise_conv1d(o.x, o.segments, o.weight, o.bias, o.options);
  TensorList all = saw::grad({y}, {o.x, o.weight, o.bias}, {.grad_outputs = {o.gradient}, .create_graph = reference});
  all.insert(all.begin(), y);
  return all;
}

/// The output by the definition, in double.
Tensor by_definition(const Operands& o) {
  const auto x = o.x.to(saw::float64).to_vector<double>(), weight = o.weight.to(saw::float64).to_vector<double>();
  const auto bias = o.bias.to(saw::float64).to_vector<double>();
  const std::int64_t channels = o.weight.size(0), kernel = o.weight.size(2);
  const std::int64_t all = (kernel - 1) * o.options.dilation;
  const std::int64_t right = o.options.padding_right;
  const std::int64_t padding = o.options.padding_left >= 0 ? o.options.padding_left
                               : right >= 0                ? all - right
                                                           : all / 2;
  std::vector<double> y;
  for (std::int64_t s = 0; s < o.segments.count(); ++s)
    for (std::int64_t u = 0; u < saw::conv1d_output_length(o.segments.length(s), kernel, o.options); ++u)
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = bias[static_cast<std::size_t>(c)];
        for (std::int64_t tap = 0; tap < kernel; ++tap) {
          const std::int64_t t = u * o.options.stride + tap * o.options.dilation - padding;
          if (t >= 0 && t < o.segments.length(s))
            sum += x[static_cast<std::size_t>((o.segments.begin(s) + t) * channels + c)] *
                   weight[static_cast<std::size_t>(c * kernel + tap)];
        }
        y.push_back(sum);
      }
  return saw::tensor(y, {static_cast<std::int64_t>(y.size()) / channels, channels});
}

TEST_CASE("depthwise_conv1d: many rows give what the reference gives, forward and backward") {
  const Segments segments = many_segments();
  for (const saw::DType dtype : {saw::float64, saw::float32})
    for (const Case& c : cases) {
      CAPTURE(c.channels);
      const Operands o = make_operands(dtype, segments, c);
      const TensorList fused = outcome(o);
      TensorList plain = outcome(o, true);
      plain[0] = by_definition(o);
      for (std::size_t i = 0; i < fused.size(); ++i) {
        // Sums of up to 1200 products of normal numbers.
        const double allowed = 64 * test::epsilon(dtype) * test::magnitude(plain[i]);
        const std::string wrong = test::difference(fused[i], plain[i], allowed);
        CHECK_MESSAGE(wrong.empty(), "result ", i, " ", wrong);
      }
    }
}

TEST_CASE("depthwise_conv1d: the same bits for every number of threads") {
  for (const Case& c : cases) {
    CAPTURE(c.channels);
    const Operands o = make_operands(saw::float32, many_segments(), c);
    const TensorList serial = [&] {
      const test::Threads one(1);
      return outcome(o);
    }();
    for (const int threads : {2, 7}) {
      const test::Threads scope(threads);
      CHECK_MESSAGE(test::same_bits(outcome(o), serial), threads, " threads");
    }
  }
}

TEST_CASE("depthwise_conv1d: a sequence gets the same bits alone, in a batch, and beside NaN") {
  const Segments segments = Segments::from_lengths({5, 1, 150, 0, 2, 64});
  for (const Case& c : cases) {
    CAPTURE(c.channels);
    const Operands batch = make_operands(saw::float32, segments, c);
    const Segments results = saw::conv1d_segments(segments, c.kernel, c.options);
    const TensorList together = outcome(batch);
    for (std::int64_t s = 0; s < segments.count(); ++s) {
      CAPTURE(s);
      const auto rows = [s](const Tensor& x, const Segments& of) {
        return test::copy_of(saw::slice(x.detach(), 0, of.begin(s), of.end(s)));
      };
      const auto poisoned = [s](const Tensor& x, const Segments& of) {
        std::vector<bool> others;
        for (std::int64_t row = 0; row < of.rows(); ++row) others.push_back(row < of.begin(s) || row >= of.end(s));
        return saw::masked_fill(x.detach(), saw::tensor(others).reshape({of.rows(), 1}),
                                std::numeric_limits<double>::quiet_NaN());
      };
      const Tensor x = rows(batch.x, segments).set_requires_grad(true);
      const TensorList alone =
          outcome({x, batch.weight, batch.bias, rows(batch.gradient, results), Segments::single(x.size(0)), c.options});
      CHECK(test::same_bits(test::copy_of(alone[0].detach()), rows(together[0], results)));
      CHECK(test::same_bits(test::copy_of(alone[1]), rows(together[1], segments)));

      const Tensor all = poisoned(batch.x, segments).clone().set_requires_grad(true);
      const TensorList beside =
          outcome({all, batch.weight, batch.bias, poisoned(batch.gradient, results), segments, c.options});
      CHECK(test::same_bits(rows(beside[0], results), rows(together[0], results)));
      CHECK(test::same_bits(rows(beside[1], segments), rows(together[1], segments)));
    }
  }
}

TEST_CASE("depthwise_conv1d: steps of one size ask nothing of the system") {
  const Operands o = make_operands(saw::float32, Segments::from_lengths({40, 9, 70}), {48, 7, {}});
  for (int i = 0; i < 3; ++i) outcome(o);
  const auto before = saw::memory_stats();
  for (int i = 0; i < 10; ++i) outcome(o);
  CHECK(saw::memory_stats().system_allocations == before.system_allocations);
}

}  // namespace
