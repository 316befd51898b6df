#include "saw/data/file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iterator>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;

namespace {

std::ptrdiff_t files_in(const std::filesystem::path& directory) {
  return std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator());
}

// No file may grow beyond `bytes` for a scope: a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &saved_);
    const rlimit limit{bytes, saved_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &saved_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit saved_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("file: what is written is read") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.bin";
  std::string bytes(300'000, 'x');
  bytes[7] = '\0';
  bytes[299'999] = '\xFF';
  data::write_file(path, bytes);
  CHECK((data::read_file(path) == bytes));
  data::write_file(path, "");
  CHECK(data::read_file(path).empty());
  CHECK(files_in(directory.path()) == 1);
}

TEST_CASE("file: nothing is seen before commit, and nothing is left without it") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.txt";
  data::write_file(path, "old");
  {
    data::AtomicFile file(path);
    file.write("new");
    CHECK(data::read_file(path) == "old");
    CHECK(files_in(directory.path()) == 2);
  }
  CHECK(data::read_file(path) == "old");
  CHECK(files_in(directory.path()) == 1);
  data::AtomicFile first(path), second(path);
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(data::read_file(path) == "first");
  CHECK(files_in(directory.path()) == 1);
  CHECK(test::error_text(ErrorKind::internal, [&] { first.write("more"); }) == path + ": write after commit");
}

TEST_CASE("file: a failed write leaves the old file and no other") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.txt";
  data::write_file(path, "old");
  {
    const FileSizeLimit limit(4096);
    CHECK(test::error_text(ErrorKind::io, [&] { data::write_file(path, std::string(100'000, 'x')); }) ==
          path + ": cannot write; File too large");
  }
  CHECK(data::read_file(path) == "old");
  CHECK(files_in(directory.path()) == 1);
}

TEST_CASE("file: links are followed and permissions kept") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.txt", link = directory / "link";
  data::write_file(path, "old");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  REQUIRE(symlink("a.txt", link.c_str()) == 0);
  data::write_file(link, "new");
  CHECK(data::read_file(path) == "new");
  CHECK(std::filesystem::is_symlink(link));
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("file: errors name the file and the reason") {
  const test::TemporaryDirectory directory;
  const std::string inside = directory.path(), missing = directory / "missing/a.txt", fifo = directory / "fifo";
  const auto read_error = [](const std::string& path) {
    return test::error_text(ErrorKind::io, [&] { data::read_file(path); });
  };
  const auto write_error = [](const std::string& path) {
    return test::error_text(ErrorKind::io, [&] { data::write_file(path, "x"); });
  };
  CHECK(read_error(missing) == missing + ": cannot read; No such file or directory");
  CHECK(read_error(inside) == inside + ": cannot read; Is a directory");
  CHECK(write_error(missing) == missing + ": cannot write; No such file or directory");
  CHECK(write_error(inside) == inside + ": cannot write; it is a directory");
  CHECK(write_error("") == "\"\": cannot write; the path is empty");
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(write_error(fifo) == fifo + ": cannot write; it is not a regular file");
  CHECK(write_error("/dev/null") == "/dev/null: cannot write; it is not a regular file");

  const std::string path = directory / "a.txt";
  data::write_file(path, "12345");
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_file(path, 4); }) ==
        path + ": the file is too large; more than 4 bytes");
  CHECK(data::read_file(path, 5) == "12345");
  char bytes[8];
  data::InputFile file(path);
  CHECK(file.size() == 5);
  CHECK(test::error_text(ErrorKind::io, [&] { file.read(bytes, 8); }) ==
        path + ": the file ends too early; 3 more bytes expected");
}

TEST_CASE("file: pipes and files of unknown size are read to their end") {
  CHECK_FALSE(data::read_file("/proc/self/status").empty());
  CHECK(data::read_file("/dev/null").empty());
  CHECK(test::error_text(ErrorKind::io, [] { data::read_file("/dev/zero", 1'000'000); }) ==
        "/dev/zero: the file is too large; more than 1000000 bytes");
}

TEST_CASE("file: directories") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a/b/c";
  data::make_directories(path);
  data::make_directories(path);
  CHECK(std::filesystem::is_directory(path));
  const std::string file = directory / "file";
  data::write_file(file, "x");
  CHECK(test::error_text(ErrorKind::io, [&] {
          data::make_directories(file);
        }).starts_with(file + ": cannot make the directory; "));
  CHECK(test::error_text(ErrorKind::io, [&] {
          data::make_directories(file + "/below");
        }).find(": cannot make the directory; ") != std::string::npos);
}

namespace {

// Runs `work` in a process of its own, which kills itself before it returns.
void in_killed_process(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

// A directory of its own process: what this one has seen of directories stays out of it.
int in_new_process(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

}  // namespace

TEST_CASE("file: what a killed process left is removed when its target is written again, and nothing else") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.txt", other = directory / "b.txt";
  test::write_file(path, "old");  // not by this process, which would have seen the directory
  in_killed_process([&] {
    data::AtomicFile file(path), second(path), of_other(other);
    file.write("half");
    kill(getpid(), SIGKILL);
  });
  test::write_file(directory / "a.txt.tmp.notes", "somebody's own");
  test::write_file(directory / "a.txt.tmp.1.2.3", "somebody's own");
  CHECK(files_in(directory.path()) == 6);
  CHECK(in_new_process([&] {
          data::write_file(path, "new");
          return true;
        }) == 0);
  CHECK(files_in(directory.path()) == 4);  // that of b.txt is still there
  CHECK(data::read_file(path) == "new");
  CHECK(data::remove_abandoned_files(directory.path()) == 1);
  CHECK(data::remove_abandoned_files(directory.path()) == 0);
  CHECK(files_in(directory.path()) == 3);
  CHECK(test::error_text(ErrorKind::io, [&] {
          data::remove_abandoned_files(directory / "missing");
        }).find(": cannot read the folder; ") != std::string::npos);
}

TEST_CASE("file: a temporary file that is being written to is nobody else's to remove") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.txt";
  data::AtomicFile file(path);
  file.write("first");
  CHECK(data::remove_abandoned_files(directory.path()) == 0);
  CHECK(in_new_process([&] {
          data::write_file(path, "second");
          return data::remove_abandoned_files(directory.path()) == 0;
        }) == 0);
  CHECK(data::read_file(path) == "second");
  file.write(" and more");
  file.commit();
  CHECK(data::read_file(path) == "first and more");
  CHECK(files_in(directory.path()) == 1);
}

TEST_CASE("file: processes that write and sweep one folder at once lose nothing") {
  const test::TemporaryDirectory directory;
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    bool good = true;
    for (int i = 0; i < 200 && good; ++i) {
      try {
        data::write_file(directory / std::to_string(i % 5), std::to_string(child));
        data::remove_abandoned_files(directory.path());
      } catch (const std::exception&) {
        good = false;
      }
    }
    _exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  CHECK(files_in(directory.path()) == 5);
}
