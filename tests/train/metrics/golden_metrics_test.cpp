// What sacrebleu, jiwer, seqeval and scikit-learn say about the same texts and labels (tests/golden/golden_metrics.py).

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "saw/train/metrics/metrics.h"
#include "support/files.h"

using namespace saw;
using nlohmann::json;

namespace {

const json& golden() {
  static const json file = json::parse(test::read_file(test::directory() / "golden" / "metrics.json"));
  return file;
}

using Texts = std::vector<std::string>;

/// The corpus fed text by text, the second half through a merge.
template <class Metric>
Metric fed(Metric metric, const std::string& corpus) {
  const json& texts = golden().at("corpora").at(corpus);
  const Texts hypotheses = texts.at("hypotheses").get<Texts>();
  Metric second = metric;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    Texts references;
    for (const json& set : texts.at("references")) references.push_back(set.at(i).get<std::string>());
    (2 * i < hypotheses.size() ? metric : second).update(hypotheses[i], references);
  }
  metric.merge(second);
  return metric;
}

train::BleuOptions bleu_options(const json& options) {
  train::BleuOptions result;
  const std::string tokens = options.at("tokenize").get<std::string>();
  if (tokens == "none") result.tokens = train::BleuTokens::words;
  if (tokens == "char") result.tokens = train::BleuTokens::characters;
  if (tokens == "zh") result.tokens = train::BleuTokens::chinese;
  const std::string smoothing = options.value("smooth_method", "exp");
  if (smoothing == "floor") result.smoothing = train::BleuSmoothing::floor;
  if (smoothing == "add-k") result.smoothing = train::BleuSmoothing::add_k;
  if (smoothing == "none") result.smoothing = train::BleuSmoothing::none;
  result.smoothing_value = options.value("smooth_value", -1.0);
  result.order = options.value("max_ngram_order", 4);
  result.effective_order = options.value("effective_order", false);
  result.lower_case = options.value("lowercase", false);
  return result;
}

// A handful of roundings in numbers up to 100.
constexpr double near = 1e-11;

void check_scores(const train::Scores& scores, const json& expected) {
  CHECK(std::abs(scores.precision - expected.at(0).get<double>()) < 1e-14);
  CHECK(std::abs(scores.recall - expected.at(1).get<double>()) < 1e-14);
  CHECK(std::abs(scores.f1 - expected.at(2).get<double>()) < 1e-14);
}

}  // namespace

TEST_CASE("BLEU equals sacrebleu's") {
  CHECK(golden().at("bleu").size() > 100);
  for (const json& expected : golden().at("bleu")) {
    const std::string corpus = expected.at("corpus").get<std::string>();
    CAPTURE(corpus);
    CAPTURE(expected.at("options").dump());
    const train::Bleu bleu = fed(train::Bleu(bleu_options(expected.at("options"))), corpus);
    CHECK(bleu.hypothesis_length() == expected.at("hypothesis_length").get<std::int64_t>());
    CHECK(bleu.reference_length() == expected.at("reference_length").get<std::int64_t>());
    CHECK(std::abs(bleu.brevity_penalty() - expected.at("brevity_penalty").get<double>()) < near);
    const auto precisions = expected.at("precisions").get<std::vector<double>>();
    REQUIRE(bleu.precisions().size() == precisions.size());
    for (std::size_t n = 0; n < precisions.size(); ++n) CHECK(std::abs(bleu.precisions()[n] - precisions[n]) < near);
    CHECK(std::abs(bleu.value() - expected.at("score").get<double>()) < near);
  }
}

TEST_CASE("chrF equals sacrebleu's") {
  CHECK(golden().at("chrf").size() > 60);
  for (const json& expected : golden().at("chrf")) {
    const std::string corpus = expected.at("corpus").get<std::string>();
    const json& options = expected.at("options");
    CAPTURE(corpus);
    CAPTURE(options.dump());
    const train::Chrf chrf = fed(train::Chrf({.character_order = options.value("char_order", 6),
                                              .word_order = options.value("word_order", 0),
                                              .beta = options.value("beta", 2.0),
                                              .white_space = options.value("whitespace", false),
                                              .lower_case = options.value("lowercase", false)}),
                                 corpus);
    CHECK(std::abs(chrf.value() - expected.at("score").get<double>()) < near);
  }
}

TEST_CASE("word and character error rates equal jiwer's") {
  for (const json& expected : golden().at("errors")) {
    const auto hypothesis = expected.at("hypothesis").get<std::string>();
    const auto reference = expected.at("reference").get<std::string>();
    CAPTURE(hypothesis);
    train::EditDistance words(train::EditUnit::words), characters(train::EditUnit::characters);
    words.update(hypothesis, reference);
    characters.update(hypothesis, reference);
    CHECK(words.edits().total() == expected.at("word_edits").get<std::int64_t>());
    CHECK(characters.edits().total() == expected.at("character_edits").get<std::int64_t>());
    CHECK(std::abs(words.value() - expected.at("wer").get<double>()) < 1e-14);
    CHECK(std::abs(characters.value() - expected.at("cer").get<double>()) < 1e-14);
  }
}

TEST_CASE("spans and their F1 equal seqeval's") {
  for (const json& expected : golden().at("spans")) {
    CAPTURE(expected.at("name").get<std::string>());
    const auto targets = expected.at("targets").get<std::vector<Texts>>();
    const auto predictions = expected.at("predictions").get<std::vector<Texts>>();
    train::SpanF1 spans;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      spans.update(predictions[i], targets[i]);
      std::vector<train::Span> wanted;
      for (const json& span : expected.at("spans").at(i))
        wanted.push_back({span.at(0).get<std::string>(), span.at(1).get<std::int64_t>(),
                          span.at(2).get<std::int64_t>() + 1});  // seqeval's ends are inside
      CHECK(train::spans_of(targets[i]) == wanted);
    }
    check_scores(spans.scores(train::Average::micro), expected.at("micro"));
    if (expected.contains("macro")) check_scores(spans.scores(train::Average::macro), expected.at("macro"));
    if (expected.contains("weighted")) check_scores(spans.scores(train::Average::weighted), expected.at("weighted"));
    CHECK(spans.scores().support == expected.at("micro").at(3).get<std::int64_t>());
  }
}

TEST_CASE("scores of classes equal scikit-learn's, empty classes included") {
  for (const json& expected : golden().at("classes")) {
    CAPTURE(expected.at("name").get<std::string>());
    const auto targets = expected.at("targets").get<std::vector<std::int64_t>>();
    const auto predictions = expected.at("predictions").get<std::vector<std::int64_t>>();
    train::ConfusionMatrix confusion(5);
    for (std::size_t i = 0; i < targets.size(); ++i) confusion.update(predictions[i], targets[i]);
    CHECK(std::abs(confusion.accuracy() - expected.at("accuracy").get<double>()) < 1e-14);
    CHECK(std::abs(confusion.balanced_accuracy() - expected.at("balanced_accuracy").get<double>()) < 1e-14);
    check_scores(confusion.scores(train::Average::micro), expected.at("micro"));
    check_scores(confusion.scores(train::Average::macro), expected.at("macro"));
    check_scores(confusion.scores(train::Average::weighted), expected.at("weighted"));
    for (std::int64_t target = 0; target < 5; ++target) {
      check_scores(confusion.scores(target), expected.at("classes").at(static_cast<std::size_t>(target)));
      for (std::int64_t prediction = 0; prediction < 5; ++prediction)
        CHECK(confusion.count(target, prediction) == expected.at("matrix")
                                                         .at(static_cast<std::size_t>(target))
                                                         .at(static_cast<std::size_t>(prediction))
                                                         .get<std::int64_t>());
    }
  }
}
