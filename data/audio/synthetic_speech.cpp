#include "saw/data/audio/synthetic_speech.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/source_filter.h"

namespace saw {
namespace data {
namespace {

constexpr std::int64_t largest_count = 10'000'000;  // of utterances
constexpr std::int64_t longest_utterance = 1000;    // words

/// A phone, and what the articulators do for it: a stop closes and bursts.
struct Phone {
  std::string name;
  std::vector<Articulation> articulations;
};

const std::vector<Phone>& inventory() {
  static const std::vector<Phone> all = [] {
    std::vector<Phone> phones = {{"pause", {{{500, 1500, 2500}, 0, 0.0, 0.1}}}};
    const std::array<const char*, 10> names = {"iy", "ih", "eh", "ae", "aa", "ao", "uh", "uw", "ah", "er"};
    for (std::size_t i = 0; i < names.size(); ++i) phones.push_back({names[i], {vowels()[i]}});
    const Articulation closure = {{300, 1500, 2500}, 0, 0.0, 0.05};
    phones.push_back({"m", {{{250, 1000, 2100}, 0, 0.35, 0.07}}});
    phones.push_back({"n", {{{250, 1500, 2400}, 0, 0.35, 0.07}}});
    phones.push_back({"l", {{{360, 1100, 2800}, 0, 0.60, 0.06}}});
    phones.push_back({"r", {{{330, 1150, 1500}, 0, 0.60, 0.06}}});
    phones.push_back({"w", {{{290, 650, 2200}, 0, 0.60, 0.06}}});
    phones.push_back({"f", {{{300, 1100, 2200}, 7000, 0.0, 0.09}}});
    phones.push_back({"s", {{{300, 1700, 2600}, 5500, 0.0, 0.10}}});
    phones.push_back({"sh", {{{300, 1800, 2500}, 3000, 0.0, 0.10}}});
    phones.push_back({"b", {{{250, 800, 2200}, 0, 0.15, 0.05}, {{300, 800, 2200}, 800, 0.4, 0.015}}});
    phones.push_back({"d", {{{250, 1700, 2600}, 0, 0.15, 0.05}, {{300, 1700, 2600}, 3500, 0.4, 0.015}}});
    phones.push_back({"k", {closure, {{300, 1900, 2300}, 2000, 0.0, 0.03}}});
    phones.push_back({"t", {closure, {{300, 1700, 2600}, 4200, 0.0, 0.03}}});
    return phones;
  }();
  return all;
}

/// A word, and its phones as numbers.
struct Word {
  std::string spelling;
  std::vector<std::int64_t> phones;
};

const std::vector<Word>& lexicon() {
  static const std::vector<Word> all = [] {
    const std::vector<std::pair<const char*, std::vector<std::string_view>>> spoken = {
        {"all", {"ao", "l"}},
        {"bird", {"b", "er", "d"}},
        {"cat", {"k", "ae", "t"}},
        {"fire", {"f", "aa", "iy", "er"}},
        {"fish", {"f", "ih", "sh"}},
        {"leaf", {"l", "iy", "f"}},
        {"moon", {"m", "uw", "n"}},
        {"night", {"n", "aa", "iy", "t"}},
        {"rain", {"r", "eh", "iy", "n"}},
        {"red", {"r", "eh", "d"}},
        {"sea", {"s", "iy"}},
        {"snow", {"s", "n", "ao", "uh"}},
        {"star", {"s", "t", "aa", "r"}},
        {"stone", {"s", "t", "ao", "uh", "n"}},
        {"sun", {"s", "ah", "n"}},
        {"wood", {"w", "uh", "d"}},
    };
    std::map<std::string_view, std::int64_t> numbers;
    for (const Phone& phone : inventory()) numbers.emplace(phone.name, std::ssize(numbers));
    std::vector<Word> words;
    for (const auto& [spelling, phones] : spoken) {
      words.push_back({spelling, {}});
      for (const std::string_view phone : phones) words.back().phones.push_back(numbers.at(phone));
    }
    return words;
  }();
  return all;
}

}  // namespace

struct SyntheticSpeech::Plan {
  std::uint64_t seed;
  std::vector<Voice> voices;
  std::vector<std::vector<std::size_t>> texts;  // numbers of words, by utterance

  const std::vector<std::size_t>& words_of(std::int64_t utterance) const {
    if (utterance < 0 || utterance >= std::ssize(texts))
      fail(ErrorKind::index, "SyntheticSpeech: number of an utterance; got {}; expected 0 … {}", utterance,
           std::ssize(texts) - 1);
    return texts[static_cast<std::size_t>(utterance)];
  }
};

SyntheticSpeech::SyntheticSpeech(const SyntheticSpeechOptions& options) {
  if (options.voices < 1 || options.utterances < 1)
    fail(ErrorKind::argument, "SyntheticSpeech: got {} voices and {} utterances; expected at least one of each",
         options.voices, options.utterances);
  if (options.voices > largest_count / options.utterances)
    fail(ErrorKind::argument, "SyntheticSpeech: got {} voices and {} utterances of each; expected at most {} in all",
         options.voices, options.utterances, largest_count);
  if (options.fewest_words < 1 || options.most_words < options.fewest_words || options.most_words > longest_utterance)
    fail(ErrorKind::argument, "SyntheticSpeech: words of an utterance; got {} … {}; expected 1 ≤ fewest ≤ most ≤ {}",
         options.fewest_words, options.most_words, longest_utterance);
  auto plan = std::make_shared<Plan>();
  plan->seed = options.seed;
  Dice dice(RandomStream(options.seed, 0));
  for (std::int64_t v = 0; v < options.voices; ++v) plan->voices.push_back(random_voice(dice));
  for (std::int64_t v = 0; v < options.voices; ++v) {
    data_.speakers.push_back(fmt::format("voice{:02}", v + 1));
    for (std::int64_t u = 0; u < options.utterances; ++u) {
      const std::size_t more = dice.below(static_cast<std::size_t>(options.most_words - options.fewest_words + 1));
      std::vector<std::size_t>& text = plan->texts.emplace_back(static_cast<std::size_t>(options.fewest_words) + more);
      for (std::size_t& word : text) word = dice.below(lexicon().size());
      data_.utterances.push_back(
          {.name = fmt::format("{}-utterance{:03}", data_.speakers.back(), u + 1), .speaker = v});
    }
  }
  plan_ = std::move(plan);
}

const std::vector<std::string>& SyntheticSpeech::words() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> words;
    for (const Word& word : lexicon()) words.push_back(word.spelling);
    return words;
  }();
  return all;
}

const std::vector<std::string>& SyntheticSpeech::phones() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names;
    for (const Phone& phone : inventory()) names.push_back(phone.name);
    return names;
  }();
  return all;
}

std::string SyntheticSpeech::text(std::int64_t utterance) const {
  std::vector<std::string> spellings;
  for (const std::size_t word : plan_->words_of(utterance)) spellings.push_back(lexicon()[word].spelling);
  return fmt::format("{}", fmt::join(spellings, " "));
}

SpokenText SyntheticSpeech::operator()(std::int64_t utterance) const {
  const std::vector<std::size_t>& words = plan_->words_of(utterance);
  Dice dice(RandomStream(plan_->seed, static_cast<std::uint64_t>(utterance) + 1));
  std::vector<Articulation> articulations;
  std::vector<std::int64_t> phones;  // of each articulation; −1: the same as before
  const auto add = [&](std::int64_t phone) {
    const auto& steps = inventory()[static_cast<std::size_t>(phone)].articulations;
    articulations.insert(articulations.end(), steps.begin(), steps.end());
    phones.push_back(phone);
    phones.insert(phones.end(), steps.size() - 1, -1);
  };
  const auto pause = [&](double shortest, double longest) {
    add(0);
    articulations.back().seconds = dice.uniform(shortest, longest);
  };
  pause(0.05, 0.25);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && dice.uniform(0.0, 1.0) < 0.5) pause(0.04, 0.3);
    for (const std::int64_t phone : lexicon()[words[i]].phones) add(phone);
  }
  pause(0.05, 0.25);
  const auto voices_utterances = std::ssize(plan_->texts) / std::ssize(plan_->voices);
  const Voice& voice = plan_->voices[static_cast<std::size_t>(utterance / voices_utterances)];
  Synthesised said = synthesise(voice, articulations, dice);

  SpokenText result{.audio = std::move(said.audio), .text = text(utterance), .phones = {}};
  for (std::size_t i = 0; i < phones.size(); ++i) {
    if (phones[i] < 0) {
      result.phones.back().end = said.ends[i];
    } else {
      result.phones.push_back({.phone = phones[i], .begin = i == 0 ? 0 : said.ends[i - 1], .end = said.ends[i]});
    }
  }
  return result;
}

}  // namespace data
}  // namespace saw
