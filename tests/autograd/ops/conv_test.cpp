// Convolution where the registry's small samples do not reach: many blocks of rows, threads, neighbours.

#include "saw/autograd/ops/conv.h"

#include <doctest/doctest.h>

#include <limits>
#include <utility>
#include <vector>

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

const std::vector<Conv1dOptions> some_options = {
    {},
    {.stride = 2, .padding_left = 1, .padding_right = 1},
    {.dilation = 3},
    {.stride = 3, .dilation = 2, .padding_left = 0, .padding_right = 4},
};

Segments many_segments() {
  saw::Generator generator(2);
  std::vector<std::int64_t> lengths = {0, 700, 1};
  for (const std::int64_t length : saw::randint(0, 16, {80}, generator).to_vector<std::int64_t>())
    lengths.push_back(length);
  return Segments::from_lengths(lengths);
}

struct Operands {
  Tensor x, weight, bias, gradient;
  Segments segments;
  Conv1dOptions options;
};

Operands make_operands(saw::DType dtype, const Segments& segments, std::int64_t in, std::int64_t out,
                       std::int64_t kernel, const Conv1dOptions& options) {
  saw::Generator generator(4);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator, dtype); };
  const Operands o{normal({segments.rows(), in}),
                   normal({out, in, kernel}),
                   normal({out}),
                   normal({saw::conv1d_segments(segments, kernel, options).rows(), out}),
                   segments,
                   options};
  for (const Tensor& leaf : {o.x, o.weight, o.bias}) leaf.set_requires_grad(true);
  return o;
}

/// The output and the gradients of x, weight and bias; with `reference` those of the op made of plain ops.
TensorList outcome(const Operands& o, bool reference = false) {
  const Tensor y = saw::conv1d(o.x, o.segments, o.weight, o.bias, o.options);
  TensorList all = saw::grad({y}, {o.x, o.weight, o.bias}, {.grad_outputs = {o.gradient}, .create_graph = reference});
  all.insert(all.begin(), y);
  return all;
}

/// The output by the definition, in double.
Tensor by_definition(const Operands& o) {
  const auto x = o.x.to(saw::float64).to_vector<double>(), weight = o.weight.to(saw::float64).to_vector<double>();
  const auto bias = o.bias.to(saw::float64).to_vector<double>();
  const std::int64_t out = o.weight.size(0), in = o.weight.size(1), kernel = o.weight.size(2);
  const std::int64_t all = (kernel - 1) * o.options.dilation;
  const std::int64_t padding = o.options.padding_left >= 0 ? o.options.padding_left : all / 2;
  std::vector<double> y;
  for (std::int64_t s = 0; s < o.segments.count(); ++s)
    for (std::int64_t u = 0; u < saw::conv1d_output_length(o.segments.length(s), kernel, o.options); ++u)
      for (std::int64_t c = 0; c < out; ++c) {
        double sum = bias[static_cast<std::size_t>(c)];
        for (std::int64_t tap = 0; tap < kernel; ++tap) {
          const std::int64_t t = u * o.options.stride + tap * o.options.dilation - padding;
          if (t < 0 || t >= o.segments.length(s)) continue;
          for (std::int64_t i = 0; i < in; ++i)
            sum += x[static_cast<std::size_t>((o.segments.begin(s) + t) * in + i)] *
                   weight[static_cast<std::size_t>((c * in + i) * kernel + tap)];
        }
        y.push_back(sum);
      }
  return saw::tensor(y, {static_cast<std::int64_t>(y.size()) / out, out});
}

TEST_CASE("conv1d: many rows give what the reference gives, forward and backward") {
  const Segments segments = many_segments();
  std::vector<std::pair<std::int64_t, Conv1dOptions>> cases = {{1, {}}, {1, {.padding_left = 1, .padding_right = 0}}};
  for (const Conv1dOptions& options : some_options) cases.emplace_back(3, options);
  for (const saw::DType dtype : {saw::float64, saw::float32}) {
    for (const auto& [kernel, options] : cases) {
      const Operands o = make_operands(dtype, segments, 13, 21, kernel, options);
      const TensorList fused = outcome(o);
      TensorList plain = outcome(o, true);
      plain[0] = by_definition(o);
      for (std::size_t i = 0; i < fused.size(); ++i) {
        // Sums of up to 1300 products of normal numbers.
        const double allowed = 64 * test::epsilon(dtype) * test::magnitude(plain[i]);
        const std::string wrong = test::difference(fused[i], plain[i], allowed);
        CHECK_MESSAGE(wrong.empty(), "result ", i, " ", wrong);
      }
    }
  }
}

TEST_CASE("conv1d: the same bits for every number of threads") {
  for (const Conv1dOptions& options : some_options) {
    const Operands o = make_operands(saw::float32, many_segments(), 20, 24, 5, options);
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

TEST_CASE("conv1d: a sequence gets the same bits alone, in a batch, and beside NaN") {
  const Segments segments = Segments::from_lengths({5, 1, 130, 0, 2, 64});
  std::vector<std::pair<std::int64_t, Conv1dOptions>> cases = {{1, {}}};  // the kernel that gathers nothing
  for (const Conv1dOptions& options : some_options) cases.emplace_back(4, options);
  for (const auto& [kernel, options] : cases) {
    const Operands batch = make_operands(saw::float32, segments, 6, 5, kernel, options);
    const Segments results = saw::conv1d_segments(segments, kernel, options);
    const Tensor together = saw::conv1d(batch.x, segments, batch.weight, batch.bias, options);
    const Tensor gradient = saw::grad({together}, {batch.x}, {.grad_outputs = {batch.gradient}})[0];
    for (std::int64_t s = 0; s < segments.count(); ++s) {
      const auto rows = [s](const Tensor& x, const Segments& of) {
        return test::copy_of(saw::slice(x.detach(), 0, of.begin(s), of.end(s)));
      };
      const auto poisoned = [s](const Tensor& x, const Segments& of) {
        std::vector<bool> others;
        for (std::int64_t row = 0; row < of.rows(); ++row) others.push_back(row < of.begin(s) || row >= of.end(s));
        return saw::masked_fill(x.detach(), saw::tensor(others).reshape({of.rows(), 1}),
                                std::numeric_limits<double>::quiet_NaN());
      };
      const Tensor alone = rows(batch.x, segments).set_requires_grad(true);
      const Tensor y = saw::conv1d(alone, Segments::single(alone.size(0)), batch.weight, batch.bias, options);
      CHECK_MESSAGE(test::same_bits(test::copy_of(y), rows(together, results)), "segment ", s);
      const Tensor dx = saw::grad({y}, {alone}, {.grad_outputs = {rows(batch.gradient, results)}})[0];
      CHECK_MESSAGE(test::same_bits(test::copy_of(dx), rows(gradient, segments)), "gradient of segment ", s);

      const Tensor x = poisoned(batch.x, segments).clone().set_requires_grad(true);
      const Tensor beside = saw::conv1d(x, segments, batch.weight, batch.bias, options);
      CHECK_MESSAGE(test::same_bits(rows(beside, results), rows(together, results)), "segment ", s, " beside NaN");
      const Tensor beside_gradient = saw::grad({beside}, {x}, {.grad_outputs = {poisoned(batch.gradient, results)}})[0];
      CHECK_MESSAGE(test::same_bits(rows(beside_gradient, segments), rows(gradient, segments)), "gradient of segment ",
                    s, " beside NaN");
    }
  }
}

TEST_CASE("conv1d: output lengths") {
  using saw::conv1d_output_length;
  for (const std::int64_t kernel : {1, 2, 3, 4, 5})
    for (const std::int64_t dilation : {1, 2, 3})
      for (const std::int64_t length : {0, 1, 2, 9})
        CHECK(conv1d_output_length(length, kernel, {.dilation = dilation}) == length);
  CHECK(conv1d_output_length(9, 3, {.padding_left = 0, .padding_right = 0}) == 7);
  CHECK(conv1d_output_length(2, 3, {.padding_left = 0, .padding_right = 0}) == 0);
  CHECK(conv1d_output_length(9, 3, {.padding_left = 0}) == 9);   // all on the right
  CHECK(conv1d_output_length(9, 3, {.padding_right = 1}) == 9);  // the rest on the left
  CHECK(conv1d_output_length(9, 3, {.stride = 2}) == 5);
  CHECK(conv1d_output_length(10, 3, {.stride = 4, .dilation = 2, .padding_left = 1, .padding_right = 0}) == 2);
  CHECK(conv1d_output_length(0, 3, {.padding_left = 5, .padding_right = 5}) == 0);
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(test::error_text([&] { conv1d_output_length(3, 1, {.padding_left = most, .padding_right = most}); }) ==
        "conv1d_output_length: kernel, dilation or padding is too large; got 1, 1, and 9223372036854775807 and "
        "9223372036854775807");
  CHECK(test::error_text([&] { conv1d_output_length(3, 3, {.dilation = most}); }) ==
        "conv1d_output_length: kernel, dilation or padding is too large; got 3, 9223372036854775807, and -1 and -1");
  CHECK(saw::conv1d_segments(Segments::from_lengths({5, 0, 2}), 3, {.stride = 2}) == Segments::from_lengths({3, 0, 1}));
  CHECK(test::error_text([] { conv1d_output_length(-1, 3); }).find("length is negative; got -1") != std::string::npos);
  CHECK(test::error_text([] { conv1d_output_length(4, 0); }).find("kernel has no taps") != std::string::npos);
}

}  // namespace
