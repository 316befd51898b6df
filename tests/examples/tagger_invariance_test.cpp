// The taggers of the example, in training order and out of it: a sentence gets the same scores, and the model the same
// loss and gradients, whether sentences are alone, together, or in another order, and whatever lies beside them.

#include <doctest/doctest.h>
#include <saw/saw.h>

#include <limits>

#include "../../examples/pos_taggers.h"
#include "support/tensors.h"

using namespace saw;
using namespace saw::examples;

namespace {

constexpr double tolerance = 1e-12;  // float64; a product may add in another order when it has other rows beside it

const std::vector<std::vector<std::string>> sentences = {
    {"I", "saw", "a", "saw"}, {"Stop"}, {"Can", "you", "can", "fish", "?"}, {"saw", "it"}};
const std::vector<std::vector<std::string>> tags = {
    {"PRON", "VERB", "DET", "NOUN"}, {"VERB"}, {"AUX", "PRON", "VERB", "NOUN", "PUNCT"}, {"VERB", "PRON"}};

data::Corpus corpus() {
  data::Corpus result;
  result.name = "test";
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    data::Sentence sentence;
    sentence.words = sentences[i];
    sentence.tags = tags[i];
    result.sentences.push_back(sentence);
  }
  return result;
}

struct Setting {
  data::Corpus text = corpus();
  TaggingVocabularies vocabularies{text, {.minimum_word_count = 1}};
  data::TaggingCorpus numbers{text, vocabularies};
  std::unique_ptr<Tagger> tagger;

  explicit Setting(const TaggerOptions& options) {
    manual_seed(5);
    tagger = make_tagger(options, vocabularies);
    tagger->to(float64);
    tagger->eval();  // dropout depends on a row's place in the batch, and is no part of this
  }
  /// The summed loss of the batch of these sentences, and the gradients of all parameters.
  std::pair<double, TensorList> loss_and_gradients(const std::vector<std::int64_t>& which) {
    const TaggingBatch batch = numbers.batch(which);
    tagger->zero_grad();
    const Tensor loss =
        cross_entropy(tagger->forward(batch), batch.tags, {.label_smoothing = 0.05, .reduction = Reduction::sum});
    loss.backward();
    TensorList gradients;
    for (const Tensor& parameter : tagger->parameters()) gradients.push_back(parameter.grad().clone());
    return {loss.item(), gradients};
  }
  Tensor scores(const std::vector<std::int64_t>& which) {
    const NoGradGuard no_grad;
    return tagger->forward(numbers.batch(which));
  }
};

}  // namespace

TEST_CASE("taggers: alone, batched and permuted give equal scores, losses and gradients") {
  for (const std::string& model : tagger_models) {
    CAPTURE(model);
    Setting setting({.model = model});
    const std::vector<std::int64_t> order = {2, 0, 3, 1};
    const Tensor together = setting.scores({0, 1, 2, 3}), permuted = setting.scores(order);
    const Segments rows = setting.numbers.batch(std::vector<std::int64_t>{0, 1, 2, 3}).sentences;
    const Segments permuted_rows = setting.numbers.batch(order).sentences;
    for (std::int64_t i = 0; i < 4; ++i) {
      const Tensor alone = setting.scores({i});
      const Tensor batched = together.slice(0, rows.begin(i), rows.end(i));
      const auto place = std::find(order.begin(), order.end(), i) - order.begin();
      const Tensor moved = permuted.slice(0, permuted_rows.begin(place), permuted_rows.end(place));
      CHECK(test::difference(batched, alone, tolerance) == "");
      CHECK(test::difference(moved, alone, tolerance) == "");
    }
    const auto [loss, gradients] = setting.loss_and_gradients({0, 1, 2, 3});
    const auto [permuted_loss, permuted_gradients] = setting.loss_and_gradients(order);
    CHECK(std::abs(loss - permuted_loss) <= tolerance * std::abs(loss));
    double summed_loss = 0;
    TensorList summed;
    for (std::int64_t i = 0; i < 4; ++i) {
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

TEST_CASE("taggers: a neighbour full of NaN changes nothing") {
  for (const std::string& model : tagger_models) {
    CAPTURE(model);
    Setting setting({.model = model});
    const Tensor before = setting.scores({0});
    // "fish" stands in sentence 2 alone; its vector becomes NaN.
    const Tensor table = setting.tagger->named_parameters()[0].second;
    {
      const NoGradGuard no_grad;
      table.select(0, setting.vocabularies.word_id("fish")).fill_(std::numeric_limits<double>::quiet_NaN());
    }
    const std::vector<std::int64_t> which = {2, 0, 2};
    const TaggingBatch batch = setting.numbers.batch(which);
    const Tensor scores = setting.tagger->forward(batch);
    const Tensor own = scores.slice(0, batch.sentences.begin(1), batch.sentences.end(1));
    CHECK(test::difference(own.detach(), before, tolerance) == "");
    // The gradient that reaches the words of the sentence is that of the sentence alone.
    const auto table_gradient = [&](const Tensor& loss) {
      setting.tagger->zero_grad();
      loss.backward();
      return table.grad().select(0, setting.vocabularies.word_id("saw")).clone();
    };
    const Tensor beside = table_gradient(square(own).sum());
    const Tensor alone =
        table_gradient(square(setting.tagger->forward(setting.numbers.batch(std::vector<std::int64_t>{0}))).sum());
    CHECK(test::difference(beside, alone, tolerance * std::max(1.0, test::magnitude(alone))) == "");
  }
}

TEST_CASE("taggers: one seed gives the same weights bit for bit, with 1, 2 and 3 threads") {
  const auto weights_after_training = [](int threads) {
    const test::Threads scope(threads);
    Setting setting({.model = "attention"});
    setting.tagger->to(float32);
    manual_seed(7);
    setting.tagger->train();
    optim::AdamW adam(setting.tagger->parameters(), {.learning_rate = 1e-3});
    for (int step = 0; step < 10; ++step) {
      const TaggingBatch batch = setting.numbers.batch(std::vector<std::int64_t>{0, 1, 2, 3, 2, 1, 0, 0, 2, 3, 1});
      adam.zero_grad();
      cross_entropy(setting.tagger->forward(batch), batch.tags).backward();
      optim::clip_grad_norm(setting.tagger->parameters(), 1.0);
      adam.step();
    }
    TensorList weights;
    for (const auto& [name, value] : setting.tagger->snapshot()) weights.push_back(value);
    return weights;
  };
  const TensorList one = weights_after_training(1);
  CHECK(test::same_bits(one, weights_after_training(1)));
  CHECK(test::same_bits(one, weights_after_training(2)));
  CHECK(test::same_bits(one, weights_after_training(3)));
}

TEST_CASE("taggers: an ensemble is its members, each as if it were alone") {
  Setting together({.model = "window", .ensemble = 3, .seed = 7});
  const std::vector<std::int64_t> which = {0, 1, 2, 3};
  const TaggingBatch batch = together.numbers.batch(which);
  Tensor mean;
  double loss = 0.0;
  for (std::uint64_t seed = 7; seed < 10; ++seed) {
    manual_seed(seed);
    auto alone = make_tagger({.model = "window"}, together.vocabularies);
    alone->to(float64);
    alone->eval();
    loss += alone->loss(batch).item();
    const Tensor third = alone->probabilities(batch).detach() / 3.0;
    mean = mean.defined() ? mean + third : third;
  }
  CHECK(std::abs(together.tagger->loss(batch).item() - loss) <= tolerance * loss);
  CHECK(test::difference(together.tagger->probabilities(batch).detach(), mean, tolerance) == "");
  CHECK(test::difference(exp(together.scores(which)), mean, tolerance) == "");
  CHECK(together.tagger->decide(batch).to_vector<std::int64_t>() == argmax(mean).to_vector<std::int64_t>());
  CHECK(together.tagger->trained_apart().size() == 3);
}
