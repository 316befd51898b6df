#include "saw/data/audio/synthetic_speech.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <string>

#include "saw/autograd/ops.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

TEST_CASE("synthetic speech: words, phones and sound are a function of the options") {
  const data::SyntheticSpeech speech({.voices = 3, .utterances = 6, .seed = 5}),
      same({.voices = 3, .utterances = 6, .seed = 5}), other({.voices = 3, .utterances = 6, .seed = 6});
  CHECK(speech.data().speakers == std::vector<std::string>{"voice01", "voice02", "voice03"});
  REQUIRE(speech.data().utterances.size() == 18);
  CHECK(speech.data().utterances[7].name == "voice02-utterance002");
  CHECK(speech.data().utterances[7].speaker == 1);
  const auto& words = data::SyntheticSpeech::words();
  CHECK(std::is_sorted(words.begin(), words.end()));
  CHECK(words.size() == 16);
  CHECK(data::SyntheticSpeech::phones().at(0) == "pause");
  const auto phones = static_cast<std::int64_t>(data::SyntheticSpeech::phones().size());
  std::set<std::string> texts;
  for (std::int64_t i = 0; i < 18; ++i) {
    const data::SpokenText said = speech(i);
    CHECK(said.text == speech.text(i));
    CHECK(test::same_bits(said.audio.samples, same(i).audio.samples));
    texts.insert(said.text);
    std::istringstream stream(said.text);
    std::int64_t count = 0;
    for (std::string word; stream >> word; ++count) CHECK(std::binary_search(words.begin(), words.end(), word));
    CHECK(count >= 2);
    CHECK(count <= 5);
    CHECK(said.audio.sample_rate == 16000);
    CHECK(std::isfinite(said.audio.samples.sum().item()));
    CHECK(max(abs(said.audio.samples)).item() <= 1.0);
    // Every sample belongs to one phone.
    CHECK(said.phones.front().begin == 0);
    CHECK(said.phones.back().end == said.audio.samples.numel());
    CHECK(said.phones.front().phone == 0);
    CHECK(said.phones.back().phone == 0);
    for (std::size_t p = 0; p < said.phones.size(); ++p) {
      CHECK(said.phones[p].end > said.phones[p].begin);
      CHECK(said.phones[p].phone >= 0);
      CHECK(said.phones[p].phone < phones);
      if (p > 0) CHECK(said.phones[p].begin == said.phones[p - 1].end);
    }
  }
  CHECK(texts.size() > 12);
  CHECK_FALSE(test::same_bits(speech(0).audio.samples, other(0).audio.samples));
}

TEST_CASE("synthetic speech: a vowel is loud where its span says so, and the pauses are not") {
  const data::SyntheticSpeech speech({.voices = 4, .utterances = 5, .seed = 3});
  double loud = 0, quiet = 0;
  std::int64_t vowels = 0, pauses = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    const data::SpokenText said = speech(i);
    for (const data::PhoneSpan& span : said.phones) {
      // The articulators move at the borders.
      const std::int64_t length = span.end - span.begin, middle = span.begin + length / 2;
      const Tensor part = said.audio.samples.slice(0, middle, middle + std::max<std::int64_t>(1, length / 3));
      const double power = (part * part).mean().item();
      if (span.phone >= 1 && span.phone <= 10) loud += power, ++vowels;
      if (span.phone == 0) quiet += power, ++pauses;
    }
  }
  REQUIRE(vowels > 20);
  REQUIRE(pauses >= 40);
  CHECK(loud / static_cast<double>(vowels) > 20 * quiet / static_cast<double>(pauses));
}

TEST_CASE("synthetic speech: errors") {
  CHECK(test::kind_of([] { data::SyntheticSpeech({.voices = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticSpeech({.utterances = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticSpeech({.fewest_words = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticSpeech({.fewest_words = 3, .most_words = 2}); }) == ErrorKind::argument);
  constexpr std::int64_t many = std::int64_t{1} << 62;
  CHECK(test::kind_of([] { data::SyntheticSpeech({.most_words = many}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticSpeech({.voices = many}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticSpeech({.voices = 4, .utterances = many}); }) == ErrorKind::argument);
  const data::SyntheticSpeech speech({.voices = 1, .utterances = 1});
  CHECK(test::kind_of([&] { speech(1); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { speech.text(-1); }) == ErrorKind::index);
}
