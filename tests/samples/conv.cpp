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
  return {.stride = options.stride,
          .dilation = options.dilation,
          .padding_left = left,
          .padding_right = right,
          .groups = options.groups};
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
      {"two groups", ragged, 4, 6, 3, true, {.groups = 2}},
      {"two groups, stride 2, no bias", ragged, 4, 2, 2, false, {.stride = 2, .groups = 2}},
      {"a group per channel", ragged, 3, 3, 3, true, {.groups = 3}},
      {"two channels out per channel", ragged, 3, 6, 3, true, {.dilation = 2, .groups = 3}},
      {"no rows", Segments::from_lengths({0, 0}), 2, 3, 3},
      {"no segments", Segments(), 2, 3, 3},
  };
  std::vector<Sample> samples;
  for (const Case& c : cases) {
    TensorList inputs = {make.normal({c.segments.rows(), c.in}),
                         make.normal({c.out, c.in / c.options.groups, c.kernel})};
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
      {"groups", call(x, weight, none, {.groups = 3}), ErrorKind::argument,
       "conv1d: groups do not divide the channels"},
      {"channels of a group", call(x, weight, none, {.groups = 2}), ErrorKind::shape, "in 2 groups"},
      {"kernel", call(x, zeros({4, 2, 0}), none), ErrorKind::argument, "kernel has no taps"},
      {"stride", call(x, weight, none, {.stride = 0}), ErrorKind::argument, "stride is not positive; got 0"},
      {"dilation", call(x, weight, none, {.dilation = -2}), ErrorKind::argument, "dilation is not positive; got -2"},
      {"padding", call(x, weight, none, {.padding_left = -2}), ErrorKind::argument, "padding is negative; got -2"},
  };
}

/// Row t of x, times each tap, added where it belongs: the definition.
Tensor naive_conv_transpose1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                              const ConvTranspose1dOptions& options) {
  const std::vector<double> rows = doubles_of(x), taps = doubles_of(weight);
  const std::int64_t in = weight.size(0), width = weight.size(1), kernel = weight.size(2), out = width * options.groups;
  std::vector<double> result;
  std::int64_t begin = 0;
  for (std::int64_t s = 0; s < segments.count(); ++s) {
    const std::int64_t length = segments.length(s);
    if (length == 0) continue;
    const std::int64_t places =
        std::max<std::int64_t>(0, (length - 1) * options.stride - 2 * options.padding +
                                      options.dilation * (kernel - 1) + options.output_padding + 1);
    result.resize(static_cast<std::size_t>((begin + places) * out));
    for (std::int64_t u = 0; u < places; ++u)
      for (std::int64_t o = 0; o < out; ++o) {
        double sum = bias.defined() ? doubles_of(bias)[static_cast<std::size_t>(o)] : 0.0;
        for (std::int64_t t = 0; t < length; ++t)
          for (std::int64_t tap = 0; tap < kernel; ++tap) {
            if (t * options.stride + tap * options.dilation - options.padding != u) continue;
            for (std::int64_t c = 0; c < in; ++c)
              if (c / (in / options.groups) == o / width)
                sum += rows[static_cast<std::size_t>((segments.begin(s) + t) * in + c)] *
                       taps[static_cast<std::size_t>((c * width + o % width) * kernel + tap)];
          }
        result[static_cast<std::size_t>((begin + u) * out + o)] = sum;
      }
    begin += places;
  }
  return from_doubles(result, {begin, out}, x.dtype());
}

std::vector<Sample> samples_of_conv_transpose1d(SampleMaker& make) {
  struct Case {
    const char* name;
    std::int64_t in, width, kernel;
    bool bias;
    ConvTranspose1dOptions options;
  };
  const Segments ragged = Segments::from_lengths({4, 0, 1, 3});
  std::vector<Sample> samples;
  for (const Case& c :
       {Case{"stride 1", 3, 2, 3, true, {}}, Case{"stride 2", 2, 3, 4, true, {.stride = 2, .padding = 1}},
        Case{"stride beyond the kernel", 2, 2, 2, false, {.stride = 3}},
        Case{"output padding", 2, 2, 3, true, {.stride = 2, .padding = 1, .output_padding = 1}},
        Case{"dilation", 2, 2, 3, false, {.padding = 1, .dilation = 2}},
        Case{"nothing left of short sequences", 2, 2, 2, true, {.padding = 2}},
        Case{"two groups", 4, 3, 3, true, {.stride = 2, .groups = 2}}}) {
    TensorList inputs = {make.normal({ragged.rows(), c.in}), make.normal({c.in, c.width, c.kernel})};
    if (c.bias) inputs.push_back(make.normal({c.width * c.options.groups}));
    const auto bias = [](const TensorList& in) { return in.size() > 2 ? in[2] : Tensor(); };
    const ConvTranspose1dOptions options = c.options;
    samples.push_back({.name = c.name,
                       .inputs = std::move(inputs),
                       .run =
                           [=](const TensorList& in) {
                             return TensorList{conv_transpose1d(in[0], ragged, in[1], bias(in), options)};
                           },
                       .reference =
                           [=](const TensorList& in) {
                             return TensorList{naive_conv_transpose1d(in[0], ragged, in[1], bias(in), options)};
                           }});
  }
  return samples;
}

std::vector<ErrorSample> conv_transpose1d_errors() {
  const auto call = [](const Tensor& x, const Tensor& weight, const Tensor& bias, ConvTranspose1dOptions options = {}) {
    return [=] { conv_transpose1d(x, Segments::from_lengths({1, 2}), weight, bias, options); };
  };
  const Tensor x = zeros({3, 2}), weight = zeros({2, 4, 3}), none;
  return {{"channels", call(zeros({3, 5}), weight, none), ErrorKind::shape, "conv_transpose1d: channels differ"},
          {"rows", call(zeros({4, 2}), weight, none), ErrorKind::shape, "rows do not fit the segments"},
          {"mixed dtypes", call(x, zeros({2, 4, 3}, float64), none), ErrorKind::dtype, "got float32 and float64"},
          {"groups", call(x, weight, none, {.groups = 3}), ErrorKind::argument, "groups do not divide the channels"},
          {"bias", call(x, weight, zeros({3})), ErrorKind::shape, "conv_transpose1d: bias does not fit"},
          {"padding", call(x, weight, none, {.padding = -1}), ErrorKind::argument, "padding is negative; got -1"},
          {"output padding", call(x, weight, none, {.output_padding = 1}), ErrorKind::argument,
           "output_padding must be below stride or dilation; got 1"},
          {"stride", call(x, weight, none, {.stride = 0}), ErrorKind::argument, "stride is not positive; got 0"}};
}

}  // namespace

SampleList conv_samples() {
  return {{"conv1d", samples_of_conv1d, conv1d_errors},
          {"conv_transpose1d", samples_of_conv_transpose1d, conv_transpose1d_errors}};
}

}  // namespace samples
