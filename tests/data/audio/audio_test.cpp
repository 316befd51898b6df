#include "saw/data/audio/audio.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/golden.h"

using namespace saw;

namespace {

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// A WAV file by hand: `code` 1 is PCM, 3 float, 0xFFFE extensible.
std::string wav(std::uint16_t code, std::uint16_t channels, std::uint16_t bits, const std::string& data,
                std::uint32_t rate = 8000, std::int64_t claimed_bytes = -1) {
  const auto frame = static_cast<std::uint16_t>(channels * bits / 8);
  std::string format = bytes_of(code) + bytes_of(channels) + bytes_of(rate) + bytes_of(std::uint32_t{rate * frame}) +
                       bytes_of(frame) + bytes_of(bits);
  if (code == 0xFFFE)  // the size of what follows, valid bits, speakers, and the identifier of PCM
    format += bytes_of(std::uint16_t{22}) + bytes_of(bits) + bytes_of(std::uint32_t{0}) + bytes_of(std::uint16_t{1}) +
              std::string("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71", 14);
  const auto claimed =
      static_cast<std::uint32_t>(claimed_bytes < 0 ? data.size() : static_cast<std::size_t>(claimed_bytes));
  const std::string chunks = "WAVEfmt " + bytes_of(static_cast<std::uint32_t>(format.size())) + format + "LIST" +
                             bytes_of(std::uint32_t{4}) + "INFO" + "data" + bytes_of(claimed) + data;
  return "RIFF" + bytes_of(static_cast<std::uint32_t>(chunks.size())) + chunks;
}

class Files {
 public:
  std::string operator()(const std::string& bytes, const std::string& name = "a.wav") const {
    const std::string path = directory_ / name;
    data::write_file(path, bytes);
    return path;
  }
  std::string path(const std::string& name) const { return directory_ / name; }

 private:
  test::TemporaryDirectory directory_;
};

std::string read_error(const std::string& path) {
  const std::string text = test::error_text(ErrorKind::io, [&] { data::read_audio(path); });
  REQUIRE(text.rfind(path + ": ", 0) == 0);
  CHECK(text.find('\n') == std::string::npos);
  return text.substr(path.size() + 2);
}

}  // namespace

TEST_CASE("audio: what is written is read") {
  const Files files;
  const std::string path = files.path("a.wav");
  const std::vector<float> samples{0.0F, 0.5F, -0.5F, 1.0F / 32768, -1.0F, 32767.0F / 32768};
  data::write_wav(path, {tensor(samples), 16000});
  const data::Audio read = data::read_audio(path);
  CHECK(read.sample_rate == 16000);
  CHECK(read.samples.to_vector<float>() == samples);
  CHECK(read.seconds() == doctest::Approx(6.0 / 16000));
  CHECK(std::filesystem::file_size(path) == 44 + 12);
}

TEST_CASE("audio: samples beyond full scale are clipped, others rounded") {
  const Files files;
  const std::string path = files.path("a.wav");
  data::write_wav(path, {tensor(std::vector<float>{1.0F, 2.0F, -3.0F, 1.6F / 32768, -1.6F / 32768}), 8000});
  const std::vector<float> expected{32767.0F / 32768, 32767.0F / 32768, -1.0F, 2.0F / 32768, -2.0F / 32768};
  CHECK(data::read_audio(path).samples.to_vector<float>() == expected);
}

TEST_CASE("audio: a failed write leaves what was there") {
  const Files files;
  const std::string path = files("old");
  const std::vector<float> samples{0.0F, std::numeric_limits<float>::infinity()};
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::write_wav(path, {tensor(samples), 8000});
        }) == "write_wav: sample 1 is NaN or infinite");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::write_wav(path, {zeros({1}, float32), 0});
        }) == "write_wav: the sample rate does not fit the format; got 0; expected 1 to 2^31 - 1");
  CHECK(data::read_file(path) == "old");
  const std::string missing = files.path("missing/a.wav");
  CHECK(test::error_text(ErrorKind::io, [&] {
          data::write_wav(missing, {zeros({1}, float32), 8000});
        }) == missing + ": cannot write; No such file or directory");
}

TEST_CASE("audio: sample formats of WAV") {
  const Files files;
  const std::vector<float> expected{0.5F, -0.25F};
  const auto samples = [&](const std::string& bytes) {
    return data::read_audio(files(bytes)).samples.to_vector<float>();
  };
  const std::string pcm16 = bytes_of(std::int16_t{16384}) + bytes_of(std::int16_t{-8192});
  CHECK(samples(wav(1, 1, 8, "\xC0\x60")) == expected);
  CHECK(samples(wav(1, 1, 16, pcm16)) == expected);
  CHECK(samples(wav(1, 1, 24, std::string("\0\0\x40\0\0\xE0", 6))) == expected);
  CHECK(samples(wav(1, 1, 32, bytes_of(1 << 30) + bytes_of(-(1 << 29)))) == expected);
  CHECK(samples(wav(3, 1, 32, bytes_of(0.5F) + bytes_of(-0.25F))) == expected);
  CHECK(samples(wav(3, 1, 64, bytes_of(0.5) + bytes_of(-0.25))) == expected);
  CHECK(samples(wav(0xFFFE, 1, 16, pcm16)) == expected);
}

TEST_CASE("audio: channels are averaged") {
  const Files files;
  const std::string data = bytes_of(0.5F) + bytes_of(0.25F) + bytes_of(-1.0F) + bytes_of(1.0F);
  CHECK(data::read_audio(files(wav(3, 2, 32, data))).samples.to_vector<float>() == std::vector<float>{0.375F, 0.0F});
  CHECK(data::read_audio(files(wav(3, 4, 32, data))).samples.to_vector<float>() == std::vector<float>{0.1875F});
}

TEST_CASE("audio: FLAC and Ogg Vorbis") {
  const auto worst = [](const char* name) {
    const data::Audio audio = data::read_audio(test::directory() / "golden" / name);
    CHECK(audio.sample_rate == 16000);
    const std::vector<float> samples = audio.samples.to_vector<float>();
    REQUIRE(samples.size() == 1600);
    double result = 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double tone = 0.375 * std::sin(2.0 * std::numbers::pi * 440.0 / 16000.0 * static_cast<double>(i));
      result = std::max(result, std::abs(static_cast<double>(samples[i]) - tone));
    }
    return result;
  };
  CHECK(worst("tone_audio.flac") < 1e-6);  // 24 bits
  CHECK(worst("tone_audio.ogg") < 0.05);   // lossy
}

TEST_CASE("audio: more than one piece") {
  const Files files;
  std::string data;
  for (int i = 0; i < 200'001; ++i) data += bytes_of(static_cast<std::int16_t>(i % 1000));
  const std::vector<float> samples = data::read_audio(files(wav(1, 1, 16, data))).samples.to_vector<float>();
  REQUIRE(samples.size() == 200'001);
  CHECK(samples[65536] == 536.0F / 32768);
  CHECK(samples[200'000] == 0.0F);
}

TEST_CASE("audio: no sound, no samples, no numbers") {
  const Files files;
  CHECK(read_error(files.path("missing.wav")) == "cannot read; No such file or directory");
  std::filesystem::create_directory(files.path("folder"));
  CHECK(read_error(files.path("folder")) == "cannot read; it is a directory");
  REQUIRE(mkfifo(files.path("pipe").c_str(), 0600) == 0);
  CHECK(read_error(files.path("pipe")) == "cannot read; it is not a regular file");
  CHECK(read_error(files("")).rfind("cannot read as sound; ", 0) == 0);
  CHECK(read_error(files("This is a text.\n")).rfind("cannot read as sound; ", 0) == 0);
  CHECK(read_error(files(wav(1, 1, 16, ""))) == "no samples");
  CHECK(read_error(files(wav(3, 1, 32, bytes_of(0.5F) + bytes_of(std::nanf(""))))) ==
        "sample 1 is damaged; got nan; full scale is 1");
  CHECK(read_error(files(wav(3, 1, 64, bytes_of(1e300)))) == "sample 0 is damaged; got inf; full scale is 1");
  CHECK(read_error(files(wav(3, 1, 32, bytes_of(1e30F)))) == "sample 0 is damaged; got 1e+30; full scale is 1");
  CHECK(data::read_audio(files(wav(3, 1, 32, bytes_of(-32768.0F)))).samples.numel() == 1);  // as some programs scale
  CHECK(read_error(files(wav(1, 0, 16, "\1\2"))).rfind("cannot read as sound; ", 0) == 0);
  CHECK(read_error(files(wav(0x161, 1, 16, "\1\2"))).rfind("cannot read as sound; ", 0) == 0);  // Windows Media
}

TEST_CASE("audio: read at another rate, and a rate that is too far away is a fault of the file") {
  const Files files;
  const std::string data = bytes_of(std::int16_t{1}) + bytes_of(std::int16_t{2});
  const data::Audio audio = data::read_audio(files(wav(1, 1, 16, data, 8000)), 16000);
  CHECK(audio.sample_rate == 16000);
  CHECK(audio.samples.numel() == 4);
  const std::string slow = files(wav(1, 1, 16, data, 1));
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_audio(slow, 16000); }) ==
        slow + ": resample: the rates differ too much; got 1 and 16000 Hz; expected a ratio below 256");
}

TEST_CASE("audio: a header that promises more than there is") {
  const Files files;
  const std::string data = bytes_of(std::int16_t{1}) + bytes_of(std::int16_t{2});
  CHECK(read_error(files(wav(1, 1, 16, data, 8000, 8))) == "the file ends too early; got 2 frames; expected 4");
  CHECK(read_error(files(wav(1, 1, 16, data, 8000, 2'000'000'000))) ==
        "the file ends too early; got 2 frames; expected 1000000000");
  // What writes to a pipe does not know the length.
  CHECK(data::read_audio(files(wav(1, 1, 16, data, 8000, 0xFFFFFFFF))).samples.numel() == 2);
  const std::string whole = wav(1, 1, 16, std::string(1000, '\1'));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    CAPTURE(size);
    CHECK(read_error(files(whole.substr(0, size))) != "");
  }
}

TEST_CASE("audio: damaged files are read or refused") {
  const Files files;
  std::string pcm;
  for (int i = 0; i < 200; ++i) pcm += bytes_of(static_cast<std::int16_t>(100 * i));
  // Not of Ogg Vorbis: of headers that it refuses, libsndfile 1.2 leaks a few kilobytes each.
  const std::string originals[] = {wav(1, 2, 16, pcm), wav(0xFFFE, 1, 16, pcm),
                                   test::read_file(test::directory() / "golden" / "tone_audio.flac")};
  const RandomStream stream(1, 0);
  int refused = 0, read = 0;
  for (std::uint64_t round = 0; round < 600; ++round) {
    std::string bytes = originals[round % 3];
    const auto reach = std::min<std::int64_t>(static_cast<std::int64_t>(bytes.size()), 100);
    for (std::uint64_t change = 0; change < 1 + round % 3; ++change)
      bytes[static_cast<std::size_t>(stream.integer(8 * round + 2 * change, 0, reach))] =
          static_cast<char>(stream.integer(8 * round + 2 * change + 1, 0, 256));
    const std::string path = files(bytes);
    try {
      const data::Audio audio = data::read_audio(path);
      CHECK(audio.samples.numel() > 0);
      ++read;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::io);
      CHECK(std::string(error.what()).rfind(path + ": ", 0) == 0);
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK(read > 0);
}
