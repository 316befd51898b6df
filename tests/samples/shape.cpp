#include <limits>
#include <utility>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Sample one_input(const char* name, const Tensor& x, Sample::Function run, Sample::Function reference) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = std::move(reference)};
}

Tensor cat_reference(const TensorList& tensors, std::size_t axis) {
  Shape shape = tensors[0].shape();
  shape[axis] = 0;
  for (const Tensor& tensor : tensors) shape[axis] += tensor.shape()[axis];
  Tensor y = Tensor::empty(shape, tensors[0].dtype());
  dispatch_all(y.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    std::int64_t first = 0;
    for (const Tensor& tensor : tensors) {
      const std::vector<T> values = tensor.to_vector<T>();
      for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        Shape at = unravel(i, tensor.shape());
        at[axis] += first;
        out[ravel(at, shape)] = values[static_cast<std::size_t>(i)];
      }
      first += tensor.shape()[axis];
    }
  });
  return y;
}

std::vector<Sample> samples_of_cat(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, std::int64_t axis) {
    const std::size_t a = normalize_axis("cat", axis, inputs[0].rank());
    return Sample{.name = name,
                  .inputs = std::move(inputs),
                  .run = [axis](const TensorList& in) { return TensorList{cat(in, axis)}; },
                  .reference = [a](const TensorList& in) { return TensorList{cat_reference(in, a)}; }};
  };
  return {sample("rows", {make.normal({2, 3}), make.normal({4, 3}), make.normal({1, 3})}, 0),
          sample("columns", {make.normal({3, 2}), make.normal({3, 20})}, -1),
          sample("middle axis", {make.normal({2, 1, 3}), make.normal({2, 2, 3})}, 1),
          sample("one tensor", {make.normal({4})}, 0),
          sample("empty piece", {make.normal({2, 3}), make.normal({0, 3})}, 0),
          sample("integers", {make.integers({2}, 0, 9), make.integers({3}, 0, 9)}, 0)};
}

std::vector<ErrorSample> cat_errors() {
  return {{"nothing", [] { cat({}); }, ErrorKind::argument, "cat: needs at least one tensor"},
          {"sizes",
           [] {
             cat({zeros({2, 3}), zeros({2, 4})});
           },
           ErrorKind::shape, "cat: shapes do not fit"},
          {"ranks",
           [] {
             cat({zeros({2, 3}), zeros({3})});
           },
           ErrorKind::shape, "cat: shapes do not fit"},
          {"dtypes",
           [] {
             cat({zeros({2}), zeros({2}, float64)});
           },
           ErrorKind::dtype, "float32 and float64"},
          {"axis out of range", [] { cat({zeros({2})}, 1); }, ErrorKind::argument, "cat: axis"}};
}

std::vector<Sample> samples_of_stack(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, std::int64_t axis) {
    const std::size_t a = normalize_axis("stack", axis, inputs[0].rank() + 1);
    return Sample{.name = name,
                  .inputs = std::move(inputs),
                  .run = [axis](const TensorList& in) { return TensorList{stack(in, axis)}; },
                  .reference =
                      [a](const TensorList& in) {
                        TensorList raised;
                        for (const Tensor& x : in) raised.push_back(unsqueeze(x, static_cast<std::int64_t>(a)));
                        return TensorList{cat_reference(raised, a)};
                      }};
  };
  return {sample("front", {make.normal({2, 3}), make.normal({2, 3})}, 0),
          sample("end", {make.normal({2, 3}), make.normal({2, 3}), make.normal({2, 3})}, -1),
          sample("scalars", {make.normal({}), make.normal({})}, 0),
          sample("empty", {make.normal({0, 2}), make.normal({0, 2})}, 1)};
}

std::vector<ErrorSample> stack_errors() {
  return {{"nothing", [] { stack({}); }, ErrorKind::argument, "stack: needs at least one tensor"},
          {"shapes",
           [] {
             stack({zeros({2}), zeros({3})});
           },
           ErrorKind::shape, "stack: shapes do not fit"},
          {"dtypes",
           [] {
             stack({zeros({2}), zeros({2}, int64)});
           },
           ErrorKind::dtype, "float32 and int64"},
          {"axis out of range", [] { stack({zeros({2})}, 2); }, ErrorKind::argument, "stack: axis"}};
}

Sample::Function split_reference(std::vector<std::int64_t> sizes, std::size_t axis) {
  return [sizes = std::move(sizes), axis](const TensorList& in) {
    TensorList pieces;
    std::int64_t first = 0;
    for (const std::int64_t size : sizes) {
      Shape shape = in[0].shape();
      shape[axis] = size;
      pieces.push_back(rearranged(in[0], shape, [axis, first](Shape i) {
        i[axis] += first;
        return i;
      }));
      first += size;
    }
    return pieces;
  };
}

std::vector<Sample> samples_of_split(SampleMaker& make) {
  return {
      one_input(
          "sizes", make.normal({6, 2}),
          [](const TensorList& in) {
            return split(in[0], {1, 3, 2});
          },
          split_reference({1, 3, 2}, 0)),
      one_input(
          "columns", make.normal({2, 5}),
          [](const TensorList& in) {
            return split(in[0], {2, 0, 3}, -1);
          },
          split_reference({2, 0, 3}, 1)),
      one_input(
          "more than eight pieces", make.normal({12, 2}),
          [](const TensorList& in) {
            return split(in[0], {1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1});
          },
          split_reference({1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1}, 0)),
      one_input(
          "equal, last smaller", make.normal({5, 2}), [](const TensorList& in) { return split(in[0], 2); },
          split_reference({2, 2, 1}, 0)),
      one_input(
          "size beyond", make.normal({2, 3}), [](const TensorList& in) { return split(in[0], 7, 1); },
          split_reference({3}, 1)),
      one_input(
          "empty", make.normal({0, 3}), [](const TensorList& in) { return split(in[0], 2); }, split_reference({0}, 0))};
}

std::vector<ErrorSample> split_errors() {
  return {{"sum",
           [] {
             split(zeros({5}), {2, 2});
           },
           ErrorKind::shape, "split: the sizes do not add up"},
          {"negative",
           [] {
             split(zeros({5}), {-1, 6});
           },
           ErrorKind::argument, "split: sizes must not be negative"},
          {"size 0", [] { split(zeros({5}), 0); }, ErrorKind::argument, "split: the size must be positive"},
          {"axis out of range", [] { split(zeros({5}), 2, 1); }, ErrorKind::argument, "split: axis"}};
}

std::vector<Sample> samples_of_chunk(SampleMaker& make) {
  return {one_input(
              "even", make.normal({2, 6}), [](const TensorList& in) { return chunk(in[0], 3, 1); },
              split_reference({2, 2, 2}, 1)),
          one_input(
              "fewer pieces", make.normal({5}), [](const TensorList& in) { return chunk(in[0], 4); },
              split_reference({2, 2, 1}, 0)),
          one_input(
              "empty", make.normal({0, 2}), [](const TensorList& in) { return chunk(in[0], 2); },
              split_reference({0, 0}, 0))};
}

std::vector<ErrorSample> chunk_errors() {
  return {{"count 0", [] { chunk(zeros({5}), 0); }, ErrorKind::argument, "chunk: the count must be positive"},
          {"axis out of range", [] { chunk(zeros({5}), 2, 1); }, ErrorKind::argument, "chunk: axis"}};
}

Tensor pad_reference(const Tensor& x, const Shape& before, const Shape& after, double value) {
  Shape shape = x.shape();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) shape[axis] += before[axis] + after[axis];
  const auto inside = [&](Shape i) {
    bool outside = false;
    for (std::size_t axis = 0; axis < i.size(); ++axis) {
      i[axis] -= before[axis];
      outside = outside || i[axis] < 0 || i[axis] >= x.shape()[axis];
    }
    return outside ? Shape::filled(i.size(), -1) : i;
  };
  Tensor y = rearranged(x, shape, inside);
  const Tensor there = rearranged(ones(x.shape(), boolean), shape, inside);
  const std::vector<bool> kept = there.to_vector<bool>();
  dispatch_floating("pad", x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]) out[i] = static_cast<T>(value);
  });
  return y;
}

std::vector<Sample> samples_of_unbind(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis) {
    const std::size_t a = normalize_axis("unbind", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axis](const TensorList& in) { return unbind(in[0], axis); },
                  .reference =
                      [a](const TensorList& in) {
                        TensorList pieces;
                        Shape shape = in[0].shape();
                        shape.erase(a);
                        for (std::int64_t k = 0; k < in[0].shape()[a]; ++k)
                          pieces.push_back(rearranged(in[0], shape, [a, k](Shape i) {
                            i.insert(a, k);
                            return i;
                          }));
                        return pieces;
                      }};
  };
  return {sample("rows", make.normal({3, 2}), 0), sample("columns", make.normal({2, 3}), -1),
          sample("numbers", make.normal({3}), 0), sample("more than eight", make.normal({11, 2}), 0),
          sample("empty pieces", make.normal({2, 0}), 0)};
}

std::vector<ErrorSample> unbind_errors() {
  return {{"axis out of range", [] { unbind(zeros({5}), 1); }, ErrorKind::argument, "unbind: axis"}};
}

std::vector<Sample> samples_of_pad(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& before, const Shape& after, double value) {
    return one_input(
        name, x, [=](const TensorList& in) { return TensorList{pad(in[0], before, after, value)}; },
        [=](const TensorList& in) { return TensorList{pad_reference(in[0], before, after, value)}; });
  };
  return {
      sample("both axes", make.normal({2, 3}), {1, 0}, {2, 3}, 0.0), sample("value", make.normal({3}), {2}, {1}, -1.5),
      sample("nothing", make.normal({2, 2}), {0, 0}, {0, 0}, 0.0),
      sample("around empty", make.normal({0, 2}), {1, 1}, {1, 0}, 2.0), sample("scalar", make.normal({}), {}, {}, 0.0)};
}

std::vector<ErrorSample> pad_errors() {
  return {{"length",
           [] {
             pad(zeros({2, 3}), {1}, {1, 1});
           },
           ErrorKind::argument, "pad: needs one number per axis"},
          {"too many elements",
           [] {
             const std::int64_t most = std::numeric_limits<std::int64_t>::max();
             pad(zeros({2}), {most}, {most});
           },
           ErrorKind::shape, "pad: too many elements"},
          {"negative", [] { pad(zeros({2}), {-1}, {1}); }, ErrorKind::argument, "pad: numbers must not be negative"}};
}

}  // namespace

SampleList shape_samples() {
  return {{"cat", samples_of_cat, cat_errors},          {"stack", samples_of_stack, stack_errors},
          {"split", samples_of_split, split_errors},    {"chunk", samples_of_chunk, chunk_errors},
          {"unbind", samples_of_unbind, unbind_errors}, {"pad", samples_of_pad, pad_errors}};
}

}  // namespace samples
