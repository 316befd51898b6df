// The file of metrics: nothing of an earlier run is lost by accident, and a resumed run has each step once.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <string>

#include "saw/train/metrics_file.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using train::MetricsFile;

namespace {

constexpr const char* three =
    "{\"run\":1}\n{\"step\":1,\"loss\":0.5}\n{\"step\":2}\n{\"note\":\"two\"}\n{\"step\":3}\n";

}  // namespace

TEST_CASE("records are lines of JSON, with null for what JSON does not have") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run.jsonl").string();
  {
    MetricsFile metrics(path);
    CHECK(test::read_file(path).empty());
    metrics.write({{"step", 1}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
    CHECK(test::read_file(path) == "{\"step\":1,\"loss\":null}\n");  // at once
    metrics.write({{"loss", -std::numeric_limits<double>::infinity()}, {"note", "a\n\"b\"\xff"}});
    metrics.write({});
  }
  CHECK(test::read_file(path) ==
        "{\"step\":1,\"loss\":null}\n{\"loss\":null,\"note\":\"a\\n\\\"b\\\"\xEF\xBF\xBD\"}\n{}\n");
  MetricsFile nowhere("");
  nowhere.write({{"step", 1}});
}

TEST_CASE("an existing file of metrics is refused, and replaced only when the first record comes") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run.jsonl").string();
  test::write_file(path, three);
  CHECK(test::error_text(ErrorKind::io, [&] { MetricsFile metrics(path); }).find("exists and is not empty") !=
        std::string::npos);
  CHECK(test::read_file(path) == three);
  { const MetricsFile unused(path, {.replace = true}); }
  CHECK(test::read_file(path) == three);
  MetricsFile metrics(path, {.replace = true});
  metrics.write({{"step", 7}});
  metrics.write({{"step", 8}});
  CHECK(test::read_file(path) == "{\"step\":7}\n{\"step\":8}\n");

  test::write_file(directory / "empty", "");
  MetricsFile({(directory / "empty").string()}).write({{"step", 1}});
  CHECK(test::read_file(directory / "empty") == "{\"step\":1}\n");
}

TEST_CASE("a file that holds something else is never touched") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "corpus.conllu").string();
  for (const std::string text :
       {"1\tI\tI\tPRON\n", "half a line", "[1, 2]\n", "{\"step\":1}\nno record\n{\"step\":2}\n"}) {
    test::write_file(path, text);
    CAPTURE(text);
    for (const bool resume : {false, true}) {
      train::MetricsFileOptions options{.replace = true};
      if (resume) options.resume_step = 1;
      CHECK(test::error_text(ErrorKind::io, [&] { MetricsFile metrics(path, options); }).find("not a record") !=
            std::string::npos);
      CHECK(test::read_file(path) == text);
    }
  }
}

TEST_CASE("a resumed run has each step once") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run.jsonl").string();
  const auto resumed = [&](const std::string& before, std::int64_t step) {
    test::write_file(path, before);
    MetricsFile metrics(path, {.resume_step = step});
    metrics.write({{"step", step + 1}});
    return test::read_file(path);
  };
  CHECK(resumed(three, 2) ==
        "{\"run\":1}\n{\"step\":1,\"loss\":0.5}\n{\"step\":2}\n{\"note\":\"two\"}\n{\"step\":3}\n");
  CHECK(resumed(three, 1) == "{\"run\":1}\n{\"step\":1,\"loss\":0.5}\n{\"step\":2}\n");
  CHECK(resumed(three, 0) == "{\"run\":1}\n{\"step\":1}\n");
  CHECK(resumed(three, 3) == std::string(three) + "{\"step\":4}\n");
  // A record that was cut off, wherever; one that lacks its line end alone is kept.
  CHECK(resumed("{\"step\":1}\n{\"ste", 1) == "{\"step\":1}\n{\"step\":2}\n");
  CHECK(resumed("{\"step\":1}\n{\"step\":2}", 2) == "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
  CHECK(resumed("{\"step\":1}\n{\"step\":2}", 1) == "{\"step\":1}\n{\"step\":2}\n");
  CHECK(resumed(std::string("{\"step\":1}\n\0\0\0", 14), 1) ==
        "{\"step\":1}\n{\"step\":2}\n");  // after a power failure
  CHECK(resumed("", 4) == "{\"step\":5}\n");
  test::write_file(path, "{\"epoch\":1}\n{\"epoch\":2}\n");
  { const MetricsFile epochs(path, {.resume_step = 1, .step = "epoch"}); }
  CHECK(test::read_file(path) == "{\"epoch\":1}\n");
  std::filesystem::remove(path);
  { const MetricsFile none(path, {.resume_step = 5}); }
  CHECK_FALSE(std::filesystem::exists(path));  // made, never used, gone
}

TEST_CASE("a file of metrics that cannot be written") {
  const test::TemporaryDirectory directory;
  CHECK(test::error_text(ErrorKind::io, [&] {
          MetricsFile metrics(directory.path().string());
        }).find("cannot write; Is a directory") != std::string::npos);
  CHECK(test::error_text(ErrorKind::io, [&] {
          MetricsFile metrics((directory / "no" / "file").string());
        }).find("cannot write; No such file or directory") != std::string::npos);
  MetricsFile full("/dev/full");
  CHECK(test::error_text(ErrorKind::io, [&] { full.write({{"step", 1}}); }).find("No space left") != std::string::npos);
}

TEST_CASE("with standard output closed its text does not go into the file of metrics") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run.jsonl").string();
  const pid_t child = fork();
  if (child == 0) {
    ::close(STDOUT_FILENO);
    MetricsFile metrics(path);
    metrics.write({{"step", 1}});
    const bool none = ::write(STDOUT_FILENO, "text\n", 5) < 0;
    _exit(none ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(test::read_file(path) == "{\"step\":1}\n");
}
