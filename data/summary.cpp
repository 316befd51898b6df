#include "saw/data/summary.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/utf8.h"
#include "saw/data/vocabulary.h"

namespace saw {
namespace data {
namespace {

constexpr std::int64_t most_tags = 1000;

// 1234567 -> "1,234,567".
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

// The smallest length that is not exceeded by `percent` of 100 sentences.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, std::int64_t percent) {
  if (sorted.empty()) return 0;
  const std::int64_t rank = (std::ssize(sorted) * percent + 99) / 100;
  return sorted[static_cast<std::size_t>(std::max<std::int64_t>(rank, 1) - 1)];
}

std::vector<CorpusSummary::Bar> histogram(const std::vector<std::int64_t>& sorted) {
  std::vector<CorpusSummary::Bar> bars;
  if (sorted.empty()) return bars;
  std::int64_t first = sorted.front() == 0 ? 0 : 1;
  for (std::int64_t last = 5; first <= sorted.back(); first = last + 1, last *= 2) {
    const auto begin = std::lower_bound(sorted.begin(), sorted.end(), first);
    const auto end = std::upper_bound(sorted.begin(), sorted.end(), last);
    bars.push_back({first, last, end - begin});
  }
  return bars;
}

}  // namespace

CorpusSummary summary(const Corpus& corpus) {
  CorpusSummary result;
  result.name = corpus.name;
  result.sentences = std::ssize(corpus.sentences);
  Counter words, tags;
  std::vector<std::int64_t> lengths;
  for (const Sentence& sentence : corpus.sentences) {
    lengths.push_back(std::ssize(sentence.words));
    for (const std::string& word : sentence.words) words.add(word);
    for (const std::string& tag : sentence.tags)
      if (tag != "_") tags.add(tag);
  }
  std::unordered_set<char32_t> characters;
  for (const auto& [word, count] : words.counts())
    for (const char32_t c : decode_utf8(word)) characters.insert(c);

  result.words = words.total();
  result.different_words = words.size();
  result.different_characters = std::ssize(characters);
  result.untagged_words = words.total() - tags.total();
  result.tags.assign(tags.counts().begin(), tags.counts().end());
  std::sort(result.tags.begin(), result.tags.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });

  std::sort(lengths.begin(), lengths.end());
  result.shortest = percentile(lengths, 0);
  result.median = percentile(lengths, 50);
  result.p90 = percentile(lengths, 90);
  result.p99 = percentile(lengths, 99);
  result.longest = percentile(lengths, 100);
  result.histogram = histogram(lengths);

  if (tags.size() > most_tags) {
    result.warnings.push_back(
        fmt::format("{}: {} different tags; more than {} are slow to train and hardly parts of speech; is this the "
                    "right column?",
                    corpus.name, grouped(tags.size()), grouped(most_tags)));
  }
  if (result.untagged_words > 0) {
    result.warnings.push_back(fmt::format("{}: {} of {} words have no tag", corpus.name, grouped(result.untagged_words),
                                          grouped(result.words)));
  }
  return result;
}

CorpusSummary summary(const Corpus& corpus, const Corpus& training) {
  CorpusSummary result = summary(corpus);
  std::unordered_set<std::string_view> known;
  for (const Sentence& sentence : training.sentences) known.insert(sentence.words.begin(), sentence.words.end());
  std::int64_t unknown = 0;
  for (const Sentence& sentence : corpus.sentences)
    for (const std::string& word : sentence.words)
      if (!known.contains(word)) ++unknown;
  result.unknown_words = unknown;
  return result;
}

std::string to_string(const CorpusSummary& summary) {
  std::string text = fmt::format("{}\n", summary.name);
  const auto line = [&](const char* label, std::int64_t number, const std::string& rest) {
    text += fmt::format("  {:<14}{:>11}{}{}\n", label, grouped(number), rest.empty() ? "" : "   ", rest);
  };
  line("sentences", summary.sentences,
       fmt::format("lengths {} to {}, median {}, 90 % up to {}, 99 % up to {}", summary.shortest, summary.longest,
                   summary.median, summary.p90, summary.p99));
  line("words", summary.words,
       fmt::format("{} different, of {} characters", grouped(summary.different_words),
                   grouped(summary.different_characters)));
  if (summary.unknown_words) {
    const double share = summary.words == 0
                             ? 0.0
                             : 100.0 * static_cast<double>(*summary.unknown_words) / static_cast<double>(summary.words);
    line("unknown words", *summary.unknown_words, fmt::format("{:.2f} %", share));
  }
  std::string tags;
  for (std::size_t i = 0; i < summary.tags.size() && i < 20; ++i) tags += (i == 0 ? "" : " ") + summary.tags[i].first;
  line("tags", std::ssize(summary.tags), summary.tags.size() > 20 ? tags + " …" : tags);

  std::int64_t most = 1;
  for (const auto& bar : summary.histogram) most = std::max(most, bar.count);
  for (const auto& bar : summary.histogram) {
    std::string picture;
    for (std::int64_t i = 0; i < (bar.count * 40 + most - 1) / most; ++i) picture += "▪";
    line(fmt::format("  {}–{} words", bar.first, bar.last).c_str(), bar.count, picture);
  }
  for (const std::string& warning : summary.warnings) text += fmt::format("  warning: {}\n", warning);
  return text;
}

}  // namespace data
}  // namespace saw
