// Event files: the frame byte by byte, what was written read back, resumed runs, and TensorBoard's own opinion.

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "saw/autograd/ops/creation.h"
#include "saw/train/event_file.h"
#include "saw/train/internal/protobuf.h"
#include "saw/train/internal/tfrecord.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using train::EventFile;
using train::EventValue;
using train::read_events;

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

void write_some(EventFile& events, std::int64_t first, std::int64_t last) {
  for (std::int64_t step = first; step <= last; ++step) {
    events.scalar("loss/train", step, 1.0 / static_cast<double>(step));
    if (step % 2 == 0) events.text("note", step, "step *two*");
  }
}

std::vector<std::int64_t> steps_of(const std::string& path) {
  std::vector<std::int64_t> steps;
  for (const train::Event& event : read_events(path)) steps.push_back(event.step);
  return steps;
}

/// What a command prints; nothing where it fails.
std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::array<char, 4096> piece{};
  for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    output.append(piece.data(), got);
  return pclose(pipe) == 0 ? output : std::string();
}

}  // namespace

TEST_CASE("CRC-32C as in RFC 3720") {
  CHECK(train::crc32c("") == 0);
  CHECK(train::crc32c("123456789") == 0xE3069283U);
  CHECK(train::crc32c(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(train::crc32c(std::string(32, '\xff')) == 0x62A8AB43U);
}

TEST_CASE("protobuf as its specification shows it") {
  CHECK(train::ProtobufWriter().varint(1, 150).text() == bytes({0x08, 0x96, 0x01}));
  CHECK(train::ProtobufWriter().bytes(2, "testing").text() == bytes({0x12, 0x07}) + "testing");
  CHECK(train::ProtobufWriter().integer(1, -2).text() ==
        bytes({0x08, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}));
  CHECK(train::ProtobufWriter().float32(2, 1.0F).text() == bytes({0x15, 0, 0, 0x80, 0x3F}));
  CHECK(train::ProtobufWriter().float64(1, 1.0).text() == bytes({0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F}));
  for (const std::string& broken : {bytes({0x08}), bytes({0x08, 0x80}), bytes({0x12, 0x05, 'a'}), bytes({0x09, 0, 0}),
                                    bytes({0x0B}), bytes({0x00, 0x00}), bytes({0x15, 0})}) {
    train::ProtobufReader reader(broken);
    CHECK(test::kind_of([&] { reader.next(); }) == ErrorKind::io);
  }
  const std::string number = bytes({0x08, 0x01});
  train::ProtobufReader reader(number);
  REQUIRE(reader.next());
  CHECK(reader.integer() == 1);
  CHECK(test::kind_of([&] { reader.bytes(); }) == ErrorKind::io);
  CHECK_FALSE(reader.next());
}

TEST_CASE("what was written is read back") {
  const test::TemporaryDirectory directory;
  EventFile events((directory / "a" / "b").string());
  events.scalar("loss/train", 1, 0.25);
  events.scalar("loss/train", std::int64_t{1} << 40, std::numeric_limits<double>::quiet_NaN());
  events.text("note", 0, "# Grüße\n\n*saw*");
  events.histogram("weights", 3, tensor({0.0, 1.0, 2.0, 4.0, std::numeric_limits<double>::infinity()}), 4);
  events.histogram("constant", 3, full({5}, 2.0));
  events.histogram("none", 3, zeros({0}));
  events.histogram("wide", 3, tensor(std::vector<double>{-1.7e308, 1.7e308}, {2}), 2);
#ifndef SAW_WITHOUT_AUDIO
  const std::size_t images = 2;
  events.image("picture", 4, full({2, 3}, 0.5));
  events.image("colours", 4, full({2, 3, 3}, 2.0));
#else
  const std::size_t images = 0;
  CHECK(test::kind_of([&] { events.image("picture", 4, full({2, 3}, 0.5)); }) == ErrorKind::argument);
#endif
  const std::vector<train::Event> all = read_events(events.path());
  REQUIRE(all.size() == 8 + images);
  CHECK(all[0].file_version == "brain.Event:2");
  CHECK(all[0].wall_time > 1.6e9);
  CHECK(all[1].step == 1);
  REQUIRE(all[1].values.size() == 1);
  CHECK(all[1].values[0].kind == EventValue::Kind::scalar);
  CHECK(all[1].values[0].tag == "loss/train");
  CHECK(all[1].values[0].scalar == 0.25F);
  CHECK(all[2].step == std::int64_t{1} << 40);
  CHECK(std::isnan(all[2].values[0].scalar));
  CHECK(all[3].values[0].kind == EventValue::Kind::text);
  CHECK(all[3].values[0].text == "# Grüße\n\n*saw*");
  const auto& histogram = all[4].values[0].histogram;
  CHECK(histogram.low == 0);
  CHECK(histogram.high == 4);
  CHECK(histogram.count == 4);
  CHECK(histogram.sum == 7);
  CHECK(histogram.sum_of_squares == 21);
  CHECK(histogram.limits == std::vector<double>{1, 2, 3, 4});
  CHECK(histogram.counts == std::vector<double>{2, 1, 0, 1});
  CHECK(all[5].values[0].histogram.counts == std::vector<double>{5});
  CHECK(all[6].values[0].histogram.count == 0);
  CHECK(all[7].values[0].histogram.counts == std::vector<double>{1, 1});
  if (images > 0) {
    CHECK(all[8].values[0].kind == EventValue::Kind::image);
    CHECK(all[8].values[0].height == 2);
    CHECK(all[8].values[0].width == 3);
    CHECK(all[8].values[0].png.substr(1, 3) == "PNG");
  }
  CHECK(test::kind_of([&] { events.histogram("h", 1, zeros({2}), 0); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { events.image("i", 1, zeros({2, 2, 2})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { events.image("i", 1, zeros({2, 2}, int64)); }) == ErrorKind::dtype);
  EventFile nowhere("");
  nowhere.scalar("loss", 1, 1.0);
  CHECK(nowhere.path().empty());
}

TEST_CASE("a resumed run has each step once, wherever it was cut off") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "run").string();
  std::string path, whole;
  {
    EventFile events(folder);
    write_some(events, 1, 4);
    path = events.path();
    whole = test::read_file(path);
  }
  CHECK(test::error_text(ErrorKind::io, [&] { EventFile events(folder); }).find("exists already") != std::string::npos);
  {
    EventFile events(folder, {.resume_step = 2});
    write_some(events, 3, 5);
  }
  CHECK(steps_of(path) == std::vector<std::int64_t>{0, 1, 2, 2, 3, 4, 4, 5});
  for (std::size_t size = 0; size <= whole.size(); ++size) {  // a writer killed after every byte
    test::write_file(path, whole.substr(0, size));
    EventFile events(folder, {.resume_step = 9});
    events.scalar("after", 10, 1.0);
    const auto all = read_events(path);
    CHECK(all.front().file_version == "brain.Event:2");
    CHECK(all.back().step == 10);
  }
  test::write_file(path, whole);
  { const EventFile unused(folder, {.replace = true}); }
  CHECK(test::read_file(path) == whole);
  {
    EventFile events(folder, {.replace = true});
    events.scalar("loss", 1, 1.0);
  }
  CHECK(steps_of(path) == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("what is broken or foreign is refused and left alone") {
  const test::TemporaryDirectory directory;
  const std::string folder = directory.path().string();
  std::string path;
  {
    EventFile events(folder);
    write_some(events, 1, 3);
    path = events.path();
  }
  const std::string whole = test::read_file(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {  // one wrong bit, anywhere
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    test::write_file(path, broken);
    CHECK(test::kind_of([&] { read_events(path); }) == ErrorKind::io);
    CHECK(test::kind_of([&] { EventFile events(folder, {.resume_step = 9}); }) == ErrorKind::io);
    CHECK(test::read_file(path) == broken);
  }
  test::write_file(path, "short text");
  CHECK(test::kind_of([&] { EventFile events(folder, {.resume_step = 9}); }) == ErrorKind::io);
  test::write_file(path, train::tfrecord("no message"));
  CHECK(test::error_text(ErrorKind::io, [&] { read_events(path); }).find("byte 0: ") != std::string::npos);
  test::write_file(path, train::tfrecord(train::ProtobufWriter().integer(2, 1).text()));
  CHECK(test::error_text(ErrorKind::io, [&] {
          EventFile events(folder, {.replace = true});
        }).find("not an event file") != std::string::npos);
  CHECK(test::kind_of([&] { read_events("/nowhere"); }) == ErrorKind::io);
  CHECK(test::kind_of([&] { EventFile events(path); }) == ErrorKind::io);  // a file where the folder should be
}

TEST_CASE("TensorBoard reads the events") {
  const char* configured = std::getenv("SAW_PYTHON");
  const std::string python = configured != nullptr ? configured : "python3";
  if (output_of(python + " -c 'import tensorboard; print(1)' 2>/dev/null").empty()) {
    MESSAGE("skipped: no Python with tensorboard; SAW_PYTHON can name one");
    return;
  }
  const test::TemporaryDirectory directory;
  {
    EventFile events(directory.path().string());
    write_some(events, 1, 3);
    events.histogram("weights", 3, tensor({0.0, 1.0, 4.0}), 2);
    events.image("picture", 3, full({2, 3}, 0.5));
  }
  {
    EventFile events(directory.path().string(), {.resume_step = 3});
    write_some(events, 4, 4);
  }
  const std::string script = (test::directory() / "golden" / "read_events.py").string();
  const std::string output = output_of(python + " '" + script + "' '" + directory.path().string() + "' 2>/dev/null");
  REQUIRE_FALSE(output.empty());
  const auto found = nlohmann::json::parse(output);
  CHECK(found.at("file_version") == 2.0);
  CHECK(found.at("steps") == nlohmann::json({0, 1, 2, 2, 3, 3, 3, 4, 4}));
  const auto& loss = found.at("scalars").at("loss/train");
  REQUIRE(loss.size() == 4);
  CHECK(loss[1][0] == 2);
  CHECK(loss[1][1] == "0.5");
  CHECK(found.at("plugins").at("note") == "text");
  CHECK(found.at("texts").at("note") == nlohmann::json::parse(R"([[2, ["step *two*"]], [4, ["step *two*"]]])"));
  CHECK(found.at("histograms").at("weights") == nlohmann::json::parse("[[3, 3.0, [2.0, 4.0], [2.0, 1.0]]]"));
  CHECK(found.at("images").at("picture")[0][1] == 2);
  CHECK(found.at("images").at("picture")[0][2] == 3);
}
