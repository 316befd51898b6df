#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> doubles_of(const Tensor& x) { return to(x, float64).to_vector<double>(); }

Sample one_input(const char* name, const Tensor& x, Sample::Function run, Sample::Function reference) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = std::move(reference)};
}

std::vector<Sample> samples_of_nonzero(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x) {
    return one_input(
        name, x, [](const TensorList& in) { return TensorList{nonzero(in[0])}; },
        [](const TensorList& in) {
          const std::vector<double> values = doubles_of(in[0]);
          std::vector<std::int64_t> positions;
          std::int64_t count = 0;
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i] == 0) continue;
            ++count;
            for (const std::int64_t position : unravel(static_cast<std::int64_t>(i), in[0].shape()))
              positions.push_back(position);
          }
          return TensorList{tensor(positions, {count, static_cast<std::int64_t>(in[0].rank())})};
        });
  };
  return {sample("integers", make.integers({4, 5}, 0, 3)),
          sample("bools", make.conditions({2, 3, 4})),
          sample("floating", to(make.integers({7}, -1, 2), make.dtype())),
          sample("scalar", make.normal({})),
          sample("nothing there", zeros({2, 3})),
          sample("empty", make.normal({0, 2}))};
}

std::vector<ErrorSample> nonzero_errors() {
  return {{"undefined", [] { nonzero(Tensor()); }, ErrorKind::argument, "nonzero: the tensor is undefined"}};
}

std::vector<Sample> samples_of_bincount(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t minlength) {
    return one_input(
        name, x, [=](const TensorList& in) { return TensorList{bincount(in[0], minlength)}; },
        [=](const TensorList& in) {
          const std::vector<std::int64_t> values = in[0].to_vector<std::int64_t>();
          std::vector<std::int64_t> counts;
          const std::int64_t largest = values.empty() ? -1 : *std::max_element(values.begin(), values.end());
          for (std::int64_t n = 0; n < std::max(largest + 1, minlength); ++n)
            counts.push_back(std::count(values.begin(), values.end(), n));
          return TensorList{tensor(counts)};
        });
  };
  return {sample("list", make.integers({20}, 0, 7), 0), sample("matrix", make.integers({4, 5}, 2, 9), 0),
          sample("at least that long", make.integers({6}, 0, 3), 8), sample("empty", make.integers({0}, 0, 3), 0),
          sample("empty but long", make.integers({0}, 0, 3), 2)};
}

std::vector<ErrorSample> bincount_errors() {
  return {{"negative",
           [] {
             bincount(tensor({1, -2}, int64));
           },
           ErrorKind::argument, "bincount: numbers must not be negative; got -2"},
          {"dtype", [] { bincount(zeros({2})); }, ErrorKind::dtype, "bincount: needs int64"},
          {"minlength", [] { bincount(tensor({1}, int64), -1); }, ErrorKind::argument, "bincount: minlength"},
          {"too large a number", [] { bincount(full({1}, 9e18, int64)); }, ErrorKind::shape,
           "bincount: too many elements"}};
}

std::vector<Sample> samples_of_unique(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x) {
    return one_input(
        name, x,
        [](const TensorList& in) {
          const Unique found = unique(in[0]);
          return TensorList{found.values, found.inverse, found.counts};
        },
        [](const TensorList& in) {
          const std::vector<double> all = doubles_of(in[0]);
          std::vector<double> values = all;
          std::sort(values.begin(), values.end());
          values.erase(std::unique(values.begin(), values.end()), values.end());
          std::vector<std::int64_t> inverse, counts;
          for (const double value : all)
            inverse.push_back(std::find(values.begin(), values.end(), value) - values.begin());
          for (const double value : values) counts.push_back(std::count(all.begin(), all.end(), value));
          return TensorList{to(tensor(values), in[0].dtype()), tensor(inverse, in[0].shape()), tensor(counts)};
        });
  };
  return {sample("integers", make.integers({4, 5}, -3, 4)),
          sample("bools", make.conditions({9})),
          sample("floating", to(make.integers({12}, -2, 3), make.dtype())),
          sample("all different", make.normal({8})),
          sample("scalar", make.normal({})),
          sample("empty", make.normal({0, 2}))};
}

std::vector<ErrorSample> unique_errors() {
  return {{"undefined", [] { unique(Tensor()); }, ErrorKind::argument, "unique: the tensor is undefined"}};
}

std::vector<Sample> samples_of_searchsorted(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& sorted, const Tensor& values, bool right) {
    return Sample{.name = name,
                  .inputs = {sorted, values},
                  .run = [right](const TensorList& in) { return TensorList{searchsorted(in[0], in[1], right)}; },
                  .reference =
                      [right](const TensorList& in) {
                        const std::vector<double> all = doubles_of(in[0]), wanted = doubles_of(in[1]);
                        const auto length = static_cast<std::size_t>(in[0].shape().back());
                        const std::size_t per_row =
                            in[0].rank() == 1 ? wanted.size() : static_cast<std::size_t>(in[1].shape().back());
                        std::vector<std::int64_t> places;
                        for (std::size_t i = 0; i < wanted.size(); ++i) {
                          const double value = wanted[i];
                          std::int64_t before = 0;
                          for (std::size_t k = 0; k < length; ++k) {
                            const double x = all[i / per_row * length + k];
                            before += x < value || (std::isnan(value) && !std::isnan(x)) ||
                                      (right && (x == value || (std::isnan(x) && std::isnan(value))));
                          }
                          places.push_back(before);
                        }
                        return TensorList{tensor(places, in[1].shape())};
                      },
                  .constants = {0, 1}};
  };
  const auto ascending = [](const Tensor& x) { return saw::sort(x).values; };
  const Tensor with_ties = ascending(to(make.integers({9}, 0, 4), make.dtype()));
  return {sample("left", with_ties, to(make.integers({3, 4}, -1, 6), make.dtype()), false),
          sample("right", with_ties, to(make.integers({3, 4}, -1, 6), make.dtype()), true),
          sample("row by row", ascending(make.normal({3, 5})), make.normal({3, 4}), false),
          sample("integers", ascending(make.integers({7}, 0, 9)), make.integers({5}, 0, 9), true),
          sample("NaN", to(tensor({0.0, 1.0, nan, nan}, float64), make.dtype()),
                 to(tensor({0.5, nan}, float64), make.dtype()), true),
          sample("one value", with_ties, make.normal({}), false),
          sample("in nothing", make.normal({0}), make.normal({3}), false),
          sample("nothing", with_ties, make.normal({0}), false)};
}

std::vector<ErrorSample> searchsorted_errors() {
  return {{"dtypes", [] { searchsorted(zeros({2}), zeros({2}, int64)); }, ErrorKind::dtype, "float32 and int64"},
          {"bools", [] { searchsorted(zeros({2}, boolean), zeros({2}, boolean)); }, ErrorKind::dtype,
           "searchsorted: needs numbers"},
          {"rows",
           [] {
             searchsorted(zeros({2, 3}), zeros({3, 3}));
           },
           ErrorKind::shape, "searchsorted: the shapes do not fit"},
          {"scalar", [] { searchsorted(zeros({}), zeros({2})); }, ErrorKind::shape, "searchsorted: the shapes"}};
}

}  // namespace

SampleList sets_samples() {
  return {{"nonzero", samples_of_nonzero, nonzero_errors},
          {"bincount", samples_of_bincount, bincount_errors},
          {"unique", samples_of_unique, unique_errors},
          {"searchsorted", samples_of_searchsorted, searchsorted_errors}};
}

}  // namespace samples
