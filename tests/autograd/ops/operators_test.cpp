// Operators beyond + − * /, numbers beside tensors, and changes in place.

#include "saw/autograd/ops/operators.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "support/tensors.h"

namespace {

using saw::Shape;
using saw::Tensor;
using saw::tensor;
using test::error_text;
using Bools = std::vector<bool>;
using Floats = std::vector<float>;
using Ints = std::vector<int>;

TEST_CASE("operators: comparisons of tensors and numbers") {
  const Tensor a = tensor({1, 2, 3}), b = tensor({3, 2, 1});
  CHECK((a == b).to_vector<bool>() == Bools{false, true, false});
  CHECK((a != b).to_vector<bool>() == Bools{true, false, true});
  CHECK((a < b).to_vector<bool>() == Bools{true, false, false});
  CHECK((a <= b).to_vector<bool>() == Bools{true, true, false});
  CHECK((a > b).to_vector<bool>() == Bools{false, false, true});
  CHECK((a >= b).to_vector<bool>() == Bools{false, true, true});
  CHECK((a == 2).to_vector<bool>() == Bools{false, true, false});
  CHECK((2 != a).to_vector<bool>() == Bools{true, false, true});
  CHECK((a < 2).to_vector<bool>() == Bools{true, false, false});
  CHECK((2 < a).to_vector<bool>() == Bools{false, false, true});
  CHECK((2 <= a).to_vector<bool>() == Bools{false, true, true});
  CHECK((2 > a).to_vector<bool>() == Bools{true, false, false});
  CHECK((2 >= a).to_vector<bool>() == Bools{true, true, false});
  CHECK((tensor({true, false}) == true).to_vector<bool>() == Bools{true, false});
  CHECK((tensor({0.1}) == 0.1).item<bool>());  // in the tensor's precision
  const std::int64_t large = 9007199254740993;
  CHECK((tensor({large}) == large).item<bool>());  // and not through a double
  CHECK_FALSE((tensor({large}) == large - 1).item<bool>());
  CHECK(error_text([&] { static_cast<void>(a < 1.5); }).find("got 1.5 beside int64") != std::string::npos);
  CHECK(error_text([&] {
          static_cast<void>(a == tensor({1.0, 2.0, 3.0}));
        }).find("got int64 and float32") != std::string::npos);
}

TEST_CASE("operators: logic and bits") {
  const Tensor p = tensor({true, true, false, false}), q = tensor({true, false, true, false});
  CHECK((p & q).to_vector<bool>() == Bools{true, false, false, false});
  CHECK((p | q).to_vector<bool>() == Bools{true, true, true, false});
  CHECK((p ^ q).to_vector<bool>() == Bools{false, true, true, false});
  CHECK((!p).to_vector<bool>() == Bools{false, false, true, true});
  CHECK((p & true).to_vector<bool>() == p.to_vector<bool>());
  const Tensor x = tensor({12, -1, 5});
  CHECK((x & 10).to_vector<int>() == Ints{8, 10, 0});
  CHECK((3 | x).to_vector<int>() == Ints{15, -1, 7});
  CHECK((x ^ 5).to_vector<int>() == Ints{9, -6, 0});
  CHECK((!x).to_vector<int>() == Ints{-13, 0, -6});
  CHECK(((x > 0) & (x < 10)).to_vector<bool>() == Bools{false, false, true});
  CHECK(error_text([&] { p & 2; }).find("the number is no bool; got 2") != std::string::npos);
}

TEST_CASE("operators: remainders have the sign of the divisor") {
  const Tensor x = tensor({7, -7, 6, -6, 0});
  CHECK((x % 4).to_vector<int>() == Ints{3, 1, 2, 2, 0});
  CHECK((x % -4).to_vector<int>() == Ints{-1, -3, -2, -2, 0});
  CHECK(saw::floor_divide(x, 4).to_vector<int>() == Ints{1, -2, 1, -2, 0});
  CHECK((10 % tensor({3, -3})).to_vector<int>() == Ints{1, -2});
  CHECK((tensor({5.5, -5.5}) % 2).to_vector<float>() == Floats{1.5F, 0.5F});
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  CHECK((tensor({least}) % -1).item<int>() == 0);
  CHECK(saw::floor_divide(tensor({least}), -1).item<std::int64_t>() == least);
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  CHECK(std::isnan((tensor({1.0}) % 0).item()));
  CHECK(saw::floor_divide(tensor({1.0, -1.0}), 0).to_vector<double>() == std::vector<double>{inf, -inf});
  CHECK(std::isnan(saw::floor_divide(tensor({nan}), 2).item()));
  CHECK(saw::floor_divide(tensor({1.0}, saw::float64), 0.1).item() == 9);  // 0.1 is a little more than a tenth
  CHECK(std::signbit(saw::floor_divide(tensor({-0.0}), 3).item()));
  const Tensor a = tensor({7.5}).set_requires_grad(true), b = tensor({-2.0}).set_requires_grad(true);
  (a % b).sum().backward();
  CHECK(a.grad().item() == 1.0);
  CHECK(b.grad().item() == 4.0);  // -floor(-3.75)
}

TEST_CASE("operators: numbers on either side of functions") {
  const Tensor x = tensor({1.0, -2.0, 3.0});
  CHECK(saw::maximum(x, 0).to_vector<float>() == Floats{1, 0, 3});
  CHECK(saw::minimum(1.5, x).to_vector<float>() == Floats{1, -2, 1.5F});
  CHECK(saw::pow(2, x).to_vector<float>() == Floats{2, 0.25F, 8});
  CHECK(saw::where(x > 0, x, 0).to_vector<float>() == Floats{1, 0, 3});
  CHECK(saw::where(x > 0, -1, x).to_vector<float>() == Floats{-1, -2, -1});
  CHECK(saw::where(x > 0, 1.0, 0).dtype() == saw::float32);
  CHECK(saw::where(x > 0, 1, 0).dtype() == saw::int64);
  CHECK(saw::where(x > 0, true, false).dtype() == saw::boolean);
  CHECK(error_text([] { saw::maximum(tensor({1}), 0.5); }) ==
        "maximum: the number does not fit the tensor's dtype; got 0.5 beside int64; convert with to()");
}

// ---- in place ----

TEST_CASE("operators: += and its kin change storage") {
  Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
  const Tensor same = x;
  x += 1;
  x -= tensor({1.0, 0.0});
  x *= tensor({{2.0}, {1.0}});
  x /= 2;
  CHECK(same.is_same(x));
  CHECK(same.to_vector<float>() == Floats{1, 3, 1.5F, 2.5F});
  x += x;
  CHECK(same.to_vector<float>() == Floats{2, 6, 3, 5});
  x -= x.transpose(0, 1);  // overlapping
  CHECK(same.to_vector<float>() == Floats{0, 3, -3, 0});
  Tensor n = tensor({1, 2});
  n += 2;
  n *= tensor({3, -1});
  n -= 1;
  CHECK(n.to_vector<int>() == Ints{8, -5});
  n.add_(tensor({1, 1}), 3.0);
  CHECK(n.to_vector<int>() == Ints{11, -2});
  CHECK(error_text([&] { n += 0.5; }) ==
        "add_: the number does not fit the tensor's dtype; got 0.5 beside int64; convert with to()");
  CHECK(error_text([&] { n /= 2; }).find("div_: the quotient is no int64") == 0);
  CHECK(error_text([&] { n /= 2; }).find("take floor_divide") != std::string::npos);
  CHECK(error_text([&] {
          n += tensor({1.0, 2.0});
        }) == "add_: dtypes differ; got float32; expected int64; convert with to()");
  CHECK(error_text([&] { n += tensor({1, 2, 3}); }).find("add_: shapes do not broadcast") == 0);
  CHECK(error_text([&] { n += tensor({{1, 2}}); }).find("add_: the source does not broadcast") == 0);
  CHECK(n.to_vector<int>() == Ints{11, -2});
  Tensor flags = tensor({true});
  CHECK(error_text([&] { flags += true; }).find("add_: needs numbers") == 0);
}

TEST_CASE("operators: changes in place keep to the tape's rules") {
  Tensor w = tensor({1.0, 2.0});
  w.set_requires_grad(true);
  for (const auto& change : std::vector<std::function<void()>>{
           [&] { w += 1; }, [&] { w -= 1; }, [&] { w *= tensor({2.0}); }, [&] { w /= 2; }, [&] { w.zero_(); },
           [&] { w.clamp_(0, 1); }, [&] { w.masked_fill_(tensor({true}), 1); }, [&] { w.fill_(2); }})
    CHECK(error_text(change).find("requires a gradient would change in place; do it under NoGradGuard") !=
          std::string::npos);
  Tensor x = tensor({1.0, 2.0});
  CHECK(error_text([&] { x += w; }).find("would lose it") != std::string::npos);
  const auto version = x.storage()->version();
  x += 1;
  CHECK(x.storage()->version() > version);
  {
    const saw::NoGradGuard no_grad;
    w += 1;
  }
  CHECK(w.to_vector<float>() == Floats{2, 3});
}

TEST_CASE("operators: sub_, div_, clamp_, zero_ and masked_fill_, on views too") {
  const Tensor x = saw::arange(6.0).reshape({2, 3});
  x.transpose(0, 1).sub_(tensor({1.0, 2.0}));
  CHECK(x.to_vector<float>() == Floats{-1, 0, 1, 1, 2, 3});
  x.select(1, 2).div_(tensor({2.0, 4.0}));
  CHECK(x.to_vector<float>() == Floats{-1, 0, 0.5F, 1, 2, 0.75F});
  x.clamp_(0, 1);
  CHECK(x.to_vector<float>() == Floats{0, 0, 0.5F, 1, 1, 0.75F});
  x.masked_fill_(tensor({true, false, false}), -2);
  CHECK(x.to_vector<float>() == Floats{-2, 0, 0.5F, -2, 1, 0.75F});
  x.select(0, 0).zero_();
  CHECK(x.to_vector<float>() == Floats{0, 0, 0, -2, 1, 0.75F});
  CHECK(std::isnan(tensor({std::nan("")}).clamp_(0, 1).item()));
  CHECK(tensor({5, -5}).clamp_(-1, 1).to_vector<int>() == Ints{1, -1});
  CHECK(error_text([&] { x.clamp_(1, 0); }).find("clamp_: low must not lie above high") == 0);
  CHECK(error_text([&] { x.masked_fill_(x, 0); }).find("masked_fill_: the mask must be bool; got float32") == 0);
  CHECK(error_text([] { tensor({1}).fill_(0.5); }).find("fill_: the number does not fit") == 0);
}

}  // namespace
