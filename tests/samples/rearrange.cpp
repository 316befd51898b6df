#include <limits>
#include <utility>
#include <vector>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Sample one_input(const char* name, const Tensor& x, Sample::Function run, Sample::Function reference) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = std::move(reference)};
}

std::vector<Sample> samples_of_repeat(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& counts, const Shape& expected) {
    return one_input(
        name, x, [counts](const TensorList& in) { return TensorList{repeat(in[0], counts)}; },
        [expected](const TensorList& in) {
          return TensorList{rearranged(in[0], expected, [&](const Shape& i) {
            Shape from = in[0].shape();
            for (std::size_t axis = 0; axis < from.size(); ++axis)
              from[axis] = i[axis + i.size() - from.size()] % from[axis];
            return from;
          })};
        });
  };
  return {sample("both axes", make.normal({2, 3}), {2, 2}, {4, 6}),
          sample("new axis", make.normal({2, 3}), {3, 1, 1}, {3, 2, 3}),
          sample("last axis only", make.normal({2, 3}), {2}, {2, 6}),
          sample("scalar", make.normal({}), {4}, {4}),
          sample("zero times", make.normal({2, 3}), {0, 1}, {0, 3}),
          sample("once", make.normal({2, 2}), {1, 1}, {2, 2}),
          sample("five axes", make.normal({2, 1, 2, 3, 2}), {1, 2, 2, 1, 3}, {2, 2, 4, 3, 6}),
          sample("empty", make.normal({0, 2}), {3, 2}, {0, 4})};
}

std::vector<ErrorSample> repeat_errors() {
  return {{"negative", [] { repeat(zeros({2}), {-1}); }, ErrorKind::argument, "repeat: counts must not be negative"},
          {"too many elements",
           [] {
             repeat(zeros({2, 2}), {std::int64_t{1} << 40, std::int64_t{1} << 40});
           },
           ErrorKind::shape, "repeat: too many elements"}};
}

std::vector<Sample> samples_of_repeat_interleave(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const std::vector<std::int64_t>& counts, std::size_t axis,
                         Sample::Function run) {
    return one_input(name, x, std::move(run), [counts, axis](const TensorList& in) {
      std::vector<std::int64_t> from;
      for (std::size_t i = 0; i < counts.size(); ++i)
        for (std::int64_t k = 0; k < counts[i]; ++k) from.push_back(static_cast<std::int64_t>(i));
      Shape shape = in[0].shape();
      shape[axis] = static_cast<std::int64_t>(from.size());
      return TensorList{rearranged(in[0], shape, [&](Shape i) {
        i[axis] = from[static_cast<std::size_t>(i[axis])];
        return i;
      })};
    });
  };
  const auto counted = [](const std::vector<std::int64_t>& counts, std::int64_t axis) {
    return [=](const TensorList& in) { return TensorList{repeat_interleave(in[0], tensor(counts), axis)}; };
  };
  const auto times = [](std::int64_t count, std::int64_t axis) {
    return [=](const TensorList& in) { return TensorList{repeat_interleave(in[0], count, axis)}; };
  };
  return {sample("rows", make.normal({3, 2}), {2, 2, 2}, 0, times(2, 0)),
          sample("columns", make.normal({2, 3}), {3, 3, 3}, 1, times(3, -1)),
          sample("not at all", make.normal({2, 3}), {0, 0}, 0, times(0, 0)),
          sample("counts", make.normal({4, 2}), {2, 0, 1, 3}, 0, counted({2, 0, 1, 3}, 0)),
          sample("counts of columns", make.normal({2, 3, 2}), {1, 0, 2}, 1, counted({1, 0, 2}, -2)),
          sample("flat", make.normal({3}), {2, 2, 2}, 0,
                 [](const TensorList& in) { return TensorList{repeat_interleave(in[0], 2)}; }),
          sample("flat with counts", make.normal({3}), {2, 0, 1}, 0,
                 [](const TensorList& in) {
                   return TensorList{repeat_interleave(in[0], tensor({2, 0, 1}, int64))};
                 }),
          sample("empty", make.normal({0, 2}), {}, 0, times(3, 0)),
          sample("bools", make.conditions({3}), {2, 2, 2}, 0, times(2, 0))};
}

std::vector<ErrorSample> repeat_interleave_errors() {
  return {{"negative", [] { repeat_interleave(zeros({2}), -1, 0); }, ErrorKind::argument,
           "repeat_interleave: a count must not be negative; got -1"},
          {"too many elements", [] { repeat_interleave(zeros({4}), std::int64_t{1} << 62, 0); }, ErrorKind::shape,
           "repeat_interleave: too many elements"},
          {"wrong count", [] { repeat_interleave(zeros({2}), tensor({1}, int64), 0); }, ErrorKind::shape,
           "repeat_interleave: needs one count for each position"},
          {"dtype", [] { repeat_interleave(zeros({2}), zeros({2}), 0); }, ErrorKind::dtype,
           "repeat_interleave: the counts must be int64"},
          {"axis", [] { repeat_interleave(zeros({2}), 1, 1); }, ErrorKind::argument, "repeat_interleave: axis"}};
}

std::vector<Sample> samples_of_flip(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& axes) {
    return one_input(
        name, x, [axes](const TensorList& in) { return TensorList{flip(in[0], axes)}; },
        [axes](const TensorList& in) {
          const Shape shape = in[0].shape();
          return TensorList{rearranged(in[0], shape, [&](Shape i) {
            for (const std::int64_t axis : axes) {
              const std::size_t a = normalize_axis("flip", axis, shape.size());
              i[a] = shape[a] - 1 - i[a];
            }
            return i;
          })};
        });
  };
  return {sample("rows", make.normal({3, 2}), {0}), sample("both", make.normal({3, 4}), {0, -1}),
          sample("middle", make.normal({2, 3, 2}), {1}), sample("no axis", make.normal({3}), {}),
          sample("empty", make.normal({0, 2}), {0})};
}

std::vector<ErrorSample> flip_errors() {
  return {{"axis out of range", [] { flip(zeros({2}), {1}); }, ErrorKind::argument, "flip: axis"},
          {"axis twice",
           [] {
             flip(zeros({2, 2}), {0, -2});
           },
           ErrorKind::argument, "flip: an axis appears twice"}};
}

std::vector<Sample> samples_of_roll(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& shifts, const Shape& axes) {
    return one_input(
        name, x, [shifts, axes](const TensorList& in) { return TensorList{roll(in[0], shifts, axes)}; },
        [shifts, axes](const TensorList& in) {
          const Shape shape = in[0].shape();
          return TensorList{rearranged(in[0], shape, [&](Shape i) {
            for (std::size_t k = 0; k < axes.size(); ++k) {
              const std::size_t a = normalize_axis("roll", axes[k], shape.size());
              i[a] = ((i[a] - shifts[k]) % shape[a] + shape[a]) % shape[a];
            }
            return i;
          })};
        });
  };
  return {sample("forward", make.normal({5}), {2}, {0}), sample("backward", make.normal({4, 3}), {-1}, {-1}),
          sample("two axes", make.normal({3, 4}), {7, -5}, {0, 1}),
          sample("axis twice", make.normal({5}), {1, 1}, {0, 0}), sample("empty", make.normal({0, 2}), {1}, {0})};
}

std::vector<ErrorSample> roll_errors() {
  return {{"lengths",
           [] {
             roll(zeros({2}), {1, 2}, {0});
           },
           ErrorKind::argument, "roll: needs one shift for each axis"},
          {"axis out of range", [] { roll(zeros({2}), {1}, {1}); }, ErrorKind::argument, "roll: axis"}};
}

std::vector<Sample> triangle_samples(SampleMaker& make, Tensor (*triangle)(const Tensor&, std::int64_t), bool lower) {
  const auto sample = [triangle, lower](const char* name, const Tensor& x, std::int64_t diagonal) {
    return one_input(
        name, x, [=](const TensorList& in) { return TensorList{triangle(in[0], diagonal)}; },
        [=](const TensorList& in) {
          return TensorList{rearranged(in[0], in[0].shape(), [=](const Shape& i) {
            const std::int64_t distance = i[i.size() - 1] - i[i.size() - 2];
            return (lower ? distance <= diagonal : distance >= diagonal) ? i : Shape::filled(i.size(), -1);
          })};
        });
  };
  return {sample("square", make.normal({3, 3}), 0),
          sample("above", make.normal({3, 5}), 1),
          sample("below", make.normal({4, 3}), -2),
          sample("batch", make.normal({2, 3, 2}), 0),
          sample("far away", make.normal({2, 2}), 9),
          sample("as far as can be", make.normal({2, 2}), std::numeric_limits<std::int64_t>::max()),
          sample("as far below", make.normal({2, 2}), std::numeric_limits<std::int64_t>::min()),
          sample("empty", make.normal({0, 3}), 0)};
}

std::vector<Sample> samples_of_tril(SampleMaker& make) { return triangle_samples(make, tril, true); }

std::vector<Sample> samples_of_triu(SampleMaker& make) { return triangle_samples(make, triu, false); }

std::vector<ErrorSample> tril_errors() {
  return {{"one axis", [] { tril(zeros({3})); }, ErrorKind::shape, "tril: needs at least two axes"}};
}

std::vector<ErrorSample> triu_errors() {
  return {{"one axis", [] { triu(zeros({3})); }, ErrorKind::shape, "triu: needs at least two axes"}};
}

}  // namespace

SampleList rearrange_samples() {
  return {{"repeat", samples_of_repeat, repeat_errors},
          {"repeat_interleave", samples_of_repeat_interleave, repeat_interleave_errors},
          {"flip", samples_of_flip, flip_errors},
          {"roll", samples_of_roll, roll_errors},
          {"tril", samples_of_tril, tril_errors},
          {"triu", samples_of_triu, triu_errors}};
}

}  // namespace samples
