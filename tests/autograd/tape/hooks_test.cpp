// Hooks on gradients: what they see, replace and refuse, and how they are removed.

#include "saw/autograd/tape/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using saw::TensorList;
using test::error_text;

Tensor leaf(std::initializer_list<double> values) { return saw::tensor(values, saw::float64).set_requires_grad(true); }

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }
using List = std::vector<double>;

TEST_CASE("engine: hooks see the complete gradient of leaves and of results, and may replace it") {
  const Tensor x = leaf({1, 2});
  List at_leaf, at_result;
  x.register_hook([&](const Tensor& gradient) {
    at_leaf = values(gradient);
    return gradient * 100.0;
  });
  const Tensor y = x * 3.0;
  y.register_hook([&](const Tensor& gradient) {
    at_result = values(gradient);
    return gradient * 10.0;
  });
  (y.sum() + (y * y).sum() + x.sum()).backward();
  CHECK(at_result == List{1 + 2 * 3, 1 + 2 * 6});
  CHECK(at_leaf == List{70 * 3 + 1, 130 * 3 + 1});
  CHECK(values(x.grad()) == List{21100, 39100});
}

TEST_CASE("engine: several hooks run in order, an undefined tensor changes nothing") {
  const Tensor x = leaf({1});
  std::string order;
  x.register_hook([&](const Tensor& gradient) { return order += "a", gradient + 1.0; });
  x.register_hook([&](const Tensor&) { return order += "b", Tensor(); });
  x.register_hook([&](const Tensor& gradient) { return order += "c", gradient * 2.0; });
  x.sum().backward();
  CHECK(order == "abc");
  CHECK(x.grad().item() == 4);
  CHECK(error_text([] { saw::ones({2}).register_hook({}); }) ==
        "register_hook: the tensor has no gradient; shape (2,); set_requires_grad(true) first");
}

TEST_CASE("engine: a hook may register hooks, which run from the next backward on") {
  const Tensor x = leaf({1, 2});
  int later = 0;
  x.register_hook([&](const Tensor& gradient) {
    for (int i = 0; i < 20; ++i)
      x.register_hook([&later](const Tensor&) {
        ++later;
        return Tensor();
      });
    return gradient * 2.0;
  });
  (x * 3.0).sum().backward();
  CHECK(values(x.grad()) == List{6, 6});
  CHECK(later == 0);
  (x * 3.0).sum().backward();
  CHECK(later == 20);
}

TEST_CASE("engine: hooks are removed by their handles") {
  const Tensor x = leaf({1, 2});
  saw::HookHandle doubles = x.register_hook([](const Tensor& gradient) { return gradient * 2.0; });
  saw::HookHandle adds = x.register_hook([](const Tensor& gradient) { return gradient + 1.0; });
  x.sum().backward();
  CHECK(values(x.grad()) == List{3, 3});
  x.zero_grad();
  doubles.remove();
  doubles.remove();
  x.sum().backward();
  CHECK(values(x.grad()) == List{2, 2});
  x.zero_grad();
  adds.remove();
  x.sum().backward();
  CHECK(values(x.grad()) == List{1, 1});
  saw::HookHandle().remove();

  // One that a hook takes away while they run has no turn, and what a hook holds goes with it.
  const auto held = std::make_shared<int>(0);
  saw::HookHandle later, first;
  first = x.register_hook([&](const Tensor&) {
    later.remove();
    first.remove();
    return Tensor();
  });
  later = x.register_hook([held](const Tensor&) { return ++*held, Tensor(); });
  CHECK(held.use_count() == 2);
  x.sum().backward();
  x.sum().backward();
  CHECK(*held == 0);
  CHECK(held.use_count() == 1);

  saw::HookHandle orphan;
  {
    const Tensor gone = leaf({1});
    orphan = gone.register_hook([](const Tensor&) { return Tensor(); });
  }
  orphan.remove();
}

TEST_CASE("engine: a hook cannot replace a gradient by one of another shape or dtype") {
  const Tensor x = leaf({1, 2});
  x.set_name("weight");
  x.register_hook([](const Tensor&) { return saw::ones({1}, saw::float64); });
  CHECK(error_text([&] { (x * 3.0).sum().backward(); }) ==
        "hook of weight: a gradient must be replaced by one like it; got float64 (1,); expected float64 (2,)");
  const Tensor y = leaf({1, 2}) * 3.0;
  y.register_hook([](const Tensor&) { return saw::ones({2}); });
  CHECK(error_text([&] { y.sum().backward(); }) ==
        "hook of affine: a gradient must be replaced by one like it; got float32 (2,); expected float64 (2,)");
}

TEST_CASE("engine: a gradient that was set expanded takes the next one in") {
  const Tensor x = leaf({1, 1, 1});
  x.set_grad(saw::ones({1}, saw::float64).expand({3}));
  (x * saw::tensor({1.0, 2.0, 3.0}, saw::float64)).sum().backward();
  CHECK(values(x.grad()) == List{2, 3, 4});
}

TEST_CASE("engine: with create_graph too, a leaf's gradient is its own memory") {
  const Tensor a = leaf({1, 2}), b = leaf({3, 4}), given = saw::ones({2}, saw::float64);
  (a + b).backward(given, false, true);
  {
    const saw::NoGradGuard no_grad;
    a.grad().mul_(5.0);
  }
  CHECK(values(a.grad()) == List{5, 5});
  CHECK(values(b.grad()) == List{1, 1});
  CHECK(values(given) == List{1, 1});
}

TEST_CASE("engine: hooks of an op's second output") {
  const Tensor x = leaf({1, 2, 3, 4});
  const TensorList parts = saw::split(x, {1, 3});
  parts[1].register_hook([](const Tensor& gradient) { return gradient * 5.0; });
  (parts[0].sum() * 2.0 + parts[1].sum()).backward();
  CHECK(values(x.grad()) == List{2, 5, 5, 5});
}

}  // namespace
