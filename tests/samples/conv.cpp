#include <algorithm>
#include <string>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Options with the paddings spelt out: what is missing to (kernel − 1)·dilation, an odd one on the right.
NaiveConv naive(std::int64_t kernel, const Conv1dOptions& options) {
  const std::int64_t all = (kernel - 1) * options.dilation;
  std::int64_t left = options.padding_left, right = options.padding_right;
  if (left < 0) left = right < 0 ? all / 2 : std::max<std::int64_t>(all - right, 0);
  if (right < 0) right = std::max<std::int64_t>(all - left, 0);
  return {.stride = options.stride, .dilation = options.dilation, .padding_left = left, .padding_right = right};
}

std::vector<Sample> samples_of_conv1d(SampleMaker& make) {
  struct Case {
    std::string name;
    Segments segments;
    std::int64_t in, out, kernel;
    bool bias = true;
    Conv1dOptions options = {};
  };
  const Segments ragged = Segments::from_lengths({4, 0, 1, 6, 2});
  const std::vector<Case> cases = {
      {"same length", ragged, 3, 2, 3},
      {"even kernel, no bias", ragged, 2, 3, 4, false},
      {"kernel 1", ragged, 2, 2, 1},
      {"causal padding", ragged, 2, 3, 3, true, {.padding_right = 0}},
      {"looking ahead", ragged, 2, 3, 3, true, {.padding_left = 0}},
      {"no padding, kernel longer than some sequences", ragged, 2, 3, 3, true, {.padding_left = 0, .padding_right = 0}},
      {"no output", ragged, 2, 3, 8, true, {.padding_left = 0, .padding_right = 0}},
      {"stride 2", ragged, 3, 2, 3, true, {.stride = 2}},
      {"stride beyond the kernel", ragged, 2, 2, 2, true, {.stride = 3, .padding_left = 1, .padding_right = 1}},
      {"stride 4",
       Segments::from_lengths({9, 5}),
       1,
       2,
       6,
       false,
       {.stride = 4, .padding_left = 1, .padding_right = 2}},
      {"dilation", ragged, 2, 3, 3, true, {.dilation = 2}},
      {"dilation and stride",
       ragged,
       2,
       2,
       3,
       true,
       {.stride = 2, .dilation = 3, .padding_left = 4, .padding_right = 3}},
      {"much padding", ragged, 1, 2, 2, true, {.padding_left = 5, .padding_right = 4}},
      {"one channel", Segments::single(5), 1, 1, 5},
      {"no rows", Segments::from_lengths({0, 0}), 2, 3, 3},
      {"no segments", Segments(), 2, 3, 3},
  };
  std::vector<Sample> samples;
  for (const Case& c : cases) {
    TensorList inputs = {make.normal({c.segments.rows(), c.in}), make.normal({c.out, c.in, c.kernel})};
    if (c.bias) inputs.push_back(make.normal({c.out}));
    samples.push_back({.name = c.name,
                       .inputs = std::move(inputs),
                       .run =
                           [c](const TensorList& in) {
                             return TensorList{
                                 conv1d(in[0], c.segments, in[1], in.size() > 2 ? in[2] : Tensor(), c.options)};
                           },
                       .reference =
                           [c](const TensorList& in) {
                             return TensorList{naive_conv1d(in[0], c.segments, in[1], in.size() > 2 ? in[2] : Tensor(),
                                                            naive(c.kernel, c.options))};
                           }});
  }
  return samples;
}

std::vector<ErrorSample> conv1d_errors() {
  const auto call = [](const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options = {}) {
    return [=] { conv1d(x, Segments::from_lengths({1, 2}), weight, bias, options); };
  };
  const Tensor x = zeros({3, 2}), weight = zeros({4, 2, 3}), none;
  return {
      {"rank of x", call(zeros({3}), weight, none), ErrorKind::shape, "conv1d: x has the wrong rank; got (3,)"},
      {"rank of the weight", call(x, zeros({4, 2}), none), ErrorKind::shape, "expected (out, in, kernel)"},
      {"integers", call(zeros({3, 2}, int64), weight, none), ErrorKind::dtype, "conv1d: needs floating point"},
      {"mixed dtypes", call(x, zeros({4, 2, 3}, float64), none), ErrorKind::dtype, "got float32 and float64"},
      {"channels", call(zeros({3, 5}), weight, none), ErrorKind::shape, "x (3, 5) and weight (4, 2, 3)"},
      {"rows", call(zeros({4, 2}), weight, none), ErrorKind::shape, "rows do not fit the segments"},
      {"bias", call(x, weight, zeros({3})), ErrorKind::shape, "bias does not fit; got (3,); expected (4,)"},
      {"bias's dtype", call(x, weight, zeros({4}, float64)), ErrorKind::dtype, "bias has another dtype"},
      {"kernel", call(x, zeros({4, 2, 0}), none), ErrorKind::argument, "kernel has no taps"},
      {"stride", call(x, weight, none, {.stride = 0}), ErrorKind::argument, "stride is not positive; got 0"},
      {"dilation", call(x, weight, none, {.dilation = -2}), ErrorKind::argument, "dilation is not positive; got -2"},
      {"padding", call(x, weight, none, {.padding_left = -2}), ErrorKind::argument, "padding is negative; got -2"},
  };
}

}  // namespace

SampleList conv_samples() { return {{"conv1d", samples_of_conv1d, conv1d_errors}}; }

}  // namespace samples
