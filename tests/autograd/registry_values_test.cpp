// Every op against its reference: values, dtypes, memory layouts, and what a call must leave alone.

#include <doctest/doctest.h>

#include <algorithm>

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

constexpr Layout all_layouts[] = {Layout::contiguous, Layout::transposed,     Layout::sliced,
                                  Layout::row_sliced, Layout::expanded_first, Layout::expanded_last};

/// Rounding errors are in proportion to the numbers that are added up: a result that cancels to almost nothing carries
/// those of its inputs.
double scale_of(const Tensor& expected, const TensorList& inputs) {
  double largest = test::magnitude(expected);
  for (const Tensor& input : inputs)
    if (input.defined() && saw::is_floating(input.dtype())) largest = std::max(largest, test::magnitude(input));
  return largest;
}

void check_equal(const Call& call, const TensorList& got, const TensorList& expected, DType dtype) {
  if (got.size() != expected.size()) {
    FAIL_CHECK(call.name, ": ", got.size(), " outputs; its reference has ", expected.size());
    return;
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double allowed = call.tolerance * test::epsilon(dtype) * scale_of(expected[i], call.leaves);
    const std::string wrong = test::difference(got[i], expected[i], allowed);
    CHECK_MESSAGE(wrong.empty(), call.name, ", output ", i, " ", wrong);
  }
}

void check_against_reference(DType dtype, Layout layout) {
  const saw::NoGradGuard no_grad;
  test::for_each_call(dtype, layout, [&](const OpInfo&, const Call& call) {
    const TensorList got = call.run(call.leaves), expected = call.reference(call.leaves);
    check_equal(call, got, expected, dtype);
    for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
      CHECK_MESSAGE(got[i].dtype() == expected[i].dtype(), call.name, ", output ", i);
  });
}

TEST_CASE("registry: values equal the reference in float64") {
  for (const Layout layout : all_layouts) check_against_reference(DType::float64, layout);
}

TEST_CASE("registry: values equal the reference in float32") {
  for (const Layout layout : all_layouts) check_against_reference(DType::float32, layout);
}

TEST_CASE("registry: float32 agrees with float64") {
  const saw::NoGradGuard no_grad;
  for (const OpInfo* op : saw::op_registry()) {
    INFO(op->name);
    const auto single = test::calls_of(*op, DType::float32, Layout::contiguous);
    const auto twice = test::calls_of(*op, DType::float64, Layout::contiguous);
    REQUIRE(single.size() == twice.size());
    for (std::size_t i = 0; i < single.size(); ++i) {
      // The same numbers in both precisions: those of float32.
      TensorList widened;
      for (const Tensor& leaf : single[i].leaves)
        widened.push_back(leaf.defined() && leaf.dtype() == DType::float32 ? leaf.to(DType::float64) : leaf);
      try {
        const TensorList got = single[i].run(single[i].leaves);
        check_equal(single[i], got, twice[i].run(widened), DType::float32);
        for (const Tensor& output : got)
          CHECK_MESSAGE((output.dtype() != DType::float64 || std::string(op->name) == "to"), single[i].name,
                        ": float32 in, float64 out");
      } catch (const std::exception& error) {
        FAIL_CHECK(single[i].name, ": threw ", error.what());
      }
    }
  }
}

TEST_CASE("registry: results do not depend on the layout of the inputs") {
  const saw::NoGradGuard no_grad;
  for (const Layout layout : all_layouts)
    for (const DType dtype : {DType::float32, DType::float64})
      test::for_each_call(dtype, layout, [&](const OpInfo&, const Call& call) {
        check_equal(call, call.run(call.leaves), call.run_contiguous(call.leaves), dtype);
      });
}

TEST_CASE("registry: a call with the same values gives the same bits") {
  for (const Layout layout : all_layouts)
    test::for_each_call(DType::float32, layout, [&](const OpInfo&, const Call& call) {
      const TensorList a = call.fresh_leaves(), b = call.fresh_leaves();
      TensorList once = call.run(a), again = call.run(b);
      for (const Tensor& gradient : test::gradients_of(once, a)) once.push_back(gradient);
      for (const Tensor& gradient : test::gradients_of(again, b)) again.push_back(gradient);
      CHECK_MESSAGE(test::same_bits(once, again), call.name);
    });
}

TEST_CASE("registry: a call leaves its inputs alone") {
  test::for_each_call(DType::float64, Layout::contiguous, [&](const OpInfo& op, const Call& call) {
    const TensorList inputs = call.fresh_leaves();
    TensorList before;
    std::vector<std::uint64_t> versions;
    for (const Tensor& input : inputs) {
      before.push_back(test::copy_of(input));
      versions.push_back(input.defined() ? input.storage()->version() : 0);
    }
    const TensorList outputs = call.run(inputs);
    if (op.differentiable) test::gradients_of(outputs, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].defined()) continue;
      CHECK_MESSAGE(test::same_bits(inputs[i], before[i]), call.name, ", input ", i);
      CHECK_MESSAGE(inputs[i].storage()->version() == versions[i], call.name, ", input ", i);
      CHECK_MESSAGE(inputs[i].requires_grad() == call.differentiable[i], call.name, ", input ", i);
      CHECK_MESSAGE(!inputs[i].grad().defined(), call.name, ", input ", i);
    }
  });
}

TEST_CASE("registry: the same bits with 1, 2 and 3 threads") {
  for (const DType dtype : {DType::float32, DType::float64})
    test::for_each_call(dtype, Layout::contiguous, [&](const OpInfo&, const Call& call) {
      TensorList first;
      for (const int threads : {1, 2, 3}) {
        const test::Threads scope(threads);
        const TensorList inputs = call.fresh_leaves();
        TensorList results = call.run(inputs);
        for (const Tensor& gradient : test::gradients_of(results, inputs)) results.push_back(gradient);
        if (threads == 1) {
          first = results;
        } else {
          CHECK_MESSAGE(test::same_bits(first, results), call.name, " with ", threads, " threads");
        }
      }
    });
}

}  // namespace
