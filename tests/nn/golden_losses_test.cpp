// Losses beside PyTorch's: values and gradients in float64.

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/nn/losses.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("losses.safetensors");
  return file;
}

using Loss = std::function<Tensor(const Tensor& input, const Tensor& target, Reduction reduction)>;

void check_loss(const std::string& variant, const Loss& loss) {
  for (const auto& [suffix, reduction] :
       {std::pair{"mean", Reduction::mean}, std::pair{"sum", Reduction::sum}, std::pair{"none", Reduction::none}}) {
    const std::string name = variant + "." + suffix;
    CAPTURE(name);
    const Tensor input = golden().at(name + ".input").clone().set_requires_grad(true);
    const Tensor output = loss(input, golden().at(name + ".target"), reduction);
    CHECK_EQ(test::difference(output, golden().at(name + ".output"), 1e-10, 1e-10), "");
    output.backward(golden().at(name + ".grad_output"));
    CHECK_EQ(test::difference(input.grad(), golden().at(name + ".grad_input"), 1e-10, 1e-10), "");
  }
}

Tensor option(const std::string& variant, const std::string& name) {
  const std::string key = variant + ".mean." + name;
  return golden().has(key) ? golden().at(key) : Tensor();
}

}  // namespace

TEST_CASE("cross entropy equals PyTorch") {
  struct Variant {
    std::string name;
    std::int64_t ignore_index = -100;
    double label_smoothing = 0.0;
  };
  for (const Variant& variant :
       {Variant{"plain"}, Variant{"ignore_index"}, Variant{"ignore_class", 3}, Variant{"label_smoothing", -100, 0.1},
        Variant{"weight"}, Variant{"zero_weight"}, Variant{"label_smoothing_weight", -100, 0.1},
        Variant{"label_smoothing_ignore_index", -100, 0.1}, Variant{"all", -100, 0.1}, Variant{"large_logits"}}) {
    const std::string name = "cross_entropy." + variant.name;
    check_loss(name, [&](const Tensor& input, const Tensor& target, Reduction reduction) {
      return nn::cross_entropy(input, target,
                               {.weight = option(name, "weight"),
                                .ignore_index = variant.ignore_index,
                                .label_smoothing = variant.label_smoothing,
                                .reduction = reduction});
    });
  }
}

TEST_CASE("nll equals PyTorch") {
  for (const std::string variant : {"plain", "ignore_index", "weight", "all"}) {
    const std::string name = "nll." + variant;
    check_loss(name, [&](const Tensor& input, const Tensor& target, Reduction reduction) {
      return nn::nll(input, target, {.weight = option(name, "weight"), .reduction = reduction});
    });
  }
}

TEST_CASE("mse equals PyTorch") {
  check_loss("mse.plain", [](const Tensor& input, const Tensor& target, Reduction reduction) {
    return nn::mse(input, target, reduction);
  });
}

TEST_CASE("binary cross entropy equals PyTorch") {
  for (const std::string variant : {"plain", "pos_weight", "weight", "large_logits"}) {
    const std::string name = "binary_cross_entropy_with_logits." + variant;
    check_loss(name, [&](const Tensor& input, const Tensor& target, Reduction reduction) {
      return nn::binary_cross_entropy_with_logits(
          input, target,
          {.weight = option(name, "weight"), .pos_weight = option(name, "pos_weight"), .reduction = reduction});
    });
  }
}

TEST_CASE("losses refuse what would be broadcast") {
  CHECK_EQ(test::error_text(ErrorKind::shape,
                            [] {
                              nn::mse(zeros({4, 1}), zeros({4}));
                            }),
           "mse: the target has another shape than the input; got (4,); expected (4, 1); reshape one of them");
  CHECK_EQ(test::error_text(ErrorKind::dtype, [] { nn::mse(zeros({4}), zeros({4}, float64)); }),
           "mse: the target has another dtype than the input; got float64; expected float32");
  CHECK_EQ(
      test::error_text(ErrorKind::shape,
                       [] {
                         nn::binary_cross_entropy_with_logits(zeros({4, 2}), zeros({4, 1}));
                       }),
      "binary_cross_entropy_with_logits: the target has another shape than the input; got (4, 1); expected (4, 2); "
      "reshape one of them");
  CHECK_EQ(
      test::error_text(ErrorKind::shape,
                       [] {
                         nn::binary_cross_entropy_with_logits(zeros({4, 2}), zeros({4, 2}), {.pos_weight = zeros({4})});
                       }),
      "binary_cross_entropy_with_logits: pos_weight does not fit; got (4,); expected one number for each column of "
      "the input (4, 2)");
  CHECK_EQ(test::error_text(ErrorKind::index,
                            [] {
                              nn::nll(zeros({2, 3}), tensor(std::vector<std::int64_t>{0, 3}));
                            }),
           "nll: a target is no class; got 3 at row 1; expected 0 … 2, or -100 to ignore a row");
  CHECK_EQ(test::error_text(ErrorKind::shape,
                            [] {
                              nn::nll(zeros({2, 3}), tensor(std::vector<std::int64_t>{0}));
                            }),
           "nll: targets do not fit; got (1,); expected (2,) for input (2, 3)");
}

TEST_CASE("a loss that ignores every target is 0") {
  const Tensor targets = tensor(std::vector<std::int64_t>{-100, -100});
  for (const bool logits : {true, false}) {
    const Tensor input = full({2, 3}, -1.0, float64).set_requires_grad(true);
    const Tensor loss = logits ? nn::cross_entropy(input, targets) : nn::nll(input, targets);
    CHECK(loss.item() == 0.0);
    loss.backward();
    CHECK(test::largest(input.grad()) == 0.0);
  }
}

TEST_CASE("transposed logits are named as such") {
  const Tensor targets = zeros({4}, int64);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({3, 4}), targets),
                       "cross_entropy: logits look transposed; got (3, 4) for targets (4,); expected (4, 3); hint: "
                       "transpose(0, 1)",
                       Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({3, 5}), targets),
                       "cross_entropy: targets do not fit the logits; got (4,) for logits (3, 5); expected (3,)",
                       Error);
}
