#include <utility>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

std::vector<Sample> samples_of_reshape(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& shape, const Shape& expected) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [shape](const TensorList& in) { return TensorList{reshape(in[0], shape)}; },
                  .reference =
                      [expected](const TensorList& in) {
                        return TensorList{rearranged(in[0], expected, [&](const Shape& i) {
                          return unravel(ravel(i, expected), in[0].shape());
                        })};
                      }};
  };
  return {sample("merge", make.normal({2, 3, 4}), {6, 4}, {6, 4}),
          sample("split", make.normal({6, 4}), {2, 3, -1}, {2, 3, 4}),
          sample("regroup", make.normal({4, 6}), {3, 8}, {3, 8}),
          sample("to scalar", make.normal({1, 1}), {}, {}),
          sample("from scalar", make.normal({}), {1, 1}, {1, 1}),
          sample("same", make.normal({2, 2}), {2, 2}, {2, 2}),
          sample("empty", make.normal({0, 3}), {3, 0, 2}, {3, 0, 2}),
          sample("integers", make.integers({2, 3}, 0, 9), {3, 2}, {3, 2})};
}

std::vector<ErrorSample> reshape_errors() {
  return {{"wrong count",
           [] {
             reshape(zeros({2, 3}), {4, 2});
           },
           ErrorKind::shape, "reshape: the number of elements"},
          {"two open",
           [] {
             reshape(zeros({2, 3}), {-1, -1});
           },
           ErrorKind::shape, "only one size may be -1"},
          {"does not divide",
           [] {
             reshape(zeros({2, 3}), {4, -1});
           },
           ErrorKind::shape, "reshape: the size for -1"},
          {"open beside 0",
           [] {
             reshape(zeros({0, 3}), {0, -1});
           },
           ErrorKind::shape, "reshape: the size for -1"},
          {"too many elements",
           [] {
             reshape(zeros({2, 3}), {std::int64_t{1} << 40, std::int64_t{1} << 40});
           },
           ErrorKind::shape, "reshape: too many elements"},
          {"negative",
           [] {
             reshape(zeros({2, 3}), {-2, 3});
           },
           ErrorKind::shape, "reshape: sizes must be"}};
}

std::vector<Sample> samples_of_transpose(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
    const std::size_t a = normalize_axis("transpose", axis0, x.rank()),
                      b = normalize_axis("transpose", axis1, x.rank());
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axis0, axis1](const TensorList& in) { return TensorList{transpose(in[0], axis0, axis1)}; },
                  .reference =
                      [a, b](const TensorList& in) {
                        Shape shape = in[0].shape();
                        std::swap(shape[a], shape[b]);
                        return TensorList{rearranged(in[0], shape, [a, b](Shape i) {
                          std::swap(i[a], i[b]);
                          return i;
                        })};
                      }};
  };
  return {sample("matrix", make.normal({2, 3}), 0, 1), sample("outer axes", make.normal({2, 3, 4}), 0, -1),
          sample("same axis", make.normal({2, 3}), 1, 1), sample("empty", make.normal({0, 3}), 0, 1)};
}

std::vector<ErrorSample> transpose_errors() {
  return {{"axis out of range",
           [] {
             transpose(zeros({2, 3}), 0, 2);
           },
           ErrorKind::argument, "transpose: axis"},
          {"scalar", [] { transpose(zeros({}), 0, 1); }, ErrorKind::argument, "transpose: axis"}};
}

std::vector<Sample> samples_of_permute(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& axes) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axes](const TensorList& in) { return TensorList{permute(in[0], axes)}; },
                  .reference =
                      [axes](const TensorList& in) {
                        Shape shape = in[0].shape(), order = axes;
                        for (std::size_t i = 0; i < axes.size(); ++i) {
                          order[i] = static_cast<std::int64_t>(normalize_axis("permute", axes[i], axes.size()));
                          shape[i] = in[0].shape()[static_cast<std::size_t>(order[i])];
                        }
                        return TensorList{rearranged(in[0], shape, [order](const Shape& i) {
                          Shape from = i;
                          for (std::size_t k = 0; k < i.size(); ++k) from[static_cast<std::size_t>(order[k])] = i[k];
                          return from;
                        })};
                      }};
  };
  return {sample("rotation", make.normal({2, 3, 4}), {2, 0, 1}), sample("identity", make.normal({2, 3}), {0, 1}),
          sample("negative axes", make.normal({2, 3, 1, 2}), {-1, 0, -2, 1}), sample("scalar", make.normal({}), {})};
}

std::vector<ErrorSample> permute_errors() {
  return {{"too few axes",
           [] {
             permute(zeros({2, 3}), {0});
           },
           ErrorKind::argument, "permute: needs every axis once"},
          {"axis twice",
           [] {
             permute(zeros({2, 3}), {1, -1});
           },
           ErrorKind::argument, "permute: needs every axis once"},
          {"axis out of range",
           [] {
             permute(zeros({2, 3}), {0, 2});
           },
           ErrorKind::argument, "permute: axis"}};
}

Sample same_elements(const char* name, const Tensor& x, const Shape& expected, Sample::Function run) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = [expected](const TensorList& in) {
            return TensorList{rearranged(in[0], expected,
                                         [&](const Shape& i) { return unravel(ravel(i, expected), in[0].shape()); })};
          }};
}

std::vector<Sample> samples_of_flatten(SampleMaker& make) {
  const auto run = [](std::int64_t first, std::int64_t last) {
    return [=](const TensorList& in) { return TensorList{flatten(in[0], first, last)}; };
  };
  return {same_elements("all", make.normal({2, 3, 4}), {24}, run(0, -1)),
          same_elements("last two", make.normal({2, 3, 4}), {2, 12}, run(-2, -1)),
          same_elements("inner axes", make.normal({2, 3, 4, 2}), {2, 12, 2}, run(1, 2)),
          same_elements("one axis", make.normal({2, 3}), {2, 3}, run(1, 1)),
          same_elements("scalar", make.normal({}), {1}, run(0, -1)),
          same_elements("empty", make.normal({2, 0, 3}), {2, 0}, run(1, -1)),
          same_elements("integers", make.integers({2, 3}, 0, 9), {6}, run(0, -1))};
}

std::vector<ErrorSample> flatten_errors() {
  return {{"axis out of range",
           [] {
             flatten(zeros({2, 3}), 2);
           },
           ErrorKind::argument, "flatten: axis"},
          {"order",
           [] {
             flatten(zeros({2, 3}), 1, 0);
           },
           ErrorKind::argument, "flatten: the first axis lies behind"}};
}

std::vector<Sample> samples_of_swapaxes(SampleMaker& make) {
  return {
      {.name = "outer axes",
       .inputs = {make.normal({2, 3, 4})},
       .run = [](const TensorList& in) { return TensorList{swapaxes(in[0], 0, -1)}; },
       .reference =
           [](const TensorList& in) {
             return TensorList{rearranged(in[0], {4, 3, 2}, [](const Shape& i) { return Shape{i[2], i[1], i[0]}; })};
           }}};
}

std::vector<ErrorSample> swapaxes_errors() {
  return {{"axis out of range", [] { swapaxes(zeros({2, 3}), 0, 2); }, ErrorKind::argument, "swapaxes: axis"}};
}

std::vector<Sample> samples_of_movedim(SampleMaker& make) {
  // axes: which axis of x each axis of the result is
  const auto sample = [](const char* name, const Tensor& x, const Shape& source, const Shape& destination,
                         const Shape& axes) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{movedim(in[0], source, destination)}; },
                  .reference =
                      [axes](const TensorList& in) {
                        Shape shape = axes;
                        for (std::size_t k = 0; k < axes.size(); ++k)
                          shape[k] = in[0].shape()[static_cast<std::size_t>(axes[k])];
                        return TensorList{rearranged(in[0], shape, [axes](const Shape& i) {
                          Shape from = i;
                          for (std::size_t k = 0; k < i.size(); ++k) from[static_cast<std::size_t>(axes[k])] = i[k];
                          return from;
                        })};
                      }};
  };
  return {sample("one to the end", make.normal({2, 3, 4}), {0}, {-1}, {1, 2, 0}),
          sample("one to the front", make.normal({2, 3, 4}), {2}, {0}, {2, 0, 1}),
          sample("two", make.normal({2, 3, 4, 1}), {0, 1}, {2, 0}, {1, 2, 0, 3}),
          sample("none", make.normal({2, 3}), {}, {}, {0, 1})};
}

std::vector<ErrorSample> movedim_errors() {
  return {{"lengths",
           [] {
             movedim(zeros({2, 3}), {0}, {0, 1});
           },
           ErrorKind::argument, "movedim: needs one destination"},
          {"axis twice",
           [] {
             movedim(zeros({2, 3}), {0, -2}, {0, 1});
           },
           ErrorKind::argument, "movedim: needs one destination"},
          {"destination twice",
           [] {
             movedim(zeros({2, 3}), {0, 1}, {1, -1});
           },
           ErrorKind::argument, "movedim: needs one destination"},
          {"axis out of range",
           [] {
             movedim(zeros({2, 3}), {2}, {0});
           },
           ErrorKind::argument, "movedim: axis"}};
}

std::vector<Sample> samples_of_squeeze(SampleMaker& make) {
  const auto all = [](const TensorList& in) { return TensorList{squeeze(in[0])}; };
  const auto last = [](const TensorList& in) { return TensorList{squeeze(in[0], -1)}; };
  return {same_elements("all", make.normal({1, 3, 1, 2}), {3, 2}, all),
          same_elements("to scalar", make.normal({1, 1}), {}, all),
          same_elements("scalar", make.normal({}), {}, all),
          same_elements("empty", make.normal({1, 0}), {0}, all),
          same_elements("one axis", make.normal({1, 3, 1}), {1, 3}, last),
          same_elements("axis of another size", make.normal({1, 3}), {1, 3}, last)};
}

std::vector<ErrorSample> squeeze_errors() {
  return {{"axis out of range", [] { squeeze(zeros({1, 3}), 2); }, ErrorKind::argument, "squeeze: axis"}};
}

std::vector<Sample> samples_of_unsqueeze(SampleMaker& make) {
  const auto at = [](std::int64_t axis) {
    return [axis](const TensorList& in) { return TensorList{unsqueeze(in[0], axis)}; };
  };
  return {same_elements("front", make.normal({2, 3}), {1, 2, 3}, at(0)),
          same_elements("middle", make.normal({2, 3}), {2, 1, 3}, at(1)),
          same_elements("end", make.normal({2, 3}), {2, 3, 1}, at(-1)),
          same_elements("scalar", make.normal({}), {1}, at(0)),
          same_elements("empty", make.normal({0}), {1, 0}, at(-2))};
}

std::vector<ErrorSample> unsqueeze_errors() {
  return {{"axis out of range",
           [] {
             unsqueeze(zeros({2, 3}), 3);
           },
           ErrorKind::argument, "unsqueeze: axis"},
          {"too many axes",
           [] {
             unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 1}), 0);
           },
           ErrorKind::argument, "unsqueeze: too many dimensions"}};
}

std::vector<Sample> samples_of_expand(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& shape, const Shape& expected) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [shape](const TensorList& in) { return TensorList{expand(in[0], shape)}; },
                  .reference =
                      [expected](const TensorList& in) {
                        return TensorList{rearranged(in[0], expected, [&](const Shape& i) {
                          Shape from = in[0].shape();
                          const std::size_t added = i.size() - from.size();
                          for (std::size_t axis = 0; axis < from.size(); ++axis)
                            from[axis] = from[axis] == 1 ? 0 : i[axis + added];
                          return from;
                        })};
                      }};
  };
  return {sample("rows", make.normal({1, 3}), {4, 3}, {4, 3}),
          sample("columns", make.normal({3, 1}), {-1, 2}, {3, 2}),
          sample("new axes", make.normal({3, 1}), {2, 3, 4}, {2, 3, 4}),
          sample("scalar", make.normal({}), {2, 2}, {2, 2}),
          sample("same", make.normal({2, 3}), {2, 3}, {2, 3}),
          sample("to nothing", make.normal({1, 3}), {0, 3}, {0, 3})};
}

std::vector<ErrorSample> expand_errors() {
  return {{"size not 1",
           [] {
             expand(zeros({2, 3}), {4, 3});
           },
           ErrorKind::shape, "expand: axis 0"},
          {"too few axes",
           [] {
             expand(zeros({2, 3}), {3});
           },
           ErrorKind::shape, "expand: the shape has fewer axes"},
          {"open new axis",
           [] {
             expand(zeros({3}), {-1, 3});
           },
           ErrorKind::shape, "expand: axis 0"},
          {"too many elements",
           [] {
             expand(zeros({1, 1}), {std::int64_t{1} << 40, std::int64_t{1} << 40});
           },
           ErrorKind::shape, "expand: too many elements"},
          {"negative", [] { expand(zeros({1}), {-2}); }, ErrorKind::shape, "expand: axis 0"}};
}

}  // namespace

SampleList view_samples() {
  return {{"reshape", samples_of_reshape, reshape_errors},    {"transpose", samples_of_transpose, transpose_errors},
          {"permute", samples_of_permute, permute_errors},    {"flatten", samples_of_flatten, flatten_errors},
          {"swapaxes", samples_of_swapaxes, swapaxes_errors}, {"movedim", samples_of_movedim, movedim_errors},
          {"squeeze", samples_of_squeeze, squeeze_errors},    {"unsqueeze", samples_of_unsqueeze, unsqueeze_errors},
          {"expand", samples_of_expand, expand_errors}};
}

}  // namespace samples
