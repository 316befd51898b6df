// Ops over packed rows: what one segment holds never reaches another, ties and NaN, and sizes that run in parallel.

#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/packing.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Segments;
using saw::Tensor;
using saw::TensorList;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// All ops that map (N, C) over segments; rows_out: the result has rows, else one row per segment.
struct SegmentOp {
  const char* name;
  bool rows_out;
  std::function<Tensor(const Tensor&, const Segments&)> run;
};

const std::vector<SegmentOp>& segment_ops() {
  static const std::vector<SegmentOp> ops = {
      {"segment_sum", false, saw::segment_sum},
      {"segment_mean", false, saw::segment_mean},
      {"segment_max", false, saw::segment_max},
      {"segment_softmax", true, saw::segment_softmax},
      {"context_window", true,
       [](const Tensor& x, const Segments& segments) { return saw::context_window(x, segments, 2, 1); }},
      {"unpack", false, [](const Tensor& x, const Segments& segments) { return saw::unpack(x, segments, 0.5, 9); }},
  };
  return ops;
}

struct Result {
  Tensor value, gradient;
};

/// f over one tensor and the gradient of Σ value·weight, with weights that depend on the place in the segment alone.
Result differentiated(const SegmentOp& op, const Tensor& rows, const Segments& segments) {
  const Tensor x = rows.clone();
  x.set_requires_grad(true);
  const Tensor y = op.run(x, segments);
  const Tensor weight = Tensor::empty(y.shape(), y.dtype());
  float* w = weight.mutable_data<float>();
  const std::int64_t per_row = y.numel() / std::max<std::int64_t>(y.size(0), 1);
  const std::vector<std::int64_t> segment_of_row = segments.segment_of_row();
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t row = i / per_row;
    const std::int64_t place = op.rows_out ? row - segments.begin(segment_of_row[static_cast<std::size_t>(row)]) : 0;
    w[i] = std::sin(static_cast<float>(place * per_row + i % per_row));
  }
  return {y.detach(), saw::grad({y}, {x}, {.grad_outputs = {weight}})[0]};
}

TEST_CASE("segment ops: a segment's result and gradient are the same alone, in any order, and beside NaN") {
  const std::int64_t lengths[] = {4, 1, 7, 0, 3};
  saw::Generator generator(5);
  TensorList pieces;
  for (const std::int64_t length : lengths) pieces.push_back(saw::randn({length, 3}, generator));
  for (const SegmentOp& op : segment_ops()) {
    for (const std::vector<std::size_t>& order :
         {std::vector<std::size_t>{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}}) {
      for (std::size_t clean = 0; clean < order.size(); ++clean) {
        // Everyone but the segment at `clean` is NaN.
        TensorList rows;
        std::vector<std::int64_t> sizes;
        for (std::size_t at = 0; at < order.size(); ++at) {
          rows.push_back(at == clean ? pieces[order[at]] : saw::full_like(pieces[order[at]], nan));
          sizes.push_back(lengths[order[at]]);
        }
        const Segments segments = Segments::from_lengths(sizes);
        const Result batched = differentiated(op, saw::cat(rows), segments);
        const Result alone = differentiated(op, pieces[order[clean]], Segments::single(sizes[clean]));
        const auto b = static_cast<std::int64_t>(clean);
        const Tensor value = op.rows_out ? saw::slice(batched.value, 0, segments.begin(b), segments.end(b))
                                         : saw::slice(batched.value, 0, b, b + 1);
        CHECK_MESSAGE(test::same_bits(saw::contiguous(value), alone.value), op.name);
        const Tensor gradient = saw::slice(batched.gradient, 0, segments.begin(b), segments.end(b));
        CHECK_MESSAGE(test::same_bits(saw::contiguous(gradient), alone.gradient), op.name);
      }
    }
  }
}

TEST_CASE("segment_max: the first largest row gets the gradient, NaN is largest, empty segments give 0") {
  const Segments segments = Segments::from_lengths({3, 0, 2});
  const Tensor x = saw::tensor({{1, 5}, {2, 5}, {2, 4}, {-1, nan}, {-3, 7}});
  x.set_requires_grad(true);
  const Tensor y = saw::segment_max(x, segments);
  const std::vector<float> values = y.to_vector<float>();
  CHECK(values[0] == 2);
  CHECK(values[1] == 5);
  CHECK(values[2] == 0);
  CHECK(values[3] == 0);
  CHECK(values[4] == -1);
  CHECK(std::isnan(values[5]));
  saw::segment_max(x, segments).backward(saw::tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 2, 1, 0, 0, 0, 5, 6, 0, 0});
  CHECK(
      saw::segment_max(saw::tensor({3, -9, 4}, saw::int64), Segments::from_lengths({2, 1})).to_vector<std::int64_t>() ==
      std::vector<std::int64_t>{3, 4});
}

TEST_CASE("segment_softmax: rows of −∞ get nothing, and a column of −∞ alone gives zeros") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = saw::tensor({{-inf, -inf}, {0, -inf}, {1000, 2}});
  const std::vector<float> y = saw::segment_softmax(x, Segments::from_lengths({2, 1})).to_vector<float>();
  CHECK(y == std::vector<float>{0, 0, 1, 0, 1, 1});
}

TEST_CASE("context_window: neighbours side by side, zeros beyond the segment") {
  const Tensor x = saw::tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}});
  const Tensor y = saw::context_window(x, Segments::from_lengths({2, 1}), 1, 1);
  CHECK(y.shape() == saw::Shape{3, 6});
  CHECK(y.to_vector<float>() == std::vector<float>{0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 0, 0});
}

TEST_CASE("pack and unpack are each other's reverse") {
  const Segments segments = Segments::from_lengths({2, 0, 3});
  const Tensor rows = saw::randn({5, 2});
  const Tensor padded = saw::unpack(rows, segments, -7.0, 4);
  CHECK(padded.shape() == saw::Shape{3, 4, 2});
  CHECK(saw::select(saw::select(padded, 0, 0), 0, 2).to_vector<float>() == std::vector<float>{-7, -7});
  CHECK(test::same_bits(saw::pack(padded, segments), rows));
}

TEST_CASE("segment ops: the same bits with any number of threads, at sizes that are split") {
  std::vector<std::int64_t> lengths;
  std::int64_t rows = 0;
  for (std::int64_t i = 0; rows < 6000; ++i) rows += lengths.emplace_back(i * i % 23);
  lengths.push_back(4000);  // and one that is longer than all others
  rows += 4000;
  const Segments segments = Segments::from_lengths(lengths);
  saw::Generator generator(6);
  const Tensor x = saw::randn({rows, 37}, generator);
  for (const SegmentOp& op : segment_ops()) {
    if (std::string(op.name) == "unpack") continue;  // every row is as long as the longest: 40 MB
    Result first;
    for (const int threads : {1, 2, 5}) {
      const test::Threads scope(threads);
      const Result result = differentiated(op, x, segments);
      if (threads == 1) first = result;
      CHECK_MESSAGE(test::same_bits(result.value, first.value), op.name);
      CHECK_MESSAGE(test::same_bits(result.gradient, first.gradient), op.name);
    }
  }
  // Against sums in double, so that a wrong split cannot hide behind being the same everywhere.
  const Tensor wide = saw::segment_sum(x.to(saw::float64), segments);
  CHECK(test::difference(saw::segment_sum(x, segments), wide, 4e-4) == "");
  const std::vector<double> columns = saw::sum(wide, {0}).to_vector<double>();
  const std::vector<double> all = saw::sum(x.to(saw::float64), {0}).to_vector<double>();
  for (std::size_t c = 0; c < all.size(); ++c) CHECK(columns[c] == doctest::Approx(all[c]).epsilon(1e-10));
}

}  // namespace
