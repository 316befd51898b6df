// Losses of two or three tensors beside PyTorch's: values and gradients in float64, and the ends of their ranges.

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/nn/losses.h"
#include "support/golden.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("pair_losses.safetensors");
  return file;
}

/// Calls loss(input, target, other, reduction) for each reduction; `other` may be undefined.
using Loss = std::function<Tensor(const Tensor& input, const Tensor& target, const Tensor& other, Reduction reduction)>;

void check_loss(const std::string& variant, const Loss& loss) {
  for (const auto& [suffix, reduction] :
       {std::pair{"mean", Reduction::mean}, std::pair{"sum", Reduction::sum}, std::pair{"none", Reduction::none}}) {
    const std::string name = variant + "." + suffix;
    CAPTURE(name);
    const Tensor input = golden().at(name + ".input").clone().set_requires_grad(true);
    const Tensor other = golden().has(name + ".other") ? golden().at(name + ".other") : Tensor();
    const Tensor output = loss(input, golden().at(name + ".target"), other, reduction);
    CHECK_EQ(test::difference(output, golden().at(name + ".output"), 1e-10, 1e-10), "");
    output.backward(golden().at(name + ".grad_output"));
    CHECK_EQ(test::difference(input.grad(), golden().at(name + ".grad_input"), 1e-10, 1e-10), "");
  }
}

}  // namespace

TEST_CASE("elementwise losses equal PyTorch") {
  check_loss("l1_loss", [](auto x, auto t, auto, auto r) { return nn::l1_loss(x, t, r); });
  check_loss("smooth_l1_loss.plain", [](auto x, auto t, auto, auto r) { return nn::smooth_l1_loss(x, t, 1.0, r); });
  check_loss("smooth_l1_loss.beta", [](auto x, auto t, auto, auto r) { return nn::smooth_l1_loss(x, t, 0.5, r); });
  check_loss("huber_loss.plain", [](auto x, auto t, auto, auto r) { return nn::huber_loss(x, t, 1.0, r); });
  check_loss("huber_loss.delta", [](auto x, auto t, auto, auto r) { return nn::huber_loss(x, t, 0.5, r); });
  for (const std::string target : {"0.0", "1.0", "0.25"})
    check_loss("bce." + target, [](auto x, auto t, auto, auto r) {
      return nn::binary_cross_entropy_with_logits(x, t, {.reduction = r});
    });
}

TEST_CASE("kl_div equals PyTorch") {
  check_loss("kl_div.plain", [](auto x, auto t, auto, auto r) { return nn::kl_div(x, t, {.reduction = r}); });
  check_loss("kl_div.log_target",
             [](auto x, auto t, auto, auto r) { return nn::kl_div(x, t, {.log_target = true, .reduction = r}); });
  const Tensor input = golden().at("kl_div.batchmean.input").clone().set_requires_grad(true);
  const Tensor output = nn::kl_div(input, golden().at("kl_div.batchmean.target"), {.batchmean = true});
  CHECK_EQ(test::difference(output, golden().at("kl_div.batchmean.output"), 1e-12, 1e-12), "");
  output.backward();
  CHECK_EQ(test::difference(input.grad(), golden().at("kl_div.batchmean.grad_input"), 1e-12, 1e-12), "");
}

TEST_CASE("losses with a margin equal PyTorch") {
  for (const auto& [name, margin] : {std::pair{"plain", 0.0}, std::pair{"margin", 0.2}})
    check_loss(std::string("cosine_embedding_loss.") + name, [m = margin](auto x, auto t, auto other, auto r) {
      return nn::cosine_embedding_loss(x, other, t, {.margin = m, .reduction = r});
    });
  check_loss("triplet_margin_loss.plain",
             [](auto x, auto t, auto other, auto r) { return nn::triplet_margin_loss(x, t, other, {.reduction = r}); });
  check_loss("triplet_margin_loss.swap", [](auto x, auto t, auto other, auto r) {
    return nn::triplet_margin_loss(x, t, other, {.margin = 2.0, .swap = true, .reduction = r});
  });
  check_loss("triplet_margin_loss.p", [](auto x, auto t, auto other, auto r) {
    return nn::triplet_margin_loss(x, t, other, {.margin = 0.5, .p = 3.0, .reduction = r});
  });
  check_loss("margin_ranking_loss", [](auto x, auto t, auto other, auto r) {
    return nn::margin_ranking_loss(x, other, t, {.margin = 0.3, .reduction = r});
  });
}

TEST_CASE("normalize and cosine_similarity equal PyTorch") {
  CHECK_EQ(test::difference(normalize(golden().at("normalize.input")), golden().at("normalize.output"), 1e-12, 1e-12),
           "");
  CHECK_EQ(test::difference(
               cosine_similarity(golden().at("cosine_similarity.input"), golden().at("cosine_similarity.other")),
               golden().at("cosine_similarity.output"), 1e-12, 1e-12),
           "");
}

TEST_CASE("binary cross entropy: value and gradient of sure logits are exact in float32") {
  for (const float logit : {-80.0f, -17.0f, -12.0f, -1.0f, 1.0f, 12.0f, 17.0f, 80.0f})
    for (const float target : {0.0f, 1.0f})
      for (const bool weighted : {false, true}) {
        CAPTURE(logit);
        CAPTURE(target);
        CAPTURE(weighted);
        const Tensor x = full({1}, static_cast<double>(logit)).set_requires_grad(true);
        const nn::BinaryCrossEntropyOptions options{.pos_weight = weighted ? ones({1}) : Tensor()};
        const Tensor loss = nn::binary_cross_entropy_with_logits(x, full({1}, static_cast<double>(target)), options);
        loss.backward();
        const double side = target == 1.0f ? -logit : logit;  // the loss is log(1 + e^side)
        const double value = side > 0 ? side + std::log1p(std::exp(-side)) : std::log1p(std::exp(side));
        const double slope = (target == 1.0f ? -1.0 : 1.0) / (1.0 + std::exp(-side));
        CHECK(loss.item() == doctest::Approx(value).epsilon(1e-6));
        CHECK(x.grad().to_vector<float>()[0] == doctest::Approx(slope).epsilon(1e-6));
      }
}

TEST_CASE("losses of pairs say what does not fit") {
  CHECK_THROWS_WITH_AS(
      nn::kl_div(zeros({2, 3}), zeros({2})),
      "kl_div: the target has another shape than the input; got (2,); expected (2, 3); reshape one of them", Error);
  CHECK_THROWS_AS(nn::kl_div(zeros({}), zeros({}), {.batchmean = true}), Error);
  CHECK_THROWS_WITH_AS(nn::cosine_embedding_loss(zeros({2, 3}), zeros({2, 3}), zeros({2})),
                       "cosine_embedding_loss: a target is neither 1 nor -1; got targets (2,)", Error);
  CHECK_THROWS_WITH_AS(nn::cosine_embedding_loss(zeros({2, 3}), zeros({2, 3}), ones({3})),
                       "cosine_embedding_loss: the target does not fit; got (3,); expected (2,) for input (2, 3)",
                       Error);
  CHECK_THROWS_AS(nn::triplet_margin_loss(zeros({2, 3}), zeros({2, 3}), zeros({3, 3})), Error);
  CHECK_THROWS_AS(nn::triplet_margin_loss(zeros({3}), zeros({3}), zeros({3})), Error);
  CHECK_THROWS_AS(nn::margin_ranking_loss(zeros({2}), zeros({2}), zeros({1})), Error);
  CHECK_THROWS_WITH_AS(nn::nll(zeros({4, 2}), zeros({2}, int64)),
                       "nll: the input looks transposed; got (4, 2) for targets (2,); expected (N, C) for targets (N); "
                       "hint: transpose(input, 0, 1)",
                       Error);
}
