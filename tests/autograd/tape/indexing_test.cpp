// x[…] and x(…): against naive loops, as views, with gradients, and written to.

#include "saw/autograd/tape/indexing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::ellipsis;
using saw::ErrorKind;
using saw::Index;
using saw::Indexed;
using saw::new_axis;
using saw::Range;
using saw::Shape;
using saw::Tensor;
using saw::tensor;
using saw::TensorList;
using test::error_text;
using Integers = std::vector<std::int64_t>;

Tensor counted(const Shape& shape) { return saw::reshape(saw::arange(shape.numel()), shape); }

Integers values(const Tensor& x) { return x.to_vector<std::int64_t>(); }

TEST_CASE("indexing: integers and ranges are views") {
  const Tensor x = counted({3, 4});
  CHECK(values(x[1]) == Integers{4, 5, 6, 7});
  CHECK(x[-1](2).item<int>() == 10);
  CHECK(x(1, -1).item<int>() == 7);
  CHECK(x(1, -1).shape() == Shape{});
  CHECK(values(x({}, 0)) == Integers{0, 4, 8});
  CHECK(values(x({1, 3}, {0, 4, 2})) == Integers{4, 6, 8, 10});
  CHECK(values(x(0, {-2, 100})) == Integers{2, 3});
  CHECK(values(x(Range{.begin = 2})) == Integers{8, 9, 10, 11});
  CHECK(values(x[{0, 1}]) == Integers{0, 1, 2, 3});
  CHECK(x({}, Range{.step = 3}).shape() == Shape{3, 2});
  CHECK(x({2, 1}).shape() == Shape{0, 4});
  CHECK(values(x(ellipsis, 1)) == Integers{1, 5, 9});
  CHECK(x(ellipsis).shape() == Shape{3, 4});
  CHECK(x(new_axis, ellipsis, new_axis, 0).shape() == Shape{1, 3, 1});
  CHECK(x({}, new_axis).shape() == Shape{3, 1, 4});
  for (const Tensor& part : TensorList{x[1], x({}, 0), x(new_axis), x(ellipsis, {1, 2})})
    CHECK(part.storage() == x.storage());
}

TEST_CASE("indexing: int64 and bool tensors") {
  const Tensor x = counted({3, 4});
  CHECK(values(x(tensor({2, 0, -1}), 1)) == Integers{9, 1, 9});
  CHECK(values(x(tensor({{0, 1}, {2, 2}}), tensor({0, 3}))) == Integers{0, 7, 8, 11});
  CHECK(x(tensor({{0, 1, 1}})).shape() == Shape{1, 3, 4});
  CHECK(values(x[tensor({true, false, true})]) == Integers{0, 1, 2, 3, 8, 9, 10, 11});
  CHECK(values(x(x % 5 == 0)) == Integers{0, 5, 10});
  CHECK(values(x({}, tensor({false, true, false, true}))) == Integers{1, 3, 5, 7, 9, 11});
  CHECK(values(x(saw::scalar(1, saw::int64))) == Integers{4, 5, 6, 7});
  CHECK(x(x > 100).shape() == Shape{0});
  CHECK(x(saw::zeros({0}, saw::int64)).shape() == Shape{0, 4});
  // Side by side, the chosen axes stay in their place; apart, they come first.
  const Tensor cube = counted({2, 3, 4, 5});
  const Tensor rows = tensor({0, 1, 0, 1, 1, 0}), columns = tensor({3, 2, 1, 0, 0, 1});
  CHECK(cube({}, tensor({0, 2}), tensor({1, 3})).shape() == Shape{2, 2, 5});
  CHECK(cube(rows, {}, columns).shape() == Shape{6, 3, 5});
  CHECK(cube(0, {}, columns).shape() == Shape{6, 3, 5});
  CHECK(cube({}, 0, columns).shape() == Shape{2, 6, 5});
  CHECK(cube(rows, new_axis, tensor({2})).shape() == Shape{6, 1, 4, 5});
}

// ---- many expressions, against their definition ----

struct Draw {
  std::mt19937 engine;
  int below(int n) { return static_cast<int>(engine() % static_cast<unsigned>(n)); }
};

/// A shape and indices that fit it; the index tensors need not broadcast together.
struct Expression {
  Shape shape;
  std::vector<Index> indices;
  std::string text;
};

Expression random_expression(Draw& draw) {
  Expression e;
  const int rank = 1 + draw.below(4);
  for (int i = 0; i < rank; ++i) e.shape.push_back(1 + draw.below(4));
  const Shape common = draw.below(2) == 0 ? Shape{3} : Shape{2, 3};
  const bool tensors = draw.below(3) > 0;
  bool ellipsis_used = false;
  int axis = 0;
  int stop = 1 + draw.below(rank);
  while (axis < stop) {
    const std::int64_t size = e.shape[static_cast<std::size_t>(axis)];
    const int kind = draw.below(tensors ? 8 : 5);
    if (kind == 0) {
      e.indices.emplace_back(draw.below(static_cast<int>(2 * size)) - size);
      e.text += " integer";
      ++axis;
    } else if (kind == 1) {
      e.indices.emplace_back(Range{draw.below(6) - 3, draw.below(8) - 2, 1 + draw.below(2)});
      e.text += " range";
      ++axis;
    } else if (kind == 2) {
      e.indices.emplace_back();
      e.text += " all";
      ++axis;
    } else if (kind == 3) {
      if (e.shape.size() + e.indices.size() > 6) continue;
      e.indices.emplace_back(new_axis);
      e.text += " new";
    } else if (kind == 4) {
      if (ellipsis_used) continue;
      ellipsis_used = true;
      e.indices.emplace_back(ellipsis);
      e.text += " ...";
      axis += rank - stop;  // what follows speaks of the last axes
      stop = rank;
    } else if (kind == 5 && axis + 1 < stop) {
      std::vector<bool> mask;
      const Shape shape{size, e.shape[static_cast<std::size_t>(axis) + 1]};
      mask.assign(static_cast<std::size_t>(shape.numel()), false);
      // As many as the last axis of other index tensors, so that they broadcast.
      if (shape.numel() < 3) continue;
      for (int left = 3; left > 0;) {
        const auto at = static_cast<std::size_t>(draw.below(static_cast<int>(shape.numel())));
        if (!mask[at]) --left;
        mask[at] = true;
      }
      e.indices.emplace_back(tensor(mask, shape));
      e.text += " mask";
      axis += 2;
    } else {
      Integers at;
      const Shape shape = draw.below(4) == 0 ? Shape{1} : common;
      for (std::int64_t i = 0; i < shape.numel(); ++i) at.push_back(draw.below(static_cast<int>(2 * size)) - size);
      e.indices.emplace_back(tensor(at, shape));
      e.text += " tensor";
      ++axis;
    }
  }
  return e;
}

/// By the definition of NumPy's documentation: the element numbers of a row-major tensor, one at a time.
struct Naive {
  Shape shape;
  Integers elements;
};

Naive naive(const Expression& e) {
  // Every entry, with masks taken apart and the ellipsis written out.
  struct Entry {
    int kind;  // 0 chosen by numbers, 1 kept as a list of positions, 2 new
    std::size_t axis;
    Integers positions;
    Shape shape;
  };
  std::size_t used = 0;
  bool advanced = false;
  for (const Index& i : e.indices) {
    if (i.kind() == Index::Kind::tensor) {
      advanced = true;
      used += i.tensor().dtype() == saw::boolean ? i.tensor().rank() : 1;
    } else if (i.kind() == Index::Kind::integer || i.kind() == Index::Kind::range) {
      ++used;
    }
  }
  std::vector<Entry> entries;
  std::size_t axis = 0;
  const auto keep = [&](std::int64_t begin, std::int64_t end, std::int64_t step) {
    Entry entry{1, axis, {}, {}};
    const std::int64_t size = e.shape[axis];
    begin = std::clamp<std::int64_t>(begin < 0 ? begin + size : begin, 0, size);
    end = std::clamp<std::int64_t>(end < 0 ? end + size : end, 0, size);
    for (std::int64_t i = begin; i < end; i += step) entry.positions.push_back(i);
    entries.push_back(entry);
    ++axis;
  };
  bool whole = false;
  for (const Index& i : e.indices) {
    switch (i.kind()) {
      case Index::Kind::integer:
        entries.push_back({advanced ? 0 : 3, axis, {(i.position() + e.shape[axis]) % e.shape[axis]}, {}});
        ++axis;
        break;
      case Index::Kind::range:
        keep(i.range().begin, i.range().end, i.range().step);
        break;
      case Index::Kind::rest:
        entries.push_back({4, axis, {}, {}});  // a separator even when it stands for nothing
        for (std::size_t left = e.shape.size() - used; left > 0; --left) keep(0, e.shape[axis], 1);
        whole = true;
        break;
      case Index::Kind::fresh:
        entries.push_back({2, axis, {}, {}});
        break;
      case Index::Kind::tensor:
        if (i.tensor().dtype() == saw::boolean) {
          const std::vector<bool> mask = i.tensor().to_vector<bool>();
          const std::int64_t columns = i.tensor().shape()[1];
          Integers rows, others;
          for (std::size_t k = 0; k < mask.size(); ++k) {
            if (!mask[k]) continue;
            rows.push_back(static_cast<std::int64_t>(k) / columns);
            others.push_back(static_cast<std::int64_t>(k) % columns);
          }
          const Shape shape{static_cast<std::int64_t>(rows.size())};
          entries.push_back({0, axis, rows, shape});
          entries.push_back({0, axis + 1, others, shape});
          axis += 2;
        } else {
          Integers at = values(i.tensor());
          for (std::int64_t& p : at) p = (p + e.shape[axis]) % e.shape[axis];
          entries.push_back({0, axis, at, i.tensor().shape()});
          ++axis;
        }
        break;
    }
  }
  if (!whole)
    while (axis < e.shape.size()) keep(0, e.shape[axis], 1);

  // Where the shape of the index tensors goes.
  Shape common;
  std::size_t first = entries.size(), last = 0, count = 0;
  for (std::size_t k = 0; k < entries.size(); ++k) {
    if (entries[k].kind != 0) continue;
    common = saw::broadcast_shapes("naive", common, entries[k].shape);
    first = std::min(first, k);
    last = k;
    ++count;
  }
  const bool together = count > 0 && last - first + 1 == count;
  Shape shape;
  std::vector<std::size_t> source;  // of each axis of the result: an entry, or none for the index tensors' axes
  constexpr std::size_t none = 1000;
  const auto put_common = [&] {
    for (const std::int64_t size : common) {
      shape.push_back(size);
      source.push_back(none);
    }
  };
  if (count > 0 && !together) put_common();
  for (std::size_t k = 0; k < entries.size(); ++k) {
    if (together && k == first) put_common();
    if (entries[k].kind == 1 || entries[k].kind == 2) {
      shape.push_back(entries[k].kind == 1 ? static_cast<std::int64_t>(entries[k].positions.size()) : 1);
      source.push_back(k);
    }
  }

  Naive result{shape, {}};
  const saw::Strides strides = saw::contiguous_strides(e.shape);
  for (std::int64_t n = 0; n < shape.numel(); ++n) {
    Integers at(shape.size());
    std::int64_t rest = n;
    for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i]) at[i] = rest % shape[i];
    Integers chosen;  // the place within the index tensors' shape
    std::int64_t element = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (source[i] == none)
        chosen.push_back(at[i]);
      else if (entries[source[i]].kind == 1)
        element += entries[source[i]].positions[static_cast<std::size_t>(at[i])] * strides[entries[source[i]].axis];
    }
    for (const Entry& entry : entries) {
      if (entry.kind == 3) element += entry.positions[0] * strides[entry.axis];
      if (entry.kind != 0) continue;
      std::int64_t place = 0;
      for (std::size_t i = 0; i < entry.shape.size(); ++i) {
        const std::int64_t c = chosen[chosen.size() - entry.shape.size() + i];
        place = place * entry.shape[i] + (entry.shape[i] == 1 ? 0 : c);
      }
      element += entry.positions[static_cast<std::size_t>(place)] * strides[entry.axis];
    }
    result.elements.push_back(element);
  }
  return result;
}

bool broadcasts(const Expression& e) {
  try {
    naive(e);
    return true;
  } catch (const saw::Error&) {
    return false;
  }
}

TEST_CASE("indexing: 2000 random expressions read and write what loops do") {
  Draw draw{std::mt19937(7)};
  int with_tensors = 0, done = 0;
  while (done < 2000) {
    const Expression e = random_expression(draw);
    if (!broadcasts(e)) continue;
    ++done;
    const Naive expected = naive(e);
    INFO("shape ", saw::to_string(e.shape), ":", e.text);
    Tensor x = counted(e.shape);
    if (done % 3 == 0) x = test::row_sliced(x);
    const Indexed part(x, e.indices);
    REQUIRE(part.shape() == expected.shape);
    REQUIRE(values(part) == expected.elements);
    for (const Index& i : e.indices) with_tensors += i.kind() == Index::Kind::tensor ? 1 : 0;

    // Written in order, so that of several values for one place the last stays.
    Integers written = values(x);
    for (std::size_t k = 0; k < expected.elements.size(); ++k)
      written[static_cast<std::size_t>(expected.elements[k])] = -static_cast<std::int64_t>(k) - 1;
    Indexed(x, e.indices) = -saw::reshape(saw::arange(1, expected.shape.numel() + 1), expected.shape);
    REQUIRE(values(x) == written);

    Indexed(x, e.indices) = 1000;
    for (const std::int64_t k : expected.elements) written[static_cast<std::size_t>(k)] = 1000;
    REQUIRE(values(x) == written);
    Indexed(x, e.indices) += 5;
    for (const std::int64_t k : expected.elements) written[static_cast<std::size_t>(k)] = 1005;
    REQUIRE(values(x) == written);
  }
  CHECK(with_tensors > 500);
}

TEST_CASE("indexing: gradients of first and second order") {
  Draw draw{std::mt19937(11)};
  for (int done = 0; done < 40;) {
    const Expression e = random_expression(draw);
    if (!broadcasts(e)) continue;
    ++done;
    INFO("shape ", saw::to_string(e.shape), ":", e.text);
    saw::Generator generator(static_cast<std::uint64_t>(done));
    const Tensor x = saw::randn(e.shape, generator, saw::float64).set_requires_grad(true);
    const auto f = [&](const TensorList& in) {
      const Tensor part = Indexed(in[0], e.indices);
      return TensorList{part * part * part};
    };
    const auto first = saw::gradcheck(f, {x});
    CHECK_MESSAGE(first.ok, first.message);
    const auto second = saw::gradgradcheck(f, {x});
    CHECK_MESSAGE(second.ok, second.message);
  }
}

// ---- writing ----

TEST_CASE("indexing: assigning to x(…) writes into x, assigning to a name does not") {
  const Tensor x = counted({2, 3});
  x(0) = tensor({7, 8, 9});
  CHECK(values(x) == Integers{7, 8, 9, 3, 4, 5});
  x({}, 0) = -1;
  CHECK(values(x) == Integers{-1, 8, 9, -1, 4, 5});
  x[1] = x[0];
  CHECK(values(x) == Integers{-1, 8, 9, -1, 8, 9});
  x(x < 0) = 0;
  CHECK(values(x) == Integers{0, 8, 9, 0, 8, 9});
  x(tensor({1, 1}), tensor({0, 0})) = tensor({5, 6});
  CHECK(values(x) == Integers{0, 8, 9, 6, 8, 9});
  x(ellipsis, {1, 3}) -= tensor({{1}, {2}});
  CHECK(values(x) == Integers{0, 7, 8, 6, 6, 7});
  x(tensor({0, 0})) *= 2;  // once: the last of equal places stays
  CHECK(values(x) == Integers{0, 14, 16, 6, 6, 7});
  Tensor name = x[0];
  name = tensor({1, 1, 1});
  auto other = x[0];
  other = tensor({2, 2, 2});
  CHECK(values(other) == Integers{2, 2, 2});
  CHECK(values(x) == Integers{0, 14, 16, 6, 6, 7});
  auto part = x(tensor({0}));  // a copy
  part += 1;
  part = tensor({3});
  CHECK(values(x) == Integers{0, 14, 16, 6, 6, 7});
  const Tensor y = counted({4});
  y({1, 4}) = y({0, 3});  // overlapping
  CHECK(values(y) == Integers{0, 0, 1, 2});
  y(tensor({3, 2, 1, 0})) = y;
  CHECK(values(y) == Integers{2, 1, 0, 0});
  const Tensor z = saw::zeros({2, 2});
  z[0] /= 2;
  z(tensor({1})) = 3.5;
  z(tensor({1})) /= 2;
  CHECK(z.to_vector<float>() == std::vector<float>{0, 0, 1.75F, 1.75F});
}

TEST_CASE("indexing: writing obeys the rules of changes in place") {
  const Tensor leaf = saw::zeros({2, 2}).set_requires_grad(true);
  for (const Index& i : {Index(0), Index(tensor({0})), Index(tensor({true, false}))}) {
    CHECK(error_text([&] { leaf(i) = 1.0; }).find("requires a gradient would change in place") != std::string::npos);
    CHECK(error_text([&] { leaf(i) += 1.0; }).find("requires a gradient would change in place") != std::string::npos);
    CHECK(error_text([&] { saw::zeros({2, 2})(i) = leaf[0]; }).find("would lose it") != std::string::npos);
    const saw::NoGradGuard no_grad;
    const auto version = leaf.storage()->version();
    leaf(i) = 2.0;
    CHECK(leaf.storage()->version() > version);
    CHECK(leaf(0, 0).item() == 2.0);
  }
  // What backward needs was changed: it says so.
  const Tensor w = saw::ones({3}).set_requires_grad(true), x = saw::ones({3});
  const Tensor loss = (w * x).sum();
  x(tensor({1})) = 5.0;
  CHECK(error_text([&] { loss.backward(); }).find("changed in place") != std::string::npos);
}

TEST_CASE("indexing: rows") {
  const Tensor x = counted({3, 2});
  Integers sums;
  for (const Tensor row : x) sums.push_back(row.sum().item<std::int64_t>());
  CHECK(sums == Integers{1, 5, 9});
  for (const Tensor row : x) row.fill_(row(0).item<int>());
  CHECK(values(x) == Integers{0, 0, 2, 2, 4, 4});
  CHECK(TensorList(x.begin(), x.end()).size() == 3);
  const Tensor leaf = saw::ones({2, 2}).set_requires_grad(true);
  Tensor total = saw::scalar(0.0);
  int factor = 0;
  for (const Tensor row : leaf) total = total + row.sum() * ++factor;
  total.backward();
  CHECK(leaf.grad().to_vector<float>() == std::vector<float>{1, 1, 2, 2});
  CHECK(error_text([] { saw::scalar(1.0).begin(); }).find("iteration: a number has no rows") == 0);
}

TEST_CASE("indexing: mistakes") {
  const Tensor x = counted({3, 4});
  CHECK(error_text([&] { x[3]; }) == "indexing: index out of range; got 3; expected -3 … 2 along axis 0");
  CHECK(error_text([&] { x({}, -5); }) == "indexing: index out of range; got -5; expected -4 … 3 along axis 1");
  CHECK(error_text([&] {
          x(tensor({{0}, {4}}));
        }) == "indexing: index out of range; got 4 at position (1, 0); expected -3 … 2 along axis 0");
  CHECK(error_text([&] { x(0, 0, 0); }) == "indexing: too many indices; got 3 for shape (3, 4); expected at most 2");
  CHECK(error_text([&] { x(ellipsis, ellipsis); }) == "indexing: got 2 ellipses; expected one at most");
  CHECK(error_text([&] { x({0, 2, 0}); }).find("the step of a range must be positive; got 0") != std::string::npos);
  CHECK(error_text([&] {
          x(tensor({true, false}));
        }) == "indexing: the mask does not fit axis 0; got a mask of shape (2,) for size 3");
  CHECK(error_text([&] { x(tensor({1.0})); }) ==
        "indexing: an index tensor has integers or conditions; got float32; expected int64 or bool");
  CHECK(error_text([&] { x(tensor({0, 1}), tensor({0, 1, 2})); }).find("indexing: shapes do not broadcast") == 0);
  CHECK(error_text([&] { x(0) = tensor({1, 2, 3}); }).find("(3,)") != std::string::npos);
  CHECK(error_text([&] { x(tensor({0})) = tensor({1, 2, 3}); }).find("indexing: ") == 0);
  CHECK(error_text([&] { x(0) = 0.5; }).find("got 0.5 beside int64") != std::string::npos);
  CHECK(error_text([&] { x(0) = saw::ones({4}); }).find("dtypes differ; got float32; expected int64") !=
        std::string::npos);
  CHECK(values(x) == values(counted({3, 4})));
}

TEST_CASE("indexing: an assignment through index tensors results in what was assigned") {
  const Tensor x = saw::arange(6).reshape({3, 2});
  const Tensor y = (x(saw::tensor({0, 2})) = 5);
  CHECK(y.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 5, 5, 5});
  CHECK(x.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 5, 2, 3, 5, 5});
}

}  // namespace
