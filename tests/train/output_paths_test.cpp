#include "saw/train/output_paths.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "support/errors.h"
#include "support/files.h"

namespace fs = std::filesystem;
using saw::ErrorKind;
using saw::train::check_outputs;
using saw::train::is_same_file;

TEST_CASE("output paths: one file by several names") {
  const test::TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory / name).string(); };
  test::write_file(directory / "corpus", "text");
  fs::create_directory(directory / "sub");
  fs::create_symlink("corpus", directory / "link");
  fs::create_symlink("link", directory / "link2");
  fs::create_hard_link(directory / "corpus", directory / "hard");
  fs::create_directory_symlink(directory.path(), directory / "sub" / "up");
  fs::create_symlink("nothing", directory / "dangling");
  for (const char* same : {"corpus", "link", "link2", "hard", "sub/../corpus", "sub/up/corpus", "./corpus"})
    CHECK(is_same_file(path("corpus"), path(same)));
  CHECK(is_same_file(path("nothing"), path("dangling")));
  CHECK(is_same_file(path("nothing"), path("sub/up/nothing")));
  CHECK(!is_same_file(path("corpus"), path("nothing")));
  CHECK(!is_same_file(path("nothing"), path("nothing2")));

  CHECK(test::error_text(ErrorKind::argument, [&] {
          check_outputs({{"--dev", ""}, {"--train", path("corpus")}}, {{"--metrics", path("hard")}});
        }) == "--metrics: " + path("hard") + ": the same file as --train, which would be overwritten");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          check_outputs({}, {{"--metrics", path("nothing")}, {"--predict", path("dangling")}});
        }) == "--predict: " + path("dangling") + ": the same file as --metrics, which is written, too");
  check_outputs({{"--train", path("corpus")}, {"--dev", path("corpus")}},
                {{"--metrics", path("new")}, {"--predict", ""}, {"--report", ""}});
  check_outputs({}, {{"--metrics", "/dev/null"}, {"--predict", "/dev/null"}});
  CHECK(test::read_file(directory / "corpus") == "text");
  CHECK(!fs::exists(directory / "new"));
}

TEST_CASE("output paths: what cannot be written is said before it is tried") {
  const test::TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory / name).string(); };
  test::write_file(directory / "file", "text");
  const auto text = [&](const std::string& output) {
    return test::error_text(ErrorKind::io, [&] {
      check_outputs({}, {{"--metrics", output}}, {{"--save", path("run")}});
    });
  };
  CHECK(text(directory.path().string()).find("it is a folder") != std::string::npos);
  CHECK(text(path("none/metrics")).find("No such file") != std::string::npos);
  CHECK(text(path("file/metrics")).find("Not a directory") != std::string::npos);
  CHECK(text(path("runs/metrics")).find("No such file") != std::string::npos);
  check_outputs({}, {{"--metrics", path("run/metrics")}, {"--report", path("run/a/b")}}, {{"--save", path("run")}});
}

TEST_CASE("output paths: a fingerprint is of the content") {
  const test::TemporaryDirectory directory;
  test::write_file(directory / "a", "123456789");
  test::write_file(directory / "b", "123456789");
  CHECK(saw::train::fingerprint((directory / "a").string()) == "crc cbf43926, 9 bytes");  // CRC-32's check value
  CHECK(saw::train::fingerprint((directory / "b").string()) == "crc cbf43926, 9 bytes");
  // Of a folder names and sizes, by whatever path it is reached.
  const std::string folder = saw::train::fingerprint(directory.path().string());
  CHECK(saw::train::fingerprint((directory.path() / "." / "").string()) == folder);
  test::write_file(directory / "a", "987654321");
  CHECK(saw::train::fingerprint(directory.path().string()) == folder);
  test::write_file(directory / "a", "12345678");
  CHECK(saw::train::fingerprint(directory.path().string()) != folder);
  CHECK(test::kind_of([&] { saw::train::fingerprint((directory / "c").string()); }) == ErrorKind::io);
}

TEST_CASE("output paths: a folder of inputs keeps its files, a folder that is made is no file") {
  const test::TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory / name).string(); };
  fs::create_directory(directory / "data");
  test::write_file(directory / "data" / "metadata.json", "{}");
  const auto complaint = [&](const std::string& output) {
    return test::error_text(ErrorKind::argument, [&] {
      saw::train::check_outputs({{"--data", path("data")}}, {{"--predict", output}},
                                {{"--tensorboard", path("events")}});
    });
  };
  CHECK(complaint(path("data") + "/metadata.json") ==
        "--predict: " + path("data/metadata.json") + ": is part of --data, and would be overwritten");
  CHECK(complaint(path("events")) ==
        "--predict: " + path("events") + ": the same file as --tensorboard, a folder that is made");
  saw::train::check_outputs({{"--data", path("data")}}, {{"--predict", path("data") + "/new.csv"}}, {});
}
