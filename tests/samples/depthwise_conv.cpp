#include <algorithm>
#include <string>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// A group per channel; the paddings spelt out: what is missing to (kernel − 1)·dilation, an odd one on the right.
NaiveConv naive(std::int64_t channels, std::int64_t kernel, const Conv1dOptions& options) {
  const std::int64_t all = (kernel - 1) * options.dilation;
  std::int64_t left = options.padding_left, right = options.padding_right;
  if (left < 0) left = right < 0 ? all / 2 : std::max<std::int64_t>(all - right, 0);
  if (right < 0) right = std::max<std::int64_t>(all - left, 0);
  return {.stride = options.stride,
          .dilation = options.dilation,
          .padding_left = left,
          .padding_right = right,
          .groups = channels};
}

std::vector<Sample> samples_of_depthwise_conv1d(SampleMaker& make) {
  struct Case {
    std::string name;
    Segments segments;
    std::int64_t channels, kernel;
    bool bias = true;
    Conv1dOptions options = {};
  };
  const Segments ragged = Segments::from_lengths({4, 0, 1, 6, 2});
  const std::vector<Case> cases = {
      {"same length", ragged, 3, 3},
      {"even kernel, no bias", ragged, 2, 4, false},
      {"kernel 1", ragged, 2, 1},
      {"causal padding", ragged, 3, 3, true, {.padding_right = 0}},
      {"looking ahead", ragged, 2, 3, true, {.padding_left = 0}},
      {"no padding, kernel longer than some sequences", ragged, 2, 3, true, {.padding_left = 0, .padding_right = 0}},
      {"no output", ragged, 2, 8, true, {.padding_left = 0, .padding_right = 0}},
      {"stride 2", ragged, 3, 3, true, {.stride = 2}},
      {"stride beyond the kernel", ragged, 2, 2, true, {.stride = 3, .padding_left = 1, .padding_right = 1}},
      {"stride 4", Segments::from_lengths({9, 5}), 2, 6, false, {.stride = 4, .padding_left = 1, .padding_right = 2}},
      {"dilation", ragged, 3, 3, true, {.dilation = 2}},
      {"dilation beyond the rows", ragged, 2, 3, true, {.dilation = 70}},
      {"dilation and stride", ragged, 2, 3, true, {.stride = 2, .dilation = 3, .padding_left = 4, .padding_right = 3}},
      {"dilation and stride with a common factor", ragged, 2, 3, true, {.stride = 4, .dilation = 2}},
      {"much padding", ragged, 2, 2, true, {.padding_left = 5, .padding_right = 4}},
      {"more channels than a vector holds", Segments::from_lengths({3, 2}), 19, 5},
      {"one channel", Segments::single(5), 1, 5},
      {"no channels", Segments::single(3), 0, 3},
      {"no rows", Segments::from_lengths({0, 0}), 3, 3},
      {"no segments", Segments(), 3, 3},
  };
  std::vector<Sample> samples;
  for (const Case& c : cases) {
    TensorList inputs = {make.normal({c.segments.rows(), c.channels}), make.normal({c.channels, 1, c.kernel})};
    if (c.bias) inputs.push_back(make.normal({c.channels}));
    const auto bias = [](const TensorList& in) { return in.size() > 2 ? in[2] : Tensor(); };
    samples.push_back({.name = c.name,
                       .inputs = std::move(inputs),
                       .run =
                           [c, bias](const TensorList& in) {
                             return TensorList{depthwise_conv1d(in[0], c.segments, in[1], bias(in), c.options)};
                           },
                       .reference =
                           [c, bias](const TensorList& in) {
                             return TensorList{naive_conv1d(in[0], c.segments, in[1], bias(in),
                                                            naive(c.channels, c.kernel, c.options))};
                           }});
  }
  return samples;
}

std::vector<ErrorSample> depthwise_conv1d_errors() {
  const auto call = [](const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options = {}) {
    return [=] { depthwise_conv1d(x, Segments::from_lengths({1, 2}), weight, bias, options); };
  };
  const Tensor x = zeros({3, 2}), weight = zeros({2, 1, 3}), none;
  return {
      {"rank of x", call(zeros({3}), weight, none), ErrorKind::shape, "depthwise_conv1d: x has the wrong rank"},
      {"rank of the weight", call(x, zeros({2, 3}), none), ErrorKind::shape, "expected (channels, 1, kernel)"},
      {"integers", call(zeros({3, 2}, int64), weight, none), ErrorKind::dtype, "needs floating point"},
      {"mixed dtypes", call(x, zeros({2, 1, 3}, float64), none), ErrorKind::dtype, "got float32 and float64"},
      {"channels", call(zeros({3, 5}), weight, none), ErrorKind::shape, "x (3, 5) and weight (2, 1, 3)"},
      {"several channels in", call(x, zeros({2, 2, 3}), none), ErrorKind::shape, "x (3, 2) and weight (2, 2, 3)"},
      {"rows", call(zeros({4, 2}), weight, none), ErrorKind::shape, "rows do not fit the segments"},
      {"bias", call(x, weight, zeros({3})), ErrorKind::shape, "bias does not fit; got (3,); expected (2,)"},
      {"bias's dtype", call(x, weight, zeros({2}, float64)), ErrorKind::dtype, "bias has another dtype"},
      {"kernel", call(x, zeros({2, 1, 0}), none), ErrorKind::argument, "kernel has no taps"},
      {"stride", call(x, weight, none, {.stride = 0}), ErrorKind::argument, "stride is not positive; got 0"},
      {"dilation", call(x, weight, none, {.dilation = -2}), ErrorKind::argument, "dilation is not positive; got -2"},
      {"padding", call(x, weight, none, {.padding_left = -2}), ErrorKind::argument, "padding is negative; got -2"},
  };
}

}  // namespace

SampleList depthwise_conv_samples() {
  return {{"depthwise_conv1d", samples_of_depthwise_conv1d, depthwise_conv1d_errors}};
}

}  // namespace samples
