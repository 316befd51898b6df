#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "samples/along_axis.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Σ of the two neighbours by their distance, in the place of the axis.
Tensor naive_quantile(const Tensor& x, const std::vector<double>& parts, std::int64_t axis) {
  return along_axis(x, axis, static_cast<std::int64_t>(parts.size()), x.dtype(), [parts](std::vector<double> row) {
    std::sort(row.begin(), row.end());
    std::vector<double> result;
    for (const double part : parts) {
      const double place = part * static_cast<double>(row.size() - 1);
      const auto low = static_cast<std::size_t>(place), high = std::min(row.size() - 1, low + 1);
      const double share = place - std::floor(place);
      result.push_back(row[low] * (1 - share) + row[high] * share);
    }
    return result;
  });
}

std::vector<Sample> quantile_op_samples(SampleMaker& make) {
  const auto one = [](const char* name, const Tensor& x, double q, std::int64_t axis, bool keepdim) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{quantile(in[0], q, axis, keepdim)}; },
                  .reference =
                      [=](const TensorList& in) {
                        const Tensor y = naive_quantile(in[0], {q}, axis);
                        return TensorList{keepdim ? y : y.squeeze(axis)};
                      }};
  };
  const std::vector<double> parts{0.0, 0.3, 0.5, 1.0};
  const auto several = [&](const char* name, const Tensor& x, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{quantile(in[0], parts, axis)}; },
                  .reference =
                      [=](const TensorList& in) {
                        TensorList slices;
                        for (const double part : parts)
                          slices.push_back(naive_quantile(in[0], {part}, axis).squeeze(axis).unsqueeze(0));
                        return TensorList{cat(slices, 0)};
                      }};
  };
  return {one("median of an even number", make.distinct({3, 4}), 0.5, -1, false),
          one("leading axis, kept", make.distinct({5, 3}), 0.3, 0, true),
          one("largest", make.distinct({2, 5, 3}), 1.0, 1, false),
          one("one element", make.distinct({3, 1}), 0.7, 1, false),
          several("several, last axis", make.distinct({3, 6}), 1),
          several("several, middle axis", make.distinct({2, 5, 3}), 1),
          several("several, one dimension", make.distinct({7}), 0)};
}

std::vector<ErrorSample> quantile_errors() {
  return {{"axis out of range",
           [] {
             quantile(zeros({2, 3}), 0.5, 2);
           },
           ErrorKind::argument, "quantile: axis"},
          {"q above 1", [] { quantile(zeros({3}), 1.5, 0); }, ErrorKind::argument, "quantile: q must lie in [0, 1]"},
          {"empty axis",
           [] {
             quantile(zeros({3, 0}), 0.5, 1);
           },
           ErrorKind::shape, "quantile: the axis is empty"},
          {"integers", [] { quantile(zeros({3}, int64), 0.5, 0); }, ErrorKind::dtype, "quantile: "}};
}

}  // namespace

SampleList quantile_samples() { return {{"quantile", quantile_op_samples, quantile_errors}}; }

}  // namespace samples
