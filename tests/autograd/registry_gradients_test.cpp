// The gradients of every op: first and second derivatives against differences in every layout, and what does not
// depend on who else needs a gradient.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/registry.h"
#include "saw/autograd/tape/engine.h"
#include "support/registry.h"
#include "support/tensors.h"

namespace {

using saw::DType;
using saw::OpInfo;
using saw::Tensor;
using saw::TensorList;
using test::Call;
using test::Layout;

void check_gradients(Layout layout) {
  test::for_each_call(DType::float64, layout, [](const OpInfo&, const Call& call) {
    if (!call.any_differentiable()) return;
    const auto result = saw::gradcheck(call.run, call.fresh_leaves(), {.name = call.name});
    CHECK_MESSAGE(result.ok, result.message);
  });
}

void check_second_gradients(Layout layout) {
  // Minutes a layout under sanitizers; what depends on the layout, gradcheck goes through in all of them.
  if (test::sanitized() && layout != Layout::contiguous) return;
  test::for_each_call(DType::float64, layout, [](const OpInfo&, const Call& call) {
    if (!call.any_differentiable()) return;
    const auto result = saw::gradgradcheck(call.run, call.fresh_leaves(), {.name = call.name});
    CHECK_MESSAGE(result.ok, result.message);
  });
}

TEST_CASE("registry: gradcheck, contiguous") { check_gradients(Layout::contiguous); }
TEST_CASE("registry: gradcheck, transposed") { check_gradients(Layout::transposed); }
TEST_CASE("registry: gradcheck, sliced") { check_gradients(Layout::sliced); }
TEST_CASE("registry: gradcheck, row-sliced") { check_gradients(Layout::row_sliced); }
TEST_CASE("registry: gradcheck, expanded along the first axis") { check_gradients(Layout::expanded_first); }
TEST_CASE("registry: gradcheck, expanded along the last axis") { check_gradients(Layout::expanded_last); }

TEST_CASE("registry: gradgradcheck, contiguous") { check_second_gradients(Layout::contiguous); }
TEST_CASE("registry: gradgradcheck, transposed") { check_second_gradients(Layout::transposed); }
TEST_CASE("registry: gradgradcheck, sliced") { check_second_gradients(Layout::sliced); }
TEST_CASE("registry: gradgradcheck, row-sliced") { check_second_gradients(Layout::row_sliced); }
TEST_CASE("registry: gradgradcheck, expanded along the first axis") { check_second_gradients(Layout::expanded_first); }
TEST_CASE("registry: gradgradcheck, expanded along the last axis") { check_second_gradients(Layout::expanded_last); }

TEST_CASE("registry: every differentiable op has a sample whose gradient is checked") {
  for (const OpInfo* op : saw::op_registry()) {
    if (!op->differentiable) continue;
    bool checked = false;
    for (const Call& call : test::calls_of(*op, DType::float64, Layout::contiguous))
      for (std::size_t i = 0; i < call.leaves.size(); ++i)
        checked = checked || (call.differentiable[i] && call.leaves[i].numel() > 0);
    CHECK_MESSAGE(checked, op->name);
  }
}

TEST_CASE("registry: float32 gradients agree with float64, in shape, dtype and value") {
  for (const OpInfo* op : saw::op_registry()) {
    if (!op->differentiable) continue;
    const auto single = test::calls_of(*op, DType::float32, Layout::contiguous);
    const auto twice = test::calls_of(*op, DType::float64, Layout::contiguous);
    REQUIRE(single.size() == twice.size());
    for (std::size_t i = 0; i < single.size(); ++i) {
      const std::string& name = single[i].name;
      try {
        const TensorList narrow = single[i].fresh_leaves();
        TensorList wide;
        for (const Tensor& leaf : narrow) {
          wide.push_back(leaf.defined() && leaf.dtype() == DType::float32 ? leaf.detach().to(DType::float64) : leaf);
          if (leaf.defined() && leaf.requires_grad()) wide.back().set_requires_grad(true);
        }
        const TensorList got = test::gradients_of(single[i].run(narrow), narrow);
        const TensorList expected = test::gradients_of(twice[i].run(wide), wide);
        double largest = 0.0;  // a gradient that cancels carries the rounding errors of the others' size
        for (const Tensor& gradient : expected)
          if (gradient.defined()) largest = std::max(largest, test::magnitude(gradient));
        for (std::size_t j = 0; j < got.size(); ++j) {
          const double allowed = 4 * single[i].tolerance * test::epsilon(DType::float32) * largest;
          const std::string wrong = test::difference(got[j], expected[j], allowed);
          CHECK_MESSAGE(wrong.empty(), name, ", gradient of input ", j, " ", wrong);
          if (!got[j].defined()) continue;
          CHECK_MESSAGE(got[j].dtype() == narrow[j].dtype(), name, ", input ", j);
          CHECK_MESSAGE(got[j].shape() == narrow[j].shape(), name, ", input ", j);
        }
      } catch (const std::exception& error) {
        FAIL_CHECK(name, ": threw ", error.what());
      }
    }
  }
}

TEST_CASE("registry: an input's gradient does not depend on which others need one") {
  test::for_each_call(DType::float64, Layout::contiguous, [](const OpInfo&, const Call& call) {
    const auto count = static_cast<unsigned>(std::count(call.differentiable.begin(), call.differentiable.end(), true));
    if (count < 2) return;
    const TensorList all = call.fresh_leaves();
    const TensorList expected = test::gradients_of(call.run(all), all);
    for (unsigned subset = 0; subset < 1u << std::min(count, 3u); ++subset) {
      const TensorList leaves = call.fresh_leaves(subset);
      const TensorList outputs = call.run(leaves);
      if (subset == 0)
        for (const Tensor& output : outputs) CHECK_MESSAGE(!output.requires_grad(), call.name);
      const TensorList got = test::gradients_of(outputs, leaves);
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        if (!leaves[i].defined() || !leaves[i].requires_grad()) {
          CHECK_MESSAGE(!got[i].defined(), call.name, ", input ", i);
          continue;
        }
        const double allowed = call.tolerance * test::epsilon(DType::float64) *
                               (expected[i].defined() ? test::magnitude(expected[i]) : 0.0);
        const std::string wrong = test::difference(got[i], expected[i], allowed);
        CHECK_MESSAGE(wrong.empty(), call.name, ", subset ", subset, ", gradient of input ", i, " ", wrong);
      }
    }
  });
}

TEST_CASE("registry: the gradient of f(x) + f(x) is twice that of f(x)") {
  test::for_each_call(DType::float64, Layout::contiguous, [](const OpInfo&, const Call& call) {
    if (!call.any_differentiable()) return;
    const TensorList leaves = call.fresh_leaves();
    const TensorList once = test::gradients_of(call.run(leaves), leaves);
    const TensorList a = call.run(leaves), b = call.run(leaves);
    TensorList sums;
    for (std::size_t i = 0; i < a.size(); ++i) sums.push_back(a[i].requires_grad() ? saw::add(a[i], b[i]) : a[i]);
    const TensorList twice = test::gradients_of(sums, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      if (!once[i].defined()) {
        CHECK_MESSAGE(!twice[i].defined(), call.name);
        continue;
      }
      // Doubling is exact; what is added up in another order where an op uses an input twice is not.
      const Tensor expected = saw::affine(once[i], 2.0, 0.0);
      const double allowed = 16 * test::epsilon(DType::float64) * test::magnitude(expected);
      const std::string wrong = test::difference(twice[i], expected, allowed);
      CHECK_MESSAGE(wrong.empty(), call.name, ", gradient of input ", i, " ", wrong);
    }
  });
}

}  // namespace
