// What views share with the tensor they look at, how they lie in memory, and which ops copy.

#include "saw/autograd/ops/view.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/slice.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/statistics.h"
#include "support/tensors.h"

namespace {

using saw::Shape;
using saw::Strides;
using saw::Tensor;

/// 0, 1, 2, … in that shape.
Tensor counted(const Shape& shape) { return saw::reshape(saw::arange(shape.numel()), shape); }

std::vector<std::int64_t> values(const Tensor& x) { return x.to_vector<std::int64_t>(); }

bool shares(const Tensor& a, const Tensor& b) { return a.storage() == b.storage(); }

TEST_CASE("view: strides and offsets") {
  const Tensor x = counted({2, 3, 4});
  CHECK(saw::transpose(x, 0, 2).strides() == Strides{1, 4, 12});
  CHECK(saw::permute(x, {1, 2, 0}).strides() == Strides{4, 1, 12});
  CHECK(saw::slice(x, 2, 1, 4, 2).strides() == Strides{12, 4, 2});
  CHECK(saw::slice(x, 2, 1, 4, 2).offset() == 1);
  CHECK(saw::select(x, 1, -1).strides() == Strides{12, 1});
  CHECK(saw::select(x, 1, -1).offset() == 8);
  CHECK(saw::expand(saw::select(x, 2, 0), {5, 2, 3}).strides() == Strides{0, 12, 4});
  CHECK(saw::diagonal(x, 1, 1, 2).strides() == Strides{12, 5});
  CHECK(saw::diagonal(x, 1, 1, 2).offset() == 1);
  CHECK(saw::unsqueeze(x, 1).shape() == Shape{2, 1, 3, 4});
  CHECK(saw::unsqueeze(x, 1).is_contiguous());
  CHECK(saw::squeeze(saw::unsqueeze(x, 1)).strides() == x.strides());
}

TEST_CASE("view: views of views keep looking at the first memory") {
  const Tensor x = counted({4, 6});
  const Tensor y = saw::transpose(saw::slice(saw::slice(x, 0, 1, 4), 1, 1, 6, 2), 0, 1);
  CHECK(shares(x, y));
  CHECK(values(y) == std::vector<std::int64_t>{7, 13, 19, 9, 15, 21, 11, 17, 23});
  CHECK(saw::select(saw::select(y, 0, 2), 0, 1).item() == 17);
}

TEST_CASE("view: what is written through one is seen in the others") {
  const Tensor x = saw::zeros({2, 3});
  const Tensor column = saw::select(x, 1, 1), flat = saw::reshape(x, {-1}), turned = saw::transpose(x, 0, 1);
  column.fill_(7);
  CHECK(flat.to_vector<float>() == std::vector<float>{0, 7, 0, 0, 7, 0});
  saw::select(turned, 0, 2).copy_(saw::tensor({1.0, 2.0}));
  CHECK(x.to_vector<float>() == std::vector<float>{0, 7, 1, 0, 7, 2});
  saw::diagonal(x).fill_(-1);
  CHECK(flat.to_vector<float>() == std::vector<float>{-1, 7, 1, 0, -1, 2});
  saw::split(x, 1)[1].fill_(5);
  CHECK(flat.to_vector<float>() == std::vector<float>{-1, 7, 1, 5, 5, 5});
  const Tensor wide = saw::expand(saw::slice(x, 1, 0, 1), {2, 4});
  saw::slice(x, 1, 0, 1).fill_(9);
  CHECK(wide.to_vector<float>() == std::vector<float>(8, 9.0F));
  CHECK(x.storage()->version() == wide.storage()->version());
}

TEST_CASE("view: reshape copies only where no strides can do") {
  const Tensor x = counted({2, 3, 4});
  const Tensor turned = saw::transpose(x, 1, 2);  // (2, 4, 3)
  CHECK(shares(x, saw::reshape(x, {6, 4})));
  CHECK(saw::reshape(x, {2, 3, 4}).is_same(x));
  CHECK(shares(x, saw::reshape(turned, {2, 2, 2, 3})));  // splitting an axis
  CHECK(saw::reshape(turned, {2, 2, 2, 3}).strides() == Strides{12, 2, 1, 4});
  CHECK(shares(x, saw::reshape(turned, {2, 1, 4, 3, 1})));  // axes of size 1
  CHECK_FALSE(shares(x, saw::reshape(turned, {2, 12})));    // merging what is not side by side
  CHECK(values(saw::reshape(turned, {2, 12})) == std::vector<std::int64_t>{0,  4,  8,  1,  5,  9,  2,  6,
                                                                           10, 3,  7,  11, 12, 16, 20, 13,
                                                                           17, 21, 14, 18, 22, 15, 19, 23});

  const Tensor rows = saw::slice(x, 0, 1, 2);  // (1, 3, 4)
  CHECK(shares(x, saw::reshape(rows, {12})));
  CHECK(values(saw::reshape(rows, {12})).front() == 12);
  const Tensor columns = saw::slice(x, 2, 0, 2);  // (2, 3, 2), rows 4 apart
  CHECK(shares(x, saw::reshape(columns, {6, 2})));
  CHECK_FALSE(shares(x, saw::reshape(columns, {12})));

  const Tensor repeated = saw::expand(saw::tensor({1, 2}, saw::int64), {3, 2});
  CHECK_FALSE(shares(repeated, saw::reshape(repeated, {6})));
  CHECK(values(saw::reshape(repeated, {6})) == std::vector<std::int64_t>{1, 2, 1, 2, 1, 2});
  const Tensor one = saw::expand(saw::scalar(4, saw::int64), {2, 3});
  CHECK(shares(one, saw::reshape(one, {6})));
  CHECK(saw::reshape(one, {6}).strides() == Strides{0});
}

TEST_CASE("view: every way to group the axes of every layout") {
  // All reshapes of 12 elements to up to three axes, against the row-major copy.
  const Tensor x = counted({2, 2, 3});
  for (const Shape& order : {Shape{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    const Tensor y = saw::permute(x, order);
    const auto expected = values(y);
    for (std::int64_t a = 1; a <= 12; ++a)
      for (std::int64_t b = 1; a * b <= 12; ++b) {
        if (12 % (a * b) != 0) continue;
        const Tensor z = saw::reshape(y, {a, b, -1});
        CHECK(z.shape() == Shape{a, b, 12 / (a * b)});
        CHECK(values(z) == expected);
      }
  }
}

TEST_CASE("view: contiguous returns its argument when it can, clone never does") {
  const Tensor x = counted({2, 3});
  CHECK(saw::contiguous(x).is_same(x));
  CHECK_FALSE(shares(x, saw::clone(x)));
  const Tensor turned = saw::transpose(x, 0, 1);
  const Tensor copy = saw::contiguous(turned);
  CHECK_FALSE(shares(x, copy));
  CHECK(copy.is_contiguous());
  CHECK(values(copy) == std::vector<std::int64_t>{0, 3, 1, 4, 2, 5});
  CHECK(saw::clone(turned).is_contiguous());
  CHECK(saw::clone(saw::expand(saw::scalar(1), {2, 2})).storage()->bytes() == 16);
}

TEST_CASE("view: slices are clamped like Python's") {
  const Tensor x = saw::arange(5);
  CHECK(values(saw::slice(x, 0, -2, 5)) == std::vector<std::int64_t>{3, 4});
  CHECK(values(saw::slice(x, 0, -100, 2)) == std::vector<std::int64_t>{0, 1});
  CHECK(values(saw::slice(x, 0, 1, 100, 3)) == std::vector<std::int64_t>{1, 4});
  CHECK(saw::slice(x, 0, 4, 2).numel() == 0);
  CHECK(values(saw::slice(x, 0, 0, 5, std::numeric_limits<std::int64_t>::max())) == std::vector<std::int64_t>{0});
}

TEST_CASE("view: conversion") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = saw::tensor({-1.9, 1.9, 0.0, 1e300, -inf, std::nan("")}, saw::float64);
  CHECK(values(x.to(saw::int64)) == std::vector<std::int64_t>{-1, 1, 0, std::numeric_limits<std::int64_t>::max(),
                                                              std::numeric_limits<std::int64_t>::min(), 0});
  CHECK(x.to(saw::boolean).to_vector<bool>() == std::vector<bool>{true, true, false, true, true, true});
  CHECK(x.to(saw::float64).is_same(x));
  CHECK(saw::tensor({0.1}, saw::float64).to(saw::float32).to_vector<float>() == std::vector<float>{0.1F});
  CHECK(saw::tensor(std::vector<bool>{true, false}).to(saw::float32).to_vector<float>() == std::vector<float>{1, 0});
}

TEST_CASE("view: gradients pass dtypes in both directions") {
  const Tensor narrow = saw::tensor({1.5, -2.0});
  narrow.set_requires_grad(true);
  const Tensor wide = narrow.to(saw::float64);
  CHECK(wide.requires_grad());
  saw::sum(saw::mul(wide, wide)).backward();
  CHECK(narrow.grad().dtype() == saw::float32);
  CHECK(narrow.grad().to_vector<float>() == std::vector<float>{3, -4});

  const Tensor source = saw::tensor({1.5, -2.0}, saw::float64);
  source.set_requires_grad(true);
  const Tensor down = source.to(saw::float32);
  saw::sum(saw::mul(down, down)).backward();
  CHECK(source.grad().dtype() == saw::float64);
  CHECK(source.grad().to_vector<double>() == std::vector<double>{3, -4});
  CHECK_FALSE(source.to(saw::int64).requires_grad());
}

TEST_CASE("view: the gradient of overlapping views adds up") {
  const Tensor x = saw::zeros({4});
  x.set_requires_grad(true);
  const Tensor a = saw::slice(x, 0, 0, 3), b = saw::slice(x, 0, 1, 4), c = saw::select(x, 0, 1);
  saw::add(saw::sum(saw::add(a, b * 10.0)), c * 100.0).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{1, 111, 11, 10});
}

TEST_CASE("view: views of a leaf made under NoGradGuard have no history") {
  const Tensor x = saw::zeros({2, 2});
  x.set_requires_grad(true);
  CHECK(saw::transpose(x, 0, 1).requires_grad());
  const saw::NoGradGuard no_grad;
  const Tensor row = saw::select(x, 0, 0);
  CHECK_FALSE(row.requires_grad());
  row.fill_(3);
  CHECK(x.to_vector<float>() == std::vector<float>{3, 3, 0, 0});
}

}  // namespace
