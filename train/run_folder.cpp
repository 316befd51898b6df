#include "saw/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"

namespace saw::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = "run.lock";

std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_with(const std::string& path, const char* what, int error) {
  if (error == ENOSPC || error == EDQUOT)
    fail(ErrorKind::io, "{}: the disk is full; {}; make room or choose another folder", path, describe(error));
  fail(ErrorKind::io, "{}: {}; {}", path, what, describe(error));
}

bool is_same_file(int descriptor, const std::string& path) {
  struct stat open {
  }, named{};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

// Whose lock it is, for the message; nothing depends on it.
std::string holder(int descriptor) {
  char text[32] = {};
  const ssize_t count = ::pread(descriptor, text, sizeof text - 1, 0);
  const long process = count > 0 ? std::strtol(text, nullptr, 10) : 0;
  return process > 0 ? fmt::format("process {}", process) : "another process";
}

void write_holder(int descriptor, const std::string& path) {
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    fail_with(path, "cannot be written", errno);
}

}  // namespace

RunFolder::RunFolder(const std::string& path) : path_(path) {
  if (path.empty()) fail(ErrorKind::io, "\"\": the name of the run's folder is empty");
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  acquire();
}

RunFolder::~RunFolder() { release(); }

std::string RunFolder::file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

void RunFolder::acquire() {
  data::make_directories(path_);
  const std::string name = file(lock_name);
  for (;;) {
    lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock_ < 0) fail_with(path_, "cannot be written", errno);
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const std::string who = holder(lock_);
      ::close(std::exchange(lock_, -1));
      fail(ErrorKind::io, "{}: the folder is in use by another run ({}); wait for it, or choose another folder", path_,
           who);
    }  // a file system without locks has none to respect
    if (is_same_file(lock_, name)) break;
    ::close(std::exchange(lock_, -1));  // its holder removed it in the meantime: what we have locked is no longer there
  }
  try {
    write_holder(lock_, path_);
  } catch (...) {
    release();
    throw;
  }
  data::remove_abandoned_files(path_);
  if (const std::string checkpoints = file("checkpoints"); fs::is_directory(checkpoints))
    data::remove_abandoned_files(checkpoints);
}

void RunFolder::release() noexcept {
  if (lock_ < 0) return;
  if (is_in_place()) ::unlink((path_ + "/" + lock_name).c_str());  // under the lock, so it is ours
  ::close(std::exchange(lock_, -1));
}

bool RunFolder::is_in_place() const noexcept {
  try {
    return lock_ >= 0 && is_same_file(lock_, file(lock_name));
  } catch (const std::exception&) {
    return false;
  }
}

bool RunFolder::restore() {
  if (is_in_place()) return false;
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
  acquire();
  return true;
}

void RunFolder::check_room(std::uint64_t bytes) const {
  const std::string name = file(fmt::format("room.tmp.{}.0", ::getpid()));
  const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) fail_with(path_, "cannot be written", errno);
  const int result = ::fallocate(descriptor, 0, 0, static_cast<off_t>(std::max<std::uint64_t>(bytes, 1)));
  const int error = result == 0 ? 0 : errno;
  ::unlink(name.c_str());
  ::close(descriptor);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    fail(ErrorKind::io,
         "{}: no room for {:.1f} MB, which a checkpoint and the model need; {}; make room or choose another folder",
         path_, static_cast<double>(bytes) / 1e6, describe(error));
}

}  // namespace saw::train
