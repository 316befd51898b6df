#include "saw/data/audio/synthetic_voices.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string>

#include "saw/autograd/ops.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

TEST_CASE("synthetic voices: phrases of each voice, a function of the options") {
  const data::SyntheticVoices voices({.voices = 3, .phrases = 4, .seed = 7}),
      same({.voices = 3, .phrases = 4, .seed = 7}), other({.voices = 3, .phrases = 4, .seed = 8});
  CHECK(voices.data().speakers == std::vector<std::string>{"voice01", "voice02", "voice03"});
  REQUIRE(voices.data().utterances.size() == 12);
  CHECK(voices.data().utterances[5].name == "voice02-phrase02");
  CHECK(voices.data().utterances[5].speaker == 1);
  std::set<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 12; ++i) {
    const data::Audio audio = voices(i);
    CHECK(audio.sample_rate == 16000);
    CHECK(audio.seconds() > 0.4);
    CHECK(audio.seconds() < 4.0);
    CHECK(std::isfinite(audio.samples.sum().item()));
    CHECK(max(abs(audio.samples)).item() <= 1.0);
    CHECK(max(abs(audio.samples)).item() > 0.05);
    CHECK(test::same_bits(audio.samples, same(i).samples));
    lengths.insert(audio.samples.numel());
  }
  CHECK(lengths.size() > 9);  // nobody says anything twice in the same way
  CHECK_FALSE(test::same_bits(voices(0).samples, other(0).samples));
}

TEST_CASE("synthetic voices: errors") {
  CHECK(test::kind_of([] { data::SyntheticVoices({.voices = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { data::SyntheticVoices({.phrases = 0}); }) == ErrorKind::argument);
  const data::SyntheticVoices voices({.voices = 1, .phrases = 1});
  CHECK(test::kind_of([&] { voices(1); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { voices(-1); }) == ErrorKind::index);
}
