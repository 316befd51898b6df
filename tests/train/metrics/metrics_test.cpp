// Metrics on packed rows: what counts, what does not, what is refused, and that merging is counting together.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/ops/sort.h"
#include "saw/train/metrics/metrics.h"
#include "support/errors.h"

using namespace saw;
using train::Average;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

Tensor ids(const std::vector<std::int64_t>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

TEST_CASE("a weighted mean") {
  train::Mean mean;
  CHECK(std::isnan(mean.value()));
  mean.update(2.0, 3.0);
  mean.update(tensor({1.0, 5.0}));
  CHECK(mean.value() == 12.0 / 5.0);
  mean.update(not_a_number, 0.0);  // counts for nothing
  CHECK(mean.value() == 12.0 / 5.0);
  train::Mean other(8.0, 5.0);
  other.merge(mean);
  CHECK(other.value() == 2.0);
  other.update(tensor({1.0, 3.0}), tensor({0.0, 10.0}));
  CHECK(other.value() == 50.0 / 20.0);
  other.update(not_a_number);
  CHECK(std::isnan(other.value()));
  other.reset();
  CHECK(std::isnan(other.value()));
  CHECK(other.weight() == 0);
  CHECK(test::kind_of([&] { mean.update(1.0, -1.0); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { mean.update(1.0, infinity); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { mean.update(zeros({2}), zeros({3})); }) == ErrorKind::shape);
}

TEST_CASE("accuracy of logits and of ids") {
  train::Accuracy accuracy;
  CHECK(std::isnan(accuracy.value()));
  accuracy.update(tensor({{0.1, 0.9}, {0.5, 0.5}, {2.0, 1.0}}), ids({1, 1, -100}));  // of equal ones the first is taken
  CHECK(accuracy.correct() == 1);
  CHECK(accuracy.count() == 2);
  accuracy.update(ids({3, 4, 5}), ids({3, 4, 6}));
  CHECK(accuracy.value() == 3.0 / 5.0);
  accuracy.update(zeros({0, 4}), ids({}));
  CHECK(accuracy.count() == 5);
  accuracy.update(zeros({2, 2, 3}), zeros({2, 2}, int64));  // any leading axes
  CHECK(accuracy.count() == 9);
  train::Accuracy other;
  other.update(1, 4);
  other.merge(accuracy);
  CHECK(other.count() == 13);
  CHECK(other.correct() == 8);
  other.reset();
  CHECK(std::isnan(other.value()));

  train::Accuracy without_padding(0);
  without_padding.update(ids({1, 2, 3}), ids({0, 2, 0}));
  CHECK(without_padding.value() == 1.0);

  CHECK(test::kind_of([&] { accuracy.update(zeros({3, 2}), ids({0, 1})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { accuracy.update(zeros({3}), ids({0, 1, 0})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { accuracy.update(ids({0}), ids({0, 1})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { accuracy.update(zeros({2, 2}), zeros({2})); }) == ErrorKind::dtype);
  CHECK(test::kind_of([&] { accuracy.update(zeros({2, 2}, boolean), ids({0, 1})); }) == ErrorKind::dtype);
  CHECK(test::kind_of([&] { accuracy.update(zeros({2, 2}), ids({0, 2})); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { accuracy.update(zeros({1, 2}), ids({-1})); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { accuracy.update(Tensor(), ids({0})); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { accuracy.update(3, 2); }) == ErrorKind::argument);
  CHECK(accuracy.count() == 9);  // what is refused is not counted
}

TEST_CASE("top-k accuracy") {
  const Tensor logits = tensor({{0.1, 0.7, 0.2}, {0.5, 0.5, 0.5}, {3.0, 2.0, 1.0}, {not_a_number, 1.0, 0.0}});
  const Tensor targets = ids({2, 1, 2, 1});
  for (const auto& [k, right] : {std::pair<std::int64_t, std::int64_t>{1, 0}, {2, 3}, {3, 4}, {9, 4}}) {
    train::TopKAccuracy top(k);
    top.update(logits, targets);
    CAPTURE(top.k());
    CHECK(top.correct() == right);
    CHECK(top.count() == 4);
  }
  train::TopKAccuracy wrong(3);
  wrong.update(logits, ids({-100, -100, -100, 0}));  // the logit of the target is NaN
  CHECK(wrong.value() == 0.0);

  // k = 1 is Accuracy.
  Generator generator(3);
  const GeneratorGuard guard(generator);
  const Tensor many = randint(0, 4, {200, 5}).to(float32), answers = randint(0, 5, {200});
  train::TopKAccuracy top(1);
  train::Accuracy accuracy;
  top.update(many, answers);
  accuracy.update(many, answers);
  CHECK(top.correct() == accuracy.correct());
  CHECK(top.correct() > 0);
  // More rows than are looked at together.
  train::TopKAccuracy wide(1);
  train::Accuracy wide_accuracy;
  train::Perplexity perplexity;
  const Tensor wide_logits = randn({30, 20000}), wide_answers = argmax(wide_logits);
  wide.update(wide_logits, wide_answers);
  wide_accuracy.update(wide_logits, wide_answers);
  perplexity.update(wide_logits, wide_answers);
  CHECK(wide.value() == 1.0);
  CHECK(wide_accuracy.value() == 1.0);
  CHECK(std::abs(perplexity.cross_entropy() - cross_entropy(wide_logits, wide_answers).item()) < 1e-5 * 10);
  CHECK(test::kind_of([&] { top.merge(train::TopKAccuracy(2)); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::TopKAccuracy none(0); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { top.update(ids({1}), ids({1})); }) == ErrorKind::dtype);
  CHECK(test::kind_of([&] { top.update(zeros({1, 2}), ids({2})); }) == ErrorKind::index);
}

TEST_CASE("a confusion matrix") {
  train::ConfusionMatrix confusion(3);
  CHECK(std::isnan(confusion.value()));
  CHECK(confusion.scores(Average::macro).f1 == 0.0);
  confusion.update(tensor({{5.0, 0.0, 0.0}, {0.0, 5.0, 0.0}, {0.0, 5.0, 0.0}, {0.0, 0.0, 1.0}}), ids({0, 1, 0, -100}));
  CHECK(confusion.count(0, 1) == 1);
  CHECK(confusion.total() == 3);
  CHECK(confusion.value() == 2.0 / 3.0);
  CHECK(confusion.counts().to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 1, 0, 0, 1, 0, 0, 0, 0});
  CHECK(confusion.scores(Average::macro).recall == 0.75);  // the class that never occurs is left out
  CHECK(confusion.scores(1).precision == 0.5);
  // Nothing of a refused batch is counted.
  CHECK(test::kind_of([&] { confusion.update(ids({0, 3}), ids({0, 0})); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { confusion.update(ids({0, 0}), ids({0, -1})); }) == ErrorKind::index);
  CHECK(confusion.total() == 3);
  CHECK(test::kind_of([&] { confusion.count(3, 0); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { confusion.merge(train::ConfusionMatrix(2)); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::ConfusionMatrix none(0); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { confusion.report({"one"}); }) == ErrorKind::argument);
  const std::string report = confusion.report({"Ä", "dog", "never"});
  CHECK(report.find("\nÄ             ") != std::string::npos);
  CHECK(report.find("never") == std::string::npos);
  confusion.merge(confusion);
  CHECK(confusion.total() == 6);
  confusion.reset();
  CHECK(confusion.total() == 0);
}

TEST_CASE("perplexity is over targets, not over batches") {
  Generator generator(1);
  const GeneratorGuard guard(generator);
  const Tensor a = randn({5, 7}), b = randn({2, 7});
  const Tensor a_targets = ids({0, 6, -100, 3, 2}), b_targets = ids({1, 1});
  train::Perplexity from_logits, from_losses;
  CHECK(std::isnan(from_logits.value()));
  from_logits.update(a, a_targets);
  train::Perplexity second;
  second.update(b, b_targets);
  from_logits.merge(second);
  from_losses.update(cross_entropy(a, a_targets).item(), 4);
  from_losses.update(cross_entropy(b, b_targets).item(), 2);
  CHECK(from_logits.count() == 6);
  CHECK(std::abs(from_logits.value() - from_losses.value()) < 1e-5 * from_losses.value());
  CHECK(std::abs(std::exp2(from_logits.bits_per_target()) - from_logits.value()) < 1e-12 * from_logits.value());
  train::Perplexity uniform;
  uniform.update(zeros({3, 8}), ids({1, 2, 3}));
  CHECK(std::abs(uniform.value() - 8.0) < 1e-12);
  uniform.update(not_a_number, 0);
  CHECK(std::abs(uniform.value() - 8.0) < 1e-12);
  CHECK(test::kind_of([&] { uniform.update(zeros({3, 8}), ids({1, 2})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { uniform.update(zeros({1, 8}), ids({8})); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { uniform.update(1.0, -1); }) == ErrorKind::argument);
}

TEST_CASE("edits by kind") {
  const train::Edits swapped = train::word_edits("I saw a saw", "I saw saw a");
  CHECK(swapped.total() == 2);
  CHECK(swapped.substitutions == 0);  // of two alignments the one that leaves more words right
  CHECK(swapped.deletions == 1);
  CHECK(swapped.insertions == 1);
  const train::Edits kitten = train::character_edits("kitten", "sitting");
  CHECK(kitten.substitutions == 2);
  CHECK(kitten.deletions == 1);
  CHECK(kitten.insertions == 0);
  CHECK(train::character_edits("café", "cafe").total() == 1);  // code points, not bytes
  CHECK(train::character_edits("\xff", "\xEF\xBF\xBD").total() == 0);
  CHECK(train::edit_distance(std::vector<std::int64_t>{1, 2, 3}, std::vector<std::int64_t>{}).insertions == 3);

  train::EditDistance rate(train::EditUnit::words);
  CHECK(std::isnan(rate.value()));
  rate.update("", "");
  CHECK(rate.value() == 0.0);
  rate.update("too much", "");
  CHECK(rate.value() == infinity);
  rate.update("a b", "a b c d");
  CHECK(rate.value() == 1.0);
  CHECK(rate.text_error_rate() == 2.0 / 3.0);
  train::EditDistance other(train::EditUnit::words);
  other.merge(rate);
  CHECK(other.edits().deletions == 2);
  CHECK(other.edits().insertions == 2);
  CHECK(test::kind_of([&] { rate.merge(train::EditDistance(train::EditUnit::characters)); }) == ErrorKind::argument);
}

TEST_CASE("the distance is symmetric and obeys the triangle inequality") {
  std::uint64_t state = 5;
  const auto random_text = [&] {
    std::vector<std::int64_t> text;
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::uint64_t length = (state >> 40) % 9;
    for (std::uint64_t i = 0; i < length; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text.push_back(static_cast<std::int64_t>((state >> 40) % 3));
    }
    return text;
  };
  for (int i = 0; i < 300; ++i) {
    const auto a = random_text(), b = random_text(), c = random_text();
    const train::Edits ab = train::edit_distance(a, b), ba = train::edit_distance(b, a);
    CHECK(ab.total() == ba.total());
    CHECK(ab.substitutions == ba.substitutions);
    CHECK(ab.insertions == ba.deletions);
    CHECK(ab.insertions - ab.deletions == std::ssize(a) - std::ssize(b));
    CHECK(ab.total() <= train::edit_distance(a, c).total() + train::edit_distance(c, b).total());
  }
}

TEST_CASE("spans in packed rows") {
  const std::vector<std::string> labels = {"O", "B-PER", "I-PER"};
  const Segments sentences = Segments::from_lengths({3, 0, 2});
  train::SpanF1 spans;
  // The second sentence begins with I: a span of its own, not the end of the one before.
  spans.update(ids({1, 2, 2, 2, 0}), ids({1, 2, 2, 2, 0}), sentences, labels);
  CHECK(spans.scores().support == 2);
  CHECK(spans.value() == 1.0);
  spans.reset();
  CHECK(spans.value() == 0.0);
  spans.update(ids({1, 0, 2, 0, 0}), ids({1, -100, 2, 0, 0}), sentences, labels);  // a later piece of a word
  CHECK(spans.value() == 1.0);
  train::SpanF1 other;
  other.update(std::vector<std::string>{"B-LOC"}, std::vector<std::string>{"O"});
  other.merge(spans);
  CHECK(other.types() == std::vector<std::string>{"LOC", "PER"});
  CHECK(other.scores("PER").f1 == 1.0);
  CHECK(other.scores("LOC").f1 == 0.0);
  CHECK(other.scores("ORG").support == 0);
  CHECK(other.report().find("LOC") != std::string::npos);
  const std::vector<std::string> one = {"O"}, bad = {"X-PER"}, worse = {"Bad"}, two = {"O", "O"};
  CHECK(test::kind_of([&] { spans.update(one, two); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { spans.update(one, bad); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { spans.update(worse, one); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { spans.update(ids({3}), ids({0}), Segments::single(1), labels); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { spans.update(ids({0}), ids({0}), Segments::single(2), labels); }) == ErrorKind::shape);
}

TEST_CASE("an equal error rate is that of data::equal_error_rate") {
  train::EqualErrorRate rate, half;
  CHECK(std::isnan(rate.value()));
  rate.update(0.9, true);
  CHECK(std::isnan(rate.value()));  // one kind alone
  half.update(tensor({0.8, 0.3, 0.1}), tensor({0.0, 1.0, 0.0}).to(boolean));
  rate.merge(half);
  CHECK(rate.count() == 4);
  const std::vector<double> scores = {0.9, 0.8, 0.3, 0.1};
  CHECK(rate.value() == data::equal_error_rate(scores, {true, false, true, false}));
  CHECK(rate.min_detection_cost() == data::min_detection_cost(scores, {true, false, true, false}));
  CHECK(test::kind_of([&] { rate.update(not_a_number, true); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { rate.update(zeros({2}), zeros({3}, boolean)); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { rate.update(zeros({2}), zeros({2})); }) == ErrorKind::dtype);
  rate.reset();
  CHECK(rate.count() == 0);
}

TEST_CASE("BLEU and chrF refuse what they cannot count") {
  train::Bleu bleu;
  train::Chrf chrf;
  CHECK(std::isnan(bleu.value()));
  CHECK(std::isnan(chrf.value()));
  CHECK(test::kind_of([&] { bleu.update("words", {}); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { chrf.update("words", {}); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { bleu.merge(train::Bleu({.order = 2})); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { chrf.merge(train::Chrf({.word_order = 2})); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Bleu none({.order = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Chrf none({.character_order = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Chrf none({.beta = 0}); }) == ErrorKind::argument);
  bleu.update("\xff\xfe broken", {"\xff broken"});  // bytes that are not UTF-8 are characters like others
  CHECK(bleu.count() == 1);
  bleu.reset();
  CHECK(std::isnan(bleu.value()));
}
