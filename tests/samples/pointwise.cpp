#include "samples/pointwise.h"

#include <utility>

#include "saw/autograd/base/internal/dispatch.h"

namespace samples {
namespace {

std::vector<double> values_of(const Tensor& x) {
  return saw::dispatch_all(x.dtype(), [&]<class T>() {
    const std::vector<T> values = x.to_vector<T>();
    return std::vector<double>(values.begin(), values.end());
  });
}

Tensor tensor_of(const std::vector<double>& values, const Shape& shape, DType dtype) {
  Tensor result = Tensor::empty(shape, dtype);
  saw::dispatch_all(dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    for (std::size_t i = 0; i < values.size(); ++i) out[i] = static_cast<T>(values[i]);
  });
  return result;
}

/// The row-major number of the element of a tensor of shape `from` that stands at element `i` of `shape`.
std::size_t broadcast_index(std::int64_t i, const Shape& shape, const Shape& from) {
  std::int64_t index = 0, step = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const std::int64_t position = i % shape[axis];
    i /= shape[axis];
    if (axis + from.size() < shape.size()) break;
    const std::int64_t size = from[axis + from.size() - shape.size()];
    if (size != 1) index += position * step;
    step *= size;
  }
  return static_cast<std::size_t>(index);
}

std::vector<Sample> pair_samples(const MakeInput& left, const MakeInput& right, Sample::Function run,
                                 Sample::Function reference) {
  const std::vector<std::pair<const char*, std::pair<Shape, Shape>>> shapes = {
      {"same shape", {{3, 4}, {3, 4}}},
      {"long rows", {{2, 37}, {2, 37}}},
      {"row", {{3, 4}, {4}}},
      {"long row", {{3, 21}, {21}}},
      {"column", {{3, 4}, {3, 1}}},
      {"long column", {{2, 1}, {2, 19}}},
      {"both stretch", {{3, 1}, {4}}},
      {"middle axis", {{2, 3, 2}, {2, 1, 2}}},
      {"number on the left", {{}, {2, 3}}},
      {"number on the right", {{2, 3}, {}}},
      {"numbers", {{}, {}}},
      {"empty", {{0, 3}, {3}}},
      {"stretched to nothing", {{1}, {0}}},
      {"size 1", {{1, 1}, {1}}},
  };
  std::vector<Sample> samples;
  for (const auto& [name, pair] : shapes)
    samples.push_back(
        {.name = name, .inputs = {left(pair.first), right(pair.second)}, .run = run, .reference = reference});
  return samples;
}

}  // namespace

Tensor naive_map(const Tensor& x, DType result, const std::function<double(double)>& f) {
  std::vector<double> values = values_of(x);
  for (double& value : values) value = f(value);
  return tensor_of(values, x.shape(), result);
}

Tensor naive_zip(const Tensor& a, const Tensor& b, DType result, const std::function<double(double, double)>& f) {
  const Shape shape = saw::broadcast_shapes("naive_zip", a.shape(), b.shape());
  const std::vector<double> left = values_of(a), right = values_of(b);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto element = static_cast<std::int64_t>(i);
    values[i] = f(left[broadcast_index(element, shape, a.shape())], right[broadcast_index(element, shape, b.shape())]);
  }
  return tensor_of(values, shape, result);
}

std::vector<Sample> unary_samples(const MakeInput& input, const std::function<Tensor(const Tensor&)>& op,
                                  const std::function<double(double)>& f) {
  std::vector<Sample> samples;
  for (const auto& [name, shape] : std::vector<std::pair<const char*, Shape>>{{"matrix", {3, 4}},
                                                                              {"three axes", {2, 3, 2}},
                                                                              {"long row", {37}},
                                                                              {"number", {}},
                                                                              {"size 1", {1, 1}},
                                                                              {"empty", {0, 3}}})
    samples.push_back(
        {.name = name,
         .inputs = {input(shape)},
         .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
         .reference = [f](const TensorList& in) { return TensorList{naive_map(in[0], in[0].dtype(), f)}; }});
  return samples;
}

std::vector<Sample> binary_samples(const MakeInput& left, const MakeInput& right,
                                   const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                                   const std::function<double(double, double)>& f) {
  return pair_samples(
      left, right, [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
      [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], in[0].dtype(), f)}; });
}

std::vector<Sample> comparison_samples(const MakeInput& left, const MakeInput& right,
                                       const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                                       const std::function<bool(double, double)>& f) {
  return pair_samples(
      left, right, [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
      [f](const TensorList& in) {
        return TensorList{
            naive_zip(in[0], in[1], saw::boolean, [f](double a, double b) { return f(a, b) ? 1.0 : 0.0; })};
      });
}

}  // namespace samples
