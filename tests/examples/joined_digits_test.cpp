// Strings of digits joined from recordings, and the tables that they come from.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <saw/saw.h>

#include <cmath>
#include <set>
#include <string>

#include "../../examples/joined_digits.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
using namespace saw::examples;

namespace {

/// Two speakers say all digits twice, as sounds whose samples are all the same: (digit + 1) / 32, and half of that for
/// the second speaker. How long a recording is tells which it is.
struct Recordings : test::TemporaryDirectory {
  std::string rows = "path\tspeaker\tsplit\tseconds\tdigit\n";

  Recordings() {
    for (int i = 0; i < 40; ++i) {
      const int digit = i % 10, take = i / 10 % 2;
      const char* speaker = i < 20 ? "ann" : "bob";
      const std::string name = fmt::format("{}_{}_{}.wav", digit, speaker, take);
      data::write_wav((*this / name).string(), {full({800 + 10 * i}, (digit + 1) / (i < 20 ? 32.0 : 64.0)), 8000});
      rows += fmt::format("{}\t{}\t{}\t0.1\t{}\n", name, speaker, take == 0 ? "train" : "test", digit);
    }
    write(rows);
  }
  std::string manifest() const { return (*this / "manifest.tsv").string(); }
  void write(const std::string& text) const { test::write_file(manifest(), text); }
};

std::string refused(const Recordings& files) {
  return test::error_text(ErrorKind::io, [&] { read_digits(files.manifest()); });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("joined digits: boundaries are where the recordings lie, pauses between them, one speaker") {
  const Recordings files;
  const DigitRecordings recordings = read_digits(files.manifest());
  REQUIRE(recordings.recordings.size() == 40);
  CHECK(recordings.of_split("train").size() == 20);
  const JoinedDigits strings(recordings, recordings.of_split("test"), {.noise = 1e-4});
  std::set<std::int64_t> counts;
  std::set<std::string> speakers;
  std::set<std::int64_t> said;
  for (std::int64_t number = 0; number < 60; ++number) {
    const JoinedString joined = strings(number);
    const auto samples = joined.audio.samples.to_vector<float>();
    REQUIRE(joined.audio.sample_rate == 8000);
    REQUIRE(joined.begins.size() == joined.digits.size());
    REQUIRE(joined.ends.size() == joined.digits.size());
    counts.insert(std::ssize(joined.digits));
    speakers.insert(joined.speaker);
    std::vector<double> expected(samples.size(), 0.0);
    std::int64_t before = 0;
    for (std::size_t i = 0; i < joined.digits.size(); ++i) {
      said.insert(joined.digits[i]);
      const std::int64_t length = joined.ends[i] - joined.begins[i];
      // A test recording of this digit and speaker, whole.
      const std::int64_t recording = joined.digits[i] + 10 + (joined.speaker == "bob" ? 20 : 0);
      CHECK(length == 800 + 10 * recording);
      CHECK(joined.begins[i] - before >= 160);
      CHECK(joined.begins[i] - before <= 1280);
      for (std::int64_t k = joined.begins[i]; k < joined.ends[i]; ++k)
        expected[static_cast<std::size_t>(k)] =
            static_cast<double>(joined.digits[i] + 1) / (joined.speaker == "ann" ? 32 : 64);
      before = joined.ends[i];
    }
    CHECK(std::ssize(samples) - before >= 160);
    CHECK(std::ssize(samples) - before <= 1280);
    double worst = 0, power = 0;
    for (std::size_t k = 0; k < samples.size(); ++k) {
      const double noise = static_cast<double>(samples[k]) - expected[k];
      worst = std::max(worst, std::abs(noise));
      power += noise * noise;
    }
    CHECK(worst < 1e-3);  // noise, and rounding to 16 bits
    CHECK(std::sqrt(power / static_cast<double>(samples.size())) == doctest::Approx(1e-4).epsilon(0.1));
  }
  CHECK(counts == std::set<std::int64_t>{3, 4, 5, 6, 7});
  CHECK(speakers == std::set<std::string>{"ann", "bob"});
  CHECK(said.size() == 10);
}

TEST_CASE("joined digits: a string depends on seed and number alone") {
  const Recordings files;
  const DigitRecordings recordings = read_digits(files.manifest());
  const auto numbers = recordings.of_split("train");
  const JoinedDigits strings(recordings, numbers, {.seed = 3}), again(recordings, numbers, {.seed = 3}),
      other(recordings, numbers, {.seed = 4});
  for (std::int64_t number = 0; number < 5; ++number) strings(number);
  const JoinedString a = strings(7), b = again(7);
  CHECK(test::same_bits(a.audio.samples, b.audio.samples));
  CHECK(a.digits == b.digits);
  CHECK(a.begins == b.begins);
  CHECK(a.ends == b.ends);
  CHECK_FALSE(test::same_bits(a.audio.samples, other(7).audio.samples));
  CHECK_FALSE(test::same_bits(a.audio.samples, strings(8).audio.samples));
  CHECK(test::error_text(ErrorKind::argument, [&] { JoinedDigits(recordings, {}); }) ==
        "JoinedDigits: no recordings to join");
}

TEST_CASE("joined digits: recordings of other rates are brought to one") {
  const Recordings files;
  data::write_wav((files / "0_ann_0.wav").string(), {zeros({3200}), 16000});
  const DigitRecordings recordings = read_digits(files.manifest());
  CHECK(recordings.recordings[0].samples.numel() == 1600);
  CHECK(read_digits(files.manifest(), {.sample_rate = 16000}).recordings[1].samples.numel() == 1620);
}

TEST_CASE("joined digits: what cannot be used is named with file and line, or left out and listed") {
  const Recordings files;
  const std::string at_42 = files.manifest() + ":42: ";
  const auto bad_row = [&](const std::string& row, const std::string& message) {
    files.write(files.rows + row + "\n");
    const std::string text = refused(files);
    CAPTURE(text);
    CHECK(text.starts_with(at_42 + message));
    const DigitRecordings rest = read_digits(files.manifest(), {.skip_bad = true});
    CHECK(rest.recordings.size() == 40);
    REQUIRE(rest.skipped.size() == 1);
    CHECK(rest.skipped[0] == text);
  };
  bad_row("x.wav\tann\ttrain\t0.1\t10", "column \"digit\": is not a digit from 0 to 9; got \"10\"");
  bad_row("x.wav\tann\ttrain\t0.1\t-1", "column \"digit\": is not a digit from 0 to 9; got \"-1\"");
  bad_row("x.wav\tann\ttrain\t0.1\tfive", "column \"digit\": ");
  bad_row("x.wav\tann\tvalid\t0.1\t1", "column \"split\": is neither train, dev nor test; got \"valid\"");
  bad_row("x.wav\t\ttrain\t0.1\t1", "column \"speaker\": is empty");
  bad_row("0_ann_0.wav\tann\ttrain\t0.1\t0", "column \"path\": is on line 2 already");
  bad_row("nowhere.wav\tann\ttrain\t0.1\t0", files.path().string() + "/nowhere.wav: ");
  test::write_file(files / "text.wav", "no sound");
  bad_row("text.wav\tann\ttrain\t0.1\t0", files.path().string() + "/text.wav: ");

  files.write("path\tspeaker\tsplit\nx.wav\tann\ttrain\n");
  CHECK(has(refused(files), files.manifest() + ":1: "));
  CHECK(has(refused(files), "digit"));
  files.write("path\tspeaker\tsplit\tdigit\nnowhere.wav\tann\ttrain\t1\n");
  CHECK(test::error_text(ErrorKind::io, [&] { read_digits(files.manifest(), {.skip_bad = true}); }) ==
        files.manifest() + ": has no recordings");
  files.write(files.rows);
  const DigitRecordings recordings = read_digits(files.manifest());
  CHECK(test::error_text(ErrorKind::io, [&] { recordings.of_split("dev"); }) ==
        files.manifest() + ": has no recordings whose split is dev");
}
