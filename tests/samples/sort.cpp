#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "samples/along_axis.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Ascending order with NaN above everything.
template <class T>
bool precedes(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  return a < b;
}

/// Positions in the order of an insertion sort, which is stable.
std::vector<double> sorted_positions(const std::vector<double>& row, bool descending) {
  std::vector<double> order;
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::size_t place = order.size();
    while (place > 0) {
      const double other = row[static_cast<std::size_t>(order[place - 1])];
      if (descending ? !precedes(other, row[i]) : !precedes(row[i], other)) break;
      --place;
    }
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), static_cast<double>(i));
  }
  return order;
}

TensorList naive_sort(const Tensor& x, std::int64_t axis, std::int64_t size, bool descending) {
  const auto values = [=](const std::vector<double>& row) {
    std::vector<double> result;
    for (const double place : sorted_positions(row, descending)) result.push_back(row[static_cast<std::size_t>(place)]);
    return result;
  };
  const auto positions = [=](const std::vector<double>& row) { return sorted_positions(row, descending); };
  return {along_axis(x, axis, size, x.dtype(), values), along_axis(x, axis, size, int64, positions)};
}

TensorList list(const Sorted& sorted) { return {sorted.values, sorted.indices}; }

std::vector<Sample> arg_samples(SampleMaker& make, bool largest) {
  const auto op = [=](const Tensor& x, std::int64_t axis, bool keepdim) {
    return largest ? argmax(x, axis, keepdim) : argmin(x, axis, keepdim);
  };
  const auto reference = [=](const Tensor& x, std::int64_t axis, bool keepdim) {
    const Tensor kept = along_axis(x, axis, 1, int64, [=](const std::vector<double>& row) {
      auto best = std::find_if(row.begin(), row.end(), [](double value) { return std::isnan(value); });
      if (best == row.end())
        best = largest ? std::max_element(row.begin(), row.end()) : std::min_element(row.begin(), row.end());
      return std::vector<double>{static_cast<double>(best - row.begin())};
    });
    return keepdim ? kept : kept.squeeze(axis);
  };
  const auto sample = [=](const char* name, const Tensor& x, std::int64_t axis, bool keepdim) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{op(in[0], axis, keepdim)}; },
                  .reference = [=](const TensorList& in) { return TensorList{reference(in[0], axis, keepdim)}; }};
  };
  const Tensor with_nan = make.normal({2, 4});
  with_nan.slice(0, 1, 2).slice(1, 1, 3).fill_(std::numeric_limits<double>::quiet_NaN());
  return {sample("last axis", make.normal({3, 5}), -1, false),
          sample("leading axis kept", make.normal({4, 3}), 0, true),
          sample("middle axis", make.normal({2, 5, 3}), 1, false),
          sample("one dimension", make.normal({6}), 0, false),
          sample("ties", make.integers({3, 9}, 0, 3), 1, false),
          sample("NaN wins", with_nan, 1, false),
          sample("no rows", make.normal({0, 3}), 1, false)};
}
std::vector<Sample> argmax_samples(SampleMaker& make) { return arg_samples(make, true); }
std::vector<Sample> argmin_samples(SampleMaker& make) { return arg_samples(make, false); }

std::vector<ErrorSample> arg_errors(const std::string& name, Tensor (*op)(const Tensor&, std::int64_t, bool)) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), 2, false);
           },
           ErrorKind::argument, name + ": axis"},
          {"empty axis",
           [=] {
             op(zeros({3, 0}), 1, false);
           },
           ErrorKind::shape, name + ": the axis is empty"},
          {"bool", [=] { op(zeros({3}, boolean), 0, false); }, ErrorKind::dtype, name + ": "}};
}
std::vector<ErrorSample> argmax_errors() { return arg_errors("argmax", argmax); }
std::vector<ErrorSample> argmin_errors() { return arg_errors("argmin", argmin); }

std::vector<Sample> sort_samples_of(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, bool descending) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run = [=](const TensorList& in) { return list(sort(in[0], axis, descending)); },
        .reference = [=](const TensorList& in) { return naive_sort(in[0], axis, in[0].size(axis), descending); }};
  };
  return {sample("last axis", make.distinct({3, 5}), -1, false),
          sample("descending", make.distinct({3, 5}), 1, true),
          sample("leading axis", make.distinct({6, 2}), 0, false),
          sample("middle axis, descending", make.distinct({2, 4, 3}), 1, true),
          sample("ties", make.integers({2, 12}, 0, 3), 1, false),
          sample("ties, descending", make.integers({2, 12}, 0, 3), 1, true),
          sample("long enough for digits", make.distinct({2, 120}), 1, false),
          sample("many ties, descending", make.integers({2, 300}, -20, 20), 1, true),
          sample("one element", make.distinct({3, 1}), 1, false),
          sample("empty axis", make.distinct({3, 0}), 1, false)};
}
std::vector<ErrorSample> sort_errors() {
  return {{"axis out of range",
           [] {
             sort(zeros({2, 3}), 2);
           },
           ErrorKind::argument, "sort: axis"},
          {"bool", [] { sort(zeros({3}, boolean)); }, ErrorKind::dtype, "sort: "}};
}

std::vector<Sample> topk_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return list(topk(in[0], k, axis, largest)); },
                  .reference = [=](const TensorList& in) { return naive_sort(in[0], axis, k, largest); }};
  };
  return {sample("largest", make.distinct({3, 5}), 2, -1, true),
          sample("smallest", make.distinct({3, 5}), 3, -1, false),
          sample("leading axis", make.distinct({6, 2}), 4, 0, true),
          sample("middle axis", make.distinct({2, 5, 3}), 2, 1, false),
          sample("all", make.distinct({2, 4}), 4, 1, true),
          sample("ties", make.integers({2, 12}, 0, 3), 5, 1, true),
          sample("none", make.distinct({3, 4}), 0, 1, true)};
}
std::vector<ErrorSample> topk_errors() {
  return {{"axis out of range",
           [] {
             topk(zeros({2, 3}), 1, 2);
           },
           ErrorKind::argument, "topk: axis"},
          {"k too large",
           [] {
             topk(zeros({2, 3}), 4);
           },
           ErrorKind::argument, "topk: k"},
          {"negative k",
           [] {
             topk(zeros({2, 3}), -1);
           },
           ErrorKind::argument, "topk: k"},
          {"bool", [] { topk(zeros({3}, boolean), 1); }, ErrorKind::dtype, "topk: "}};
}

// ---- max, min, median ----

using Picked = ValuesAndIndices (*)(const Tensor& x, std::int64_t axis, bool keepdim);

/// Samples of an op that picks one element of each line; `place` is the oracle of its position.
std::vector<Sample> picking_samples(SampleMaker& make, Picked op,
                                    const std::function<std::size_t(const std::vector<double>&)>& place) {
  const auto reference = [=](const Tensor& x, std::int64_t axis, bool keepdim) {
    const Tensor values = along_axis(
        x, axis, 1, x.dtype(), [=](const std::vector<double>& row) { return std::vector<double>{row[place(row)]}; });
    const Tensor places = along_axis(x, axis, 1, int64, [=](const std::vector<double>& row) {
      return std::vector<double>{static_cast<double>(place(row))};
    });
    return keepdim ? TensorList{values, places} : TensorList{values.squeeze(axis), places.squeeze(axis)};
  };
  const auto sample = [=](const char* name, const Tensor& x, std::int64_t axis, bool keepdim) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return list(op(in[0], axis, keepdim)); },
                  .reference = [=](const TensorList& in) { return reference(in[0], axis, keepdim); }};
  };
  return {
      sample("last axis", make.distinct({3, 5}), -1, false),     sample("leading axis", make.distinct({4, 3}), 0, true),
      sample("middle axis", make.distinct({2, 6, 3}), 1, false), sample("long row", make.distinct({2, 75}), 1, true),
      sample("wide columns", make.distinct({5, 37}), 0, false),  sample("one dimension", make.distinct({6}), 0, false),
      sample("ties", make.integers({3, 9}, 0, 3), 1, false),     sample("no rows", make.distinct({0, 3}), 1, false)};
}
std::vector<Sample> max_samples(SampleMaker& make) {
  return picking_samples(make, max, [](const std::vector<double>& row) {
    return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  });
}
std::vector<Sample> min_samples(SampleMaker& make) {
  return picking_samples(make, min, [](const std::vector<double>& row) {
    return static_cast<std::size_t>(std::min_element(row.begin(), row.end()) - row.begin());
  });
}
std::vector<Sample> median_samples(SampleMaker& make) {
  return picking_samples(make, median, [](const std::vector<double>& row) {
    return static_cast<std::size_t>(sorted_positions(row, false)[(row.size() - 1) / 2]);
  });
}
std::vector<ErrorSample> picking_errors(const std::string& name, Picked op) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), 2, false);
           },
           ErrorKind::argument, name + ": axis"},
          {"empty axis",
           [=] {
             op(zeros({3, 0}), 1, false);
           },
           ErrorKind::shape, name + ": the axis is empty"},
          {"bool", [=] { op(zeros({3}, boolean), 0, false); }, ErrorKind::dtype, name + ": "}};
}
std::vector<ErrorSample> max_errors() { return picking_errors("max", max); }
std::vector<ErrorSample> min_errors() { return picking_errors("min", min); }
std::vector<ErrorSample> median_errors() { return picking_errors("median", median); }

}  // namespace

SampleList sort_samples() {
  return {{"argmax", argmax_samples, argmax_errors}, {"argmin", argmin_samples, argmin_errors},
          {"max", max_samples, max_errors},          {"min", min_samples, min_errors},
          {"median", median_samples, median_errors}, {"sort", sort_samples_of, sort_errors},
          {"topk", topk_samples, topk_errors}};
}

}  // namespace samples
