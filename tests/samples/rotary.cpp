#include <cmath>
#include <complex>
#include <string>
#include <vector>

#include "samples/attention_oracle.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Every pair as a complex number times exp(angle · i).
Tensor naive_rotary(const Tensor& x, const std::vector<std::int64_t>& positions, const RotaryOptions& options) {
  const HeadValues values(x);
  const std::int64_t heads = x.size(1), width = x.size(2);
  std::vector<double> result(static_cast<std::size_t>(x.numel()));
  for (std::int64_t row = 0; row < x.size(0); ++row) {
    const auto p = static_cast<double>(positions[static_cast<std::size_t>(row)]);
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < width / 2; ++i) {
        const std::int64_t a = options.interleaved ? 2 * i : i, b = options.interleaved ? 2 * i + 1 : i + width / 2;
        const double angle = p / std::pow(options.base, 2.0 * static_cast<double>(i) / static_cast<double>(width));
        const auto turned = std::complex<double>(values(row, h, a), values(row, h, b)) * std::polar(1.0, angle);
        result[static_cast<std::size_t>((row * heads + h) * width + a)] = turned.real();
        result[static_cast<std::size_t>((row * heads + h) * width + b)] = turned.imag();
      }
    }
  }
  return tensor(result, x.shape()).to(x.dtype());
}

std::vector<Sample> samples_of_rotary(SampleMaker& make) {
  struct Case {
    const char* name;
    std::int64_t heads, width;
    std::vector<std::int64_t> positions;
    RotaryOptions options = {};
  };
  const std::vector<std::int64_t> two_sequences = {0, 1, 2, 0, 1};
  std::vector<Sample> samples;
  for (const Case& c : std::vector<Case>{
           {"two sequences", 2, 6, two_sequences},
           {"halves", 2, 6, two_sequences, {.interleaved = false}},
           {"longer than a vector", 1, 38, {3, 2, 70}},
           {"longer than a vector, halves", 1, 38, {3, 2, 70}, {.interleaved = false}},
           {"far apart", 1, 4, {1000, 5, 63, 64, 65, 128}},
           {"another base", 3, 2, {1, 2}, {.base = 500.0}},
           {"no rows", 2, 4, {}},
           {"no width", 2, 0, {1}},
       })
    samples.push_back(
        {.name = c.name,
         .inputs = {make.normal({static_cast<std::int64_t>(c.positions.size()), c.heads, c.width})},
         .run = [c](const TensorList& in) { return TensorList{rotary(in[0], tensor(c.positions), c.options)}; },
         .reference = [c](const TensorList& in) { return TensorList{naive_rotary(in[0], c.positions, c.options)}; }});
  return samples;
}

std::vector<ErrorSample> rotary_errors() {
  const Tensor x = zeros({2, 1, 4}), positions = tensor(std::vector<std::int64_t>{0, 1});
  return {
      {"odd width",
       [=] {
         rotary(zeros({2, 1, 3}), positions);
       },
       ErrorKind::shape, "expected (rows, heads, an even"},
      {"rank",
       [=] {
         rotary(zeros({2, 4}), positions);
       },
       ErrorKind::shape, "got (2, 4)"},
      {"integers",
       [=] {
         rotary(zeros({2, 1, 4}, int64), positions);
       },
       ErrorKind::dtype, "rotary: "},
      {"positions' dtype", [=] { rotary(x, zeros({2})); }, ErrorKind::dtype, "positions must be int64; got float32"},
      {"positions' number",
       [=] {
         rotary(zeros({3, 1, 4}), positions);
       },
       ErrorKind::shape, "got positions (2,)"},
      {"negative position",
       [=] {
         rotary(x, tensor(std::vector<std::int64_t>{0, -1}));
       },
       ErrorKind::index, "a position is negative; got -1"},
      {"base", [=] { rotary(x, positions, {.base = 0.0}); }, ErrorKind::argument, "got 0"}};
}

}  // namespace

SampleList rotary_samples() { return {{"rotary", samples_of_rotary, rotary_errors}}; }

}  // namespace samples
