#include "saw/train/metrics/span_f1.h"

#include <algorithm>
#include <iterator>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/sort.h"
#include "saw/train/metrics/internal/labels.h"

namespace saw::train {
namespace {

struct Label {
  char tag = 'O';
  std::string_view type;
};

Label label_of(const std::string& text) {
  const char tag = text.empty() ? '?' : text[0];
  const bool known = tag == 'O' || tag == 'B' || tag == 'I' || tag == 'E' || tag == 'S';
  if (!known || (text.size() > 1 && (text[1] != '-' || tag == 'O')))
    fail(ErrorKind::argument, "SpanF1: a label; got \"{}\"; expected O, or B-, I-, E-, S- and a type",
         text.substr(0, 40));
  return {tag, text.size() > 2 ? std::string_view(text).substr(2) : std::string_view("_")};
}

// conlleval's rules: what stands before decides whether a span ends there, and whether one begins.

bool ends(const Label& before, const Label& here) {
  if (before.tag == 'O') return false;
  return before.tag == 'E' || before.tag == 'S' || here.tag == 'B' || here.tag == 'S' || here.tag == 'O' ||
         before.type != here.type;
}

bool begins(const Label& before, const Label& here) {
  if (here.tag == 'O') return false;
  return here.tag == 'B' || here.tag == 'S' || before.tag == 'E' || before.tag == 'S' || before.tag == 'O' ||
         before.type != here.type;
}

}  // namespace

std::vector<Span> spans_of(std::span<const std::string> labels) {
  std::vector<Span> spans;
  Label before;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i <= labels.size(); ++i) {
    const Label here = i < labels.size() ? label_of(labels[i]) : Label{};
    const auto at = static_cast<std::int64_t>(i);
    if (ends(before, here)) spans.push_back({std::string(before.type), begin, at});
    if (begins(before, here)) begin = at;
    before = here;
  }
  return spans;
}

void SpanF1::update(std::span<const std::string> predictions, std::span<const std::string> targets) {
  if (predictions.size() != targets.size())
    fail(ErrorKind::argument, "SpanF1: got {} predicted labels beside {}; expected as many", predictions.size(),
         targets.size());
  std::vector<Span> predicted = spans_of(predictions), wanted = spans_of(targets), both;
  for (const Span& span : predicted) ++counts_[span.type].predicted;
  for (const Span& span : wanted) ++counts_[span.type].targets;
  std::sort(predicted.begin(), predicted.end());
  std::sort(wanted.begin(), wanted.end());
  std::set_intersection(predicted.begin(), predicted.end(), wanted.begin(), wanted.end(), std::back_inserter(both));
  for (const Span& span : both) ++counts_[span.type].correct;
}

void SpanF1::update(const Tensor& predictions, const Tensor& targets, const Segments& sentences,
                    const std::vector<std::string>& labels, std::int64_t ignore_index) {
  if (targets.rank() != 1 || targets.size(0) != sentences.rows())
    fail(ErrorKind::shape, "SpanF1: targets; got {}; expected ({}), the rows of the sentences", targets.shape(),
         sentences.rows());
  const auto names = static_cast<std::int64_t>(labels.size());
  for (std::int64_t s = 0; s < sentences.count(); ++s) {
    const Labels ids = labels_of("SpanF1", predictions.slice(0, sentences.begin(s), sentences.end(s)),
                                 targets.slice(0, sentences.begin(s), sentences.end(s)), ignore_index);
    const auto names_of = [&](const std::vector<std::int64_t>& numbers) {
      std::vector<std::string> result;
      for (const std::int64_t id : numbers) {
        if (id < 0 || id >= names) fail(ErrorKind::index, "SpanF1: label {} has no name; there are {}", id, names);
        result.push_back(labels[static_cast<std::size_t>(id)]);
      }
      return result;
    };
    update(names_of(ids.predictions), names_of(ids.targets));
  }
}

void SpanF1::merge(const SpanF1& other) {
  const auto counts = other.counts_;  // it may be this one
  for (const auto& [type, more] : counts) {
    ClassCounts& mine = counts_[type];
    mine.correct += more.correct;
    mine.predicted += more.predicted;
    mine.targets += more.targets;
  }
}

std::vector<ClassCounts> SpanF1::all_counts() const {
  std::vector<ClassCounts> all;
  for (const auto& [type, counts] : counts_) all.push_back(counts);
  return all;
}

Scores SpanF1::scores(Average average) const { return scores_of(all_counts(), average); }

Scores SpanF1::scores(const std::string& type) const {
  const auto found = counts_.find(type);
  return found == counts_.end() ? Scores{} : scores_of(found->second);
}

std::vector<std::string> SpanF1::types() const {
  std::vector<std::string> types;
  for (const auto& [type, counts] : counts_) types.push_back(type);
  return types;
}

std::string SpanF1::report() const { return scores_table(types(), all_counts()); }

}  // namespace saw::train
