#include "saw/data/audio/sound_frames.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "saw/autograd/ops.h"
#include "saw/data/audio/audio.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;

namespace {

struct Sounds : test::TemporaryDirectory {
  Sounds() {
    Generator generator(1);
    for (int i = 0; i < 4; ++i) {
      paths.push_back((*this / (std::to_string(i) + ".wav")).string());
      data::write_wav(paths.back(), {randn({4000 + 160 * i}, generator) * 0.1, 16000});
    }
  }
  Tensor expected(std::size_t i) const { return data::LogMel({.mels = 20})(data::read_audio(paths[i], 16000).samples); }
  std::vector<std::string> paths;
};

}  // namespace

TEST_CASE("sound frames: log-mel frames of each file, kept as long as there is room") {
  const Sounds sounds;
  std::vector<Tensor> expected;
  for (std::size_t i = 0; i < 4; ++i) expected.push_back(sounds.expected(i));
  const std::int64_t two = (expected[0].numel() + expected[1].numel()) * 4;
  const data::FrameSource all = data::sound_frames(sounds.paths, {.mels = 20}),
                          some = data::sound_frames(sounds.paths, {.mels = 20}, two),
                          none = data::sound_frames(sounds.paths, {.mels = 20}, 0);
  for (const auto* source : {&all, &some, &none})
    for (std::size_t i = 0; i < 4; ++i) CHECK(test::same_bits((*source)(static_cast<std::int64_t>(i)), expected[i]));
  for (const std::string& path : sounds.paths) std::filesystem::remove(path);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto number = static_cast<std::int64_t>(i);
    CHECK(test::same_bits(all(number), expected[i]));
    if (i < 2)
      CHECK(test::same_bits(some(number), expected[i]));
    else
      CHECK(test::kind_of([&] { some(number); }) == ErrorKind::io);
    CHECK(test::kind_of([&] { none(number); }) == ErrorKind::io);
  }
}

TEST_CASE("sound frames: several threads get the same") {
  const Sounds sounds;
  const data::FrameSource source = data::sound_frames(sounds.paths, {.mels = 20});
  std::vector<Tensor> found(16);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < 4; ++i) found[4 * t + i] = source(static_cast<std::int64_t>(i));
      });
  }
  for (std::size_t k = 0; k < 16; ++k) CHECK(test::same_bits(found[k], sounds.expected(k % 4)));
}

TEST_CASE("sound frames: errors name the file, or the number") {
  const Sounds sounds;
  const std::string brief = (sounds / "short.wav").string();
  data::write_wav(brief, {zeros({200}), 16000});
  const data::FrameSource source = data::sound_frames({brief, "/nowhere.wav"});
  CHECK(test::error_text([&] { source(0); }).find(brief + ": too short") == 0);
  CHECK(test::error_text([&] { source(1); }).find("/nowhere.wav: ") == 0);
  CHECK(test::kind_of([&] { source(2); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { source(-1); }) == ErrorKind::index);
  CHECK(test::kind_of([&] { data::sound_frames({}, {.mels = 0}); }) == ErrorKind::argument);
}
