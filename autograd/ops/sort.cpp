// Order along one axis: argmax, argmin, sort, topk; and cumsum.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/sort.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

/// Contiguous memory around one axis: element (o, s, i) lies at (o·size + s)·inner + i.
struct Lines {
  std::int64_t outer = 1, size = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }
  /// Where line number `line` begins; its elements are `inner` apart.
  std::int64_t begin(std::int64_t line) const { return line / inner * size * inner + line % inner; }
};

Lines lines_along(const Shape& shape, std::size_t axis) {
  Lines lines;
  for (std::size_t a = 0; a < axis; ++a) lines.outer *= shape[a];
  lines.size = shape[axis];
  for (std::size_t a = axis + 1; a < shape.size(); ++a) lines.inner *= shape[a];
  return lines;
}

/// Calls f(line) for all lines, in parallel where that pays; `cost` is that of one element.
template <class F>
void for_lines(const Lines& lines, std::int64_t cost, const F& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, lines.size * cost));
  parallel_for(0, lines.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) f(line);
  });
}

/// Ascending order with NaN above everything.
template <class T>
bool precedes(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  return a < b;
}

// ---- oracles and samples ----

/// A line at a time: f maps a line's values to a result of `size` values.
Tensor along_axis(const Tensor& x, std::int64_t axis, std::int64_t size, DType dtype,
                  const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  const std::size_t a = normalize_axis("along_axis", axis, x.rank());
  Shape shape = x.shape();
  shape[a] = size;
  const Lines in = lines_along(x.shape(), a), out = lines_along(shape, a);
  const std::vector<double> values = to(x.detach(), float64).to_vector<double>();
  std::vector<double> results(static_cast<std::size_t>(shape.numel()));
  for (std::int64_t line = 0; line < out.count(); ++line) {
    std::vector<double> row;
    for (std::int64_t s = 0; s < in.size; ++s)
      row.push_back(values[static_cast<std::size_t>(in.begin(line) + s * in.inner)]);
    const std::vector<double> result = f(row);
    for (std::int64_t s = 0; s < size; ++s)
      results[static_cast<std::size_t>(out.begin(line) + s * out.inner)] = result[static_cast<std::size_t>(s)];
  }
  return to(tensor(results, shape), dtype);
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

std::vector<Sample> sort_samples(SampleMaker& make) {
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

const OpInfo argmax_info{"argmax", "argmax x", false, argmax_samples, argmax_errors};
const OpInfo argmin_info{"argmin", "argmin x", false, argmin_samples, argmin_errors};
const OpInfo cumsum_info{"cumsum", "yᵢ = x₀ + … + xᵢ", true, cumsum_samples, cumsum_errors};
const OpInfo sort_info{"sort", "x in order", true, sort_samples, sort_errors};
const OpInfo topk_info{"topk", "the k largest of x", true, topk_samples, topk_errors};

// ---- argmax, argmin ----

template <bool largest>
Tensor arg_extreme(const OpInfo& info, const Tensor& x, std::int64_t axis, bool keepdim) {
  const std::size_t a = normalize_axis(info.name, axis, x.rank());
  Shape shape = x.shape();
  if (keepdim)
    shape[a] = 1;
  else
    shape.erase(a);
  if (x.shape()[a] == 0 && shape.numel() > 0)
    fail(ErrorKind::shape, "{}: the axis is empty; got shape {} and axis {}; expected at least one element", info.name,
         x.shape(), axis);
  Tensor y = Tensor::empty(shape, int64);
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    if (y.numel() == 0) return;
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), a);
    const T* values = input.data<T>();
    std::int64_t* places = y.mutable_data<std::int64_t>();
    for_lines(lines, 1, [&](std::int64_t line) {
      const T* row = values + lines.begin(line);
      std::int64_t best = 0;
      T best_value = row[0];
      for (std::int64_t s = 1; s < lines.size && best_value == best_value; ++s) {  // the first NaN ends the search
        const T value = row[s * lines.inner];
        if ((largest ? value > best_value : value < best_value) || value != value) {
          best = s;
          best_value = value;
        }
      }
      places[line] = best;
    });
  });
  return record_constant(info, y);
}

// ---- sort, topk ----

/// The first k of a stable sort of every line; the gradient goes back to where the values came from.
Sorted best_first(const OpInfo& info, const Tensor& x, std::size_t axis, std::int64_t k, bool descending) {
  Shape shape = x.shape();
  shape[axis] = k;
  const Tensor sorted = Tensor::empty(shape, x.dtype()), places = Tensor::empty(shape, int64);
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    if (shape.numel() == 0) return;
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines in = lines_along(x.shape(), axis), out = lines_along(shape, axis);
    const T* values = input.data<T>();
    T* out_values = sorted.mutable_data<T>();
    std::int64_t* out_places = places.mutable_data<std::int64_t>();
    struct Entry {
      T value;
      std::int64_t place;
    };
    for_lines(in, 16, [&](std::int64_t line) {
      Scratch<Entry> entries(static_cast<std::size_t>(in.size));
      Entry* first = entries.data();
      Entry* last = first + in.size;
      for (std::int64_t s = 0; s < in.size; ++s) first[s] = {values[in.begin(line) + s * in.inner], s};
      // Equal values go by their places, which makes any sort stable.
      const auto before = [descending](const Entry& a, const Entry& b) {
        if (descending ? precedes(b.value, a.value) : precedes(a.value, b.value)) return true;
        if (descending ? precedes(a.value, b.value) : precedes(b.value, a.value)) return false;
        return a.place < b.place;
      };
      if (k < in.size / 8)
        std::partial_sort(first, first + k, last, before);
      else
        std::sort(first, last, before);
      for (std::int64_t s = 0; s < k; ++s) {
        out_values[out.begin(line) + s * out.inner] = first[s].value;
        out_places[out.begin(line) + s * out.inner] = first[s].place;
      }
    });
  });
  const TensorList outputs = record(info, {x}, TensorList{sorted, places}, [&] {
    Gradient gradient;
    gradient.saved = {places};
    gradient.backward = [axis, full_shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor dy = context.grad_output();
      return {scatter_add(zeros(full_shape, dy.dtype()), static_cast<std::int64_t>(axis), context.saved(0), dy)};
    };
    gradient.plain = true;
    return gradient;
  });
  return {outputs[0], outputs[1]};
}

}  // namespace

Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim) {
  return arg_extreme<true>(argmax_info, x, axis, keepdim);
}

Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim) {
  return arg_extreme<false>(argmin_info, x, axis, keepdim);
}

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("cumsum", axis, x.rank());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_numeric("cumsum", x.dtype(), [&]<class T>() {
    if (x.numel() == 0) return;
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), a);
    const T* values = input.data<T>();
    T* sums = y.mutable_data<T>();
    // Rounding of float32 would build up along the axis; unsigned integers may overflow.
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    for_lines(lines, 1, [&](std::int64_t line) {
      Sum total = 0;
      for (std::int64_t s = 0, i = lines.begin(line); s < lines.size; ++s, i += lines.inner) {
        total += static_cast<Sum>(values[i]);
        sums[i] = static_cast<T>(total);
      }
    });
  });
  return record(cumsum_info, {x}, y, [&] {
    Gradient gradient;
    gradient.backward = [axis = static_cast<std::int64_t>(a)](const BackwardContext& context) -> TensorList {
      return {flip(cumsum(flip(context.grad_output(), {axis}), axis), {axis})};
    };
    gradient.plain = true;
    return gradient;
  });
}

Sorted sort(const Tensor& x, std::int64_t axis, bool descending) {
  const std::size_t a = normalize_axis("sort", axis, x.rank());
  return best_first(sort_info, x, a, x.shape()[a], descending);
}

Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  const std::size_t a = normalize_axis("topk", axis, x.rank());
  if (k < 0 || k > x.shape()[a])
    fail(ErrorKind::argument, "topk: k does not fit the axis; got {} for shape {} and axis {}; expected 0 … {}", k,
         x.shape(), axis, x.shape()[a]);
  return best_first(topk_info, x, a, k, largest);
}

OpList sort_ops() { return {&argmax_info, &argmin_info, &cumsum_info, &sort_info, &topk_info}; }

}  // namespace saw
