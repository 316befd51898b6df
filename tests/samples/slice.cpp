#include <algorithm>
#include <limits>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/ops/internal/view_backward.h"

namespace samples {
namespace {

using namespace saw;

std::vector<Sample> samples_of_view_backward(SampleMaker& make) {
  const View every_other = [](const Tensor& t) { return slice(t, 1, 1, 5, 2); };
  return {{.name = "slice",
           .inputs = {make.normal({3, 2})},
           .run =
               [every_other](const TensorList& in) {
                 return TensorList{view_backward(in[0], {3, 5}, every_other)};
               },
           .reference =
               [](const TensorList& in) {
                 return TensorList{rearranged(in[0], {3, 5}, [](const Shape& i) {
                   return i[1] % 2 == 1 ? Shape{i[0], i[1] / 2} : Shape{-1, -1};
                 })};
               }}};
}

std::vector<ErrorSample> view_backward_errors() {
  return {{"shape", [] { view_backward(zeros({2}), {3}, [](const Tensor& whole) { return slice(whole, 0, 0, 1); }); },
           ErrorKind::shape, "view_backward: the gradient does not fit"}};
}

std::vector<Sample> samples_of_slice(SampleMaker& make) {
  struct Range {
    std::int64_t axis, begin, end, step;
  };
  // first and size: what the range comes to after negative positions and clamping
  const auto sample = [](const char* name, const Tensor& x, Range range, std::int64_t first, std::int64_t size) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [range](const TensorList& in) {
                        return TensorList{slice(in[0], range.axis, range.begin, range.end, range.step)};
                      },
                  .reference =
                      [range, first, size](const TensorList& in) {
                        Shape shape = in[0].shape();
                        const std::size_t axis = normalize_axis("slice", range.axis, shape.size());
                        shape[axis] = size;
                        return TensorList{rearranged(in[0], shape, [axis, first, step = range.step](Shape i) {
                          i[axis] = first + step * i[axis];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({5, 3}), {0, 1, 4, 1}, 1, 3),
          sample("columns by two", make.normal({2, 5}), {1, 0, 5, 2}, 0, 3),
          sample("from the end", make.normal({5, 2}), {0, -3, -1, 1}, 2, 2),
          sample("clamped", make.normal({4}), {0, -9, 9, 3}, 0, 2),
          sample("middle axis", make.normal({2, 4, 3}), {-2, 1, 4, 2}, 1, 2),
          sample("empty result", make.normal({4, 2}), {0, 3, 1, 1}, 3, 0),
          sample("beyond the end", make.normal({4, 2}), {0, 7, 9, 1}, 4, 0),
          sample("empty input", make.normal({0, 2}), {0, 0, 3, 1}, 0, 0),
          sample("all", make.normal({3}), {0, 0, 3, 1}, 0, 3)};
}

std::vector<ErrorSample> slice_errors() {
  return {{"axis out of range",
           [] {
             slice(zeros({2, 3}), 2, 0, 1);
           },
           ErrorKind::argument, "slice: axis"},
          {"scalar", [] { slice(zeros({}), 0, 0, 1); }, ErrorKind::argument, "slice: axis"},
          {"step 0", [] { slice(zeros({3}), 0, 0, 3, 0); }, ErrorKind::argument, "slice: the step"},
          {"negative step", [] { slice(zeros({3}), 0, 3, 0, -1); }, ErrorKind::argument, "flip"}};
}

std::vector<Sample> samples_of_select(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, std::int64_t index) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axis, index](const TensorList& in) { return TensorList{select(in[0], axis, index)}; },
                  .reference =
                      [axis, index](const TensorList& in) {
                        const std::size_t a = normalize_axis("select", axis, in[0].rank());
                        Shape shape = in[0].shape();
                        const std::int64_t at = index < 0 ? index + shape[a] : index;
                        shape.erase(a);
                        return TensorList{rearranged(in[0], shape, [a, at](Shape i) {
                          i.insert(a, at);
                          return i;
                        })};
                      }};
  };
  return {sample("row", make.normal({3, 4}), 0, 1), sample("column", make.normal({3, 4}), 1, 3),
          sample("from the end", make.normal({2, 3, 4}), -2, -1), sample("to scalar", make.normal({3}), 0, 2),
          sample("of empty rows", make.normal({2, 0}), 0, 1)};
}

std::vector<ErrorSample> select_errors() {
  return {{"axis out of range",
           [] {
             select(zeros({2, 3}), -3, 0);
           },
           ErrorKind::argument, "select: axis"},
          {"index too large",
           [] {
             select(zeros({2, 3}), 1, 3);
           },
           ErrorKind::index, "select: index"},
          {"index too small",
           [] {
             select(zeros({2, 3}), 0, -3);
           },
           ErrorKind::index, "select: index"},
          {"of nothing",
           [] {
             select(zeros({0, 3}), 0, 0);
           },
           ErrorKind::index, "select: index"}};
}

std::vector<Sample> samples_of_diagonal(SampleMaker& make) {
  struct Where {
    std::int64_t offset, axis0, axis1;
  };
  const auto sample = [](const char* name, const Tensor& x, Where where, std::int64_t length) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [where](const TensorList& in) {
                        return TensorList{diagonal(in[0], where.offset, where.axis0, where.axis1)};
                      },
                  .reference =
                      [where, length](const TensorList& in) {
                        const std::size_t a = normalize_axis("diagonal", where.axis0, in[0].rank());
                        const std::size_t b = normalize_axis("diagonal", where.axis1, in[0].rank());
                        Shape shape;
                        for (std::size_t axis = 0; axis < in[0].rank(); ++axis)
                          if (axis != a && axis != b) shape.push_back(in[0].shape()[axis]);
                        shape.push_back(length);
                        return TensorList{rearranged(in[0], shape, [&](const Shape& i) {
                          Shape from;
                          std::size_t next = 0;
                          for (std::size_t axis = 0; axis < in[0].rank(); ++axis)
                            from.push_back(axis == a   ? i.back() - std::min<std::int64_t>(where.offset, 0)
                                           : axis == b ? i.back() + std::max<std::int64_t>(where.offset, 0)
                                                       : i[next++]);
                          return from;
                        })};
                      }};
  };
  return {sample("square", make.normal({3, 3}), {0, 0, 1}, 3),
          sample("above", make.normal({3, 4}), {1, 0, 1}, 3),
          sample("below", make.normal({3, 4}), {-2, 0, 1}, 1),
          sample("outside", make.normal({2, 2}), {5, 0, 1}, 0),
          sample("far outside", make.normal({2, 2}), {std::numeric_limits<std::int64_t>::min(), 0, 1}, 0),
          sample("batch", make.normal({2, 3, 2}), {0, 1, 2}, 2),
          sample("swapped axes", make.normal({3, 2, 4}), {1, -1, 0}, 2)};
}

std::vector<ErrorSample> diagonal_errors() {
  return {{"one axis", [] { diagonal(zeros({3})); }, ErrorKind::argument, "diagonal: axis"},
          {"same axis",
           [] {
             diagonal(zeros({3, 3}), 0, 1, -1);
           },
           ErrorKind::argument, "diagonal: the axes"}};
}

}  // namespace

SampleList slice_samples() {
  return {{"view_backward", samples_of_view_backward, view_backward_errors},
          {"slice", samples_of_slice, slice_errors},
          {"select", samples_of_select, select_errors},
          {"diagonal", samples_of_diagonal, diagonal_errors}};
}

}  // namespace samples
