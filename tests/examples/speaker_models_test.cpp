// The speaker models of the example, with every pooling and loss: an utterance gets the same scores, and the model the
// same loss and gradients, alone, batched and permuted, and whatever lies beside it.

#include <doctest/doctest.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../examples/speaker_models.h"
#include "support/tensors.h"

using namespace saw;
using namespace saw::examples;

namespace {

constexpr double tolerance = 1e-11;  // float64, through some thirty layers
constexpr std::int64_t features = 8, speakers = 5;

struct Setting {
  std::unique_ptr<SpeakerModel> model;
  TensorList utterances;
  std::vector<std::int64_t> labels = {3, 0, 4, 3};

  explicit Setting(const SpeakerModelOptions& options) {
    manual_seed(5);
    model = make_speaker_model(options);
    model->to(float64);
    model->eval();  // dropout depends on a row's place in the batch, batch norm on its neighbours
    for (const std::int64_t length : {7, 1, 12, 4}) utterances.push_back(randn({length, features}, float64));
  }
  std::pair<Tensor, Segments> batch(const std::vector<std::size_t>& which) const {
    TensorList rows;
    std::vector<std::int64_t> lengths;
    for (const std::size_t i : which) {
      rows.push_back(utterances[i]);
      lengths.push_back(utterances[i].size(0));
    }
    return {cat(rows, 0), Segments::from_lengths(lengths)};
  }
  Tensor scores(const std::vector<std::size_t>& which) const {
    const NoGradGuard no_grad;
    const auto [x, segments] = batch(which);
    return model->scores(x, segments);
  }
  /// The loss, summed over the utterances, and the gradients of all parameters.
  std::pair<double, TensorList> loss_and_gradients(const std::vector<std::size_t>& which) const {
    const auto [x, segments] = batch(which);
    std::vector<std::int64_t> wanted;
    for (const std::size_t i : which) wanted.push_back(labels[i]);
    model->zero_grad();
    const Tensor loss = model->loss(x, segments, tensor(wanted)) * static_cast<double>(which.size());
    loss.backward();
    TensorList gradients;
    for (const Tensor& parameter : model->parameters())
      gradients.push_back(parameter.grad().defined() ? parameter.grad().clone() : zeros(parameter.shape(), float64));
    return {loss.item(), gradients};
  }
};

std::vector<SpeakerModelOptions> all_models() {
  std::vector<SpeakerModelOptions> all;
  for (const std::string model : {"transformer", "conformer"})
    for (const std::string pooling : {"mean", "attention", "statistics"})
      for (const std::string loss : {"softmax", "am-softmax"})
        all.push_back({.model = model, .pooling = pooling, .loss = loss, .features = features, .speakers = speakers});
  SpeakerModelOptions with_discriminant = all.back();
  with_discriminant.discriminant = true;
  all.push_back(with_discriminant);
  return all;
}

}  // namespace

TEST_CASE("speaker models: alone, batched and permuted give equal scores, losses and gradients") {
  for (const SpeakerModelOptions& options : all_models()) {
    CAPTURE(options.model);
    CAPTURE(options.pooling);
    CAPTURE(options.loss);
    const Setting setting(options);
    const std::vector<std::size_t> order = {2, 0, 3, 1};
    const Tensor together = setting.scores({0, 1, 2, 3}), permuted = setting.scores(order);
    CHECK(together.shape() == Shape{4, speakers});
    for (std::size_t i = 0; i < 4; ++i) {
      const Tensor alone = setting.scores({i});
      const auto row = static_cast<std::int64_t>(i);
      const std::int64_t place = std::find(order.begin(), order.end(), i) - order.begin();
      CHECK(test::difference(together.slice(0, row, row + 1), alone, tolerance) == "");
      CHECK(test::difference(permuted.slice(0, place, place + 1), alone, tolerance) == "");
    }
    const auto [loss, gradients] = setting.loss_and_gradients({0, 1, 2, 3});
    const auto [permuted_loss, permuted_gradients] = setting.loss_and_gradients(order);
    CHECK(std::abs(loss - permuted_loss) <= tolerance * std::abs(loss));
    double summed_loss = 0;
    TensorList summed;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto [one_loss, one] = setting.loss_and_gradients({i});
      summed_loss += one_loss;
      for (std::size_t p = 0; p < one.size(); ++p) {
        if (i == 0)
          summed.push_back(one[p]);
        else
          summed[p] = summed[p] + one[p];
      }
    }
    CHECK(std::abs(loss - summed_loss) <= tolerance * std::abs(loss));
    for (std::size_t p = 0; p < gradients.size(); ++p) {
      const double allowed = tolerance * std::max(1.0, test::magnitude(gradients[p]));
      CHECK(test::difference(permuted_gradients[p], gradients[p], allowed) == "");
      CHECK(test::difference(summed[p], gradients[p], allowed) == "");
    }
  }
}

TEST_CASE("speaker models: a neighbour full of NaN changes nothing") {
  for (const SpeakerModelOptions& options : all_models()) {
    CAPTURE(options.model);
    CAPTURE(options.pooling);
    Setting setting(options);
    const Tensor before = setting.scores({0});
    setting.utterances[2] = full_like(setting.utterances[2], std::numeric_limits<double>::quiet_NaN());
    CHECK(test::difference(setting.scores({2, 0, 2}).slice(0, 1, 2), before, tolerance) == "");
  }
}

TEST_CASE("speaker models: in training batch norm sees all frames of the batch, in any order") {
  for (const std::string pooling : {"mean", "attention", "statistics"}) {
    CAPTURE(pooling);
    const auto run = [&](const std::vector<std::size_t>& order) {
      Setting setting(
          {.model = "conformer", .pooling = pooling, .loss = "am-softmax", .features = features, .speakers = speakers});
      // Batch norm trains, dropout does not.
      setting.model->train();
      struct Quiet {
        static void dropout(const nn::Module& module) {
          for (const auto& [name, child] : module.children()) {
            if (child->type_name() == "Dropout" || child->type_name() == "RelativeMultiHeadAttention")
              const_cast<nn::Module*>(child)->eval();
            dropout(*child);
          }
        }
      };
      Quiet::dropout(*setting.model);
      auto [loss, result] = setting.loss_and_gradients(order);
      result.push_back(scalar(loss, float64));
      for (const auto& [name, buffer] : setting.model->named_buffers()) result.push_back(buffer.to(float64).clone());
      return result;
    };
    const TensorList straight = run({0, 1, 2, 3}), turned = run({3, 1, 0, 2});
    REQUIRE(straight.size() == turned.size());
    for (std::size_t i = 0; i < straight.size(); ++i) {
      CAPTURE(i);
      CHECK(test::difference(turned[i], straight[i], 1e-9 * std::max(1.0, test::magnitude(straight[i]))) == "");
    }
  }
}

TEST_CASE("speaker models: the assignment's baseline to the parameter") {
  const auto baseline = make_speaker_model(
      {.model = "transformer", .pooling = "mean", .loss = "softmax", .features = 40, .speakers = 600});
  CHECK(baseline->number_of_parameters() == 125896);
}

TEST_CASE("speaker models: one seed gives the same weights bit for bit, with 1, 2 and 3 threads") {
  const auto weights_after_training = [](int threads) {
    const test::Threads scope(threads);
    Setting setting({.model = "conformer",
                     .pooling = "statistics",
                     .loss = "am-softmax",
                     .features = features,
                     .speakers = speakers});
    setting.model->to(float32);
    manual_seed(7);
    setting.model->train();
    optim::AdamW adam(setting.model->parameters(), {.learning_rate = 1e-3});
    for (int step = 0; step < 5; ++step) {
      const auto [x, segments] = setting.batch({0, 1, 2, 3, 2, 1, 0, 0, 2, 3, 1});
      adam.zero_grad();
      setting.model->loss(x.to(float32), segments, tensor(std::vector<std::int64_t>{3, 0, 4, 3, 4, 0, 3, 3, 4, 3, 0}))
          .backward();
      optim::clip_grad_norm(setting.model->parameters(), 1.0);
      adam.step();
    }
    TensorList weights;
    for (const auto& [name, value] : setting.model->snapshot()) weights.push_back(value);
    return weights;
  };
  const TensorList one = weights_after_training(1);
  CHECK(test::same_bits(one, weights_after_training(2)));
  CHECK(test::same_bits(one, weights_after_training(3)));
}
