#include "saw/train/run_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "support/errors.h"
#include "support/files.h"

namespace fs = std::filesystem;
using saw::ErrorKind;
using saw::train::RunFolder;

TEST_CASE("run folder: it is made, one run has it, and nothing of the lock remains") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "deep" / "run").string();
  {
    const RunFolder folder(path + "//");
    CHECK(folder.path() == path);
    CHECK(folder.file("model.safetensors") == path + "/model.safetensors");
    CHECK(folder.is_in_place());
    const std::string text = test::error_text(ErrorKind::io, [&] { RunFolder second(path); });
    CHECK(text == path + ": the folder is in use by another run (process " + std::to_string(::getpid()) +
                      "); wait for it, or choose another folder");
  }
  CHECK(fs::is_empty(path));
  const RunFolder again(path);
}

TEST_CASE("run folder: another process is refused, and the lock of a killed one is free") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run").string();
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolder folder(path);
    [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  const std::string text = test::error_text(ErrorKind::io, [&] { RunFolder folder(path); });
  CHECK(text.find("process " + std::to_string(child)) != std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(fs::exists(path + "/run.lock"));
  const RunFolder folder(path);
  CHECK(folder.is_in_place());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("run folder: temporaries of killed runs are swept, and nothing else") {
  const test::TemporaryDirectory directory;
  fs::create_directories(directory / "checkpoints" / "deeper.tmp.1.0");
  const auto left = {"model.safetensors.tmp.17.0", "checkpoints/step-000000005.safetensors.tmp.123456.12", "a.tmp.1.2"};
  const auto kept = {"model.safetensors", "a.tmp.1",       "a.tmp.x.1", "a.tmp.1.",
                     "notes.tmp",         "a.tmp.1.2.txt", "tmp.1.2",   "a-tmp.1.2"};
  for (const char* name : left) test::write_file(directory / name, "x");
  for (const char* name : kept) test::write_file(directory / name, "x");
  const RunFolder folder(directory.path().string());
  for (const char* name : left) CHECK(!fs::exists(directory / name));
  for (const char* name : kept) CHECK(fs::exists(directory / name));
  CHECK(fs::is_directory(directory / "checkpoints" / "deeper.tmp.1.0"));
}

TEST_CASE("run folder: one that is removed or moved is noticed and made again") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "run").string();
  RunFolder folder(path);
  CHECK(!folder.restore());
  for (const bool is_moved : {false, true}) {
    if (is_moved)
      fs::rename(path, path + "2");
    else
      fs::remove_all(path);
    CHECK(!folder.is_in_place());
    CHECK(folder.restore());
    CHECK(folder.is_in_place());
    CHECK(fs::is_directory(path));
    CHECK(test::kind_of([&] { RunFolder second(path); }) == ErrorKind::io);
  }
  // One that somebody else has by now is theirs.
  fs::remove_all(path);
  const RunFolder theirs(path);
  CHECK(test::error_text([&] { folder.restore(); }).find("in use by another run") != std::string::npos);
  CHECK(theirs.is_in_place());
}

TEST_CASE("run folder: what cannot be written is one clear line at the start") {
  const test::TemporaryDirectory directory;
  test::write_file(directory / "file", "x");
  for (const std::string& path : {std::string(), (directory / "file").string(), (directory / "file" / "run").string(),
                                  std::string("/proc/run"), std::string("/sys/kernel")}) {
    CAPTURE(path);
    const std::string text = test::error_text(ErrorKind::io, [&] { RunFolder folder(path); });
    CHECK(text.rfind(path.empty() ? "\"\"" : path, 0) == 0);
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("run folder: room that is not there") {
  const test::TemporaryDirectory directory;
  const RunFolder folder(directory.path().string());
  folder.check_room(100000);
  folder.check_room(0);
  const std::string text = test::error_text(ErrorKind::io, [&] { folder.check_room(std::uint64_t{1} << 60); });
  CHECK(text.rfind(folder.path() + ": no room for ", 0) == 0);
  CHECK(fs::exists(directory / "run.lock"));
  CHECK(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}
