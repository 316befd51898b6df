#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "samples/along_axis.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using Row = std::vector<double>;

std::vector<Sample> cumsum_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{cumsum(in[0], axis)}; },
                  .reference =
                      [=](const TensorList& in) {
                        return TensorList{along_axis(in[0], axis, in[0].size(axis), in[0].dtype(),
                                                     [](const std::vector<double>& row) {
                                                       std::vector<double> sums(row.size());
                                                       std::partial_sum(row.begin(), row.end(), sums.begin());
                                                       return sums;
                                                     })};
                      }};
  };
  return {sample("last axis", make.normal({3, 5}), -1),        sample("leading axis", make.normal({4, 3}), 0),
          sample("middle axis", make.normal({2, 5, 3}), 1),    sample("one dimension", make.normal({7}), 0),
          sample("integers", make.integers({2, 6}, -9, 9), 1), sample("empty axis", make.normal({3, 0}), 1)};
}
std::vector<ErrorSample> cumsum_errors() {
  return {{"axis out of range",
           [] {
             cumsum(zeros({2, 3}), -3);
           },
           ErrorKind::argument, "cumsum: axis"},
          {"bool", [] { cumsum(zeros({3}, boolean)); }, ErrorKind::dtype, "cumsum: "}};
}

// ---- cumprod ----

std::vector<Sample> cumprod_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{cumprod(in[0], axis)}; },
                  .reference =
                      [=](const TensorList& in) {
                        return TensorList{along_axis(in[0], axis, in[0].size(axis), in[0].dtype(), [](const Row& row) {
                          Row products(row.size());
                          std::partial_sum(row.begin(), row.end(), products.begin(), std::multiplies<>());
                          return products;
                        })};
                      }};
  };
  const Tensor zeros_inside = make.normal({3, 5});
  zeros_inside.slice(1, 1, 2).fill_(0.0);
  zeros_inside.slice(0, 1, 2).slice(1, 3, 4).fill_(0.0);
  return {sample("last axis", make.normal({3, 5}), -1),     sample("leading axis", make.normal({4, 3}), 0),
          sample("middle axis", make.normal({2, 5, 3}), 1), sample("many lines", make.normal({3, 37}), 0),
          sample("zeros inside", zeros_inside, 1),          sample("integers", make.integers({2, 6}, -9, 9), 1),
          sample("empty axis", make.normal({3, 0}), 1)};
}

// ---- cummax, cummin ----

using Extreme = ValuesAndIndices (*)(const Tensor& x, std::int64_t axis);

std::vector<Sample> extreme_samples(SampleMaker& make, Extreme op, bool largest) {
  const auto places = [largest](const Row& row) {
    Row result;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::size_t best = 0;
      for (std::size_t j = 1; j <= i; ++j)
        if (largest ? row[j] >= row[best] : row[j] <= row[best]) best = j;
      result.push_back(static_cast<double>(best));
    }
    return result;
  };
  const auto values = [places](const Row& row) {
    Row result = places(row);
    for (double& place : result) place = row[static_cast<std::size_t>(place)];
    return result;
  };
  const auto sample = [=](const char* name, const Tensor& x, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [=](const TensorList& in) {
                        const ValuesAndIndices y = op(in[0], axis);
                        return TensorList{y.values, y.indices};
                      },
                  .reference =
                      [=](const TensorList& in) {
                        const std::int64_t size = in[0].size(axis);
                        return TensorList{along_axis(in[0], axis, size, in[0].dtype(), values),
                                          along_axis(in[0], axis, size, int64, places)};
                      }};
  };
  return {sample("last axis", make.distinct({3, 5}), -1), sample("leading axis", make.distinct({4, 3}), 0),
          sample("middle axis", make.distinct({2, 5, 3}), 1), sample("ties", make.integers({2, 12}, 0, 3), 1),
          sample("empty axis", make.distinct({3, 0}), 1)};
}
std::vector<Sample> cummax_samples(SampleMaker& make) { return extreme_samples(make, cummax, true); }
std::vector<Sample> cummin_samples(SampleMaker& make) { return extreme_samples(make, cummin, false); }

std::vector<ErrorSample> errors_of(const std::string& name,
                                   const std::function<void(const Tensor&, std::int64_t)>& op) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), 2);
           },
           ErrorKind::argument, name + ": axis"},
          {"bool", [=] { op(zeros({3}, boolean), 0); }, ErrorKind::dtype, name + ": "}};
}
std::vector<ErrorSample> cumprod_errors() { return errors_of("cumprod", cumprod); }
std::vector<ErrorSample> cummax_errors() { return errors_of("cummax", cummax); }
std::vector<ErrorSample> cummin_errors() { return errors_of("cummin", cummin); }

// ---- diff ----

std::vector<Sample> diff_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t n, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{diff(in[0], n, axis)}; },
                  .reference =
                      [=](const TensorList& in) {
                        const std::int64_t size = std::max<std::int64_t>(0, in[0].size(axis) - n);
                        return TensorList{along_axis(in[0], axis, size, in[0].dtype(), [n](Row row) {
                          for (std::int64_t round = 0; round < n && !row.empty(); ++round) {
                            for (std::size_t i = 0; i + 1 < row.size(); ++i) row[i] = row[i + 1] - row[i];
                            row.pop_back();
                          }
                          return row;
                        })};
                      }};
  };
  return {
      sample("last axis", make.normal({3, 5}), 1, -1),  sample("leading axis", make.normal({4, 3}), 1, 0),
      sample("twice", make.normal({2, 5, 3}), 2, 1),    sample("integers", make.integers({2, 6}, -9, 9), 1, 1),
      sample("one element", make.normal({3, 1}), 1, 1), sample("more often than elements", make.normal({3, 2}), 3, 1)};
}
std::vector<ErrorSample> diff_errors() {
  std::vector<ErrorSample> errors = errors_of("diff", [](const Tensor& x, std::int64_t axis) { diff(x, 1, axis); });
  errors.push_back({"negative n", [] { diff(zeros({3}), -1); }, ErrorKind::argument, "diff: n must not be negative"});
  return errors;
}

}  // namespace

SampleList cumulative_samples() {
  return {{"cumsum", cumsum_samples, cumsum_errors},
          {"cumprod", cumprod_samples, cumprod_errors},
          {"cummax", cummax_samples, cummax_errors},
          {"cummin", cummin_samples, cummin_errors},
          {"diff", diff_samples, diff_errors}};
}

}  // namespace samples
