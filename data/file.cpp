#include "saw/data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "saw/autograd/base/internal/check.h"

namespace saw {
namespace data {
namespace {

// The message names the error in words: std::strerror may share its buffer between threads, this does not.
std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_to(const char* what, const std::string& path, int error) {
  fail(ErrorKind::io, "{}: cannot {}; {}", path, what, describe(error));
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A rename survives a power failure only when the directory has been written too. Not every file system can do that;
// the file itself is complete either way.
void sync_directory(const std::string& directory) noexcept {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(path) {
  if (path.empty()) fail(ErrorKind::io, "\"\": cannot write; the path is empty");
  mode_t mode = 0;
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) fail(ErrorKind::io, "{}: cannot write; it is a directory", path);
    // Renaming onto a device or a pipe would replace it by a file.
    if (!S_ISREG(status.st_mode)) fail(ErrorKind::io, "{}: cannot write; it is not a regular file", path);
    mode = status.st_mode & 07777;
    const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr), std::free);
    if (resolved) target_ = resolved.get();
  }
  static std::atomic<unsigned> count{0};
  for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
    temporary_ = fmt::format("{}.tmp.{}.{}", target_, ::getpid(), count++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail_to("write", path, error);
  }
  if (mode != 0) static_cast<void>(::fchmod(descriptor_, mode));  // best effort: the file's owner may be someone else
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  if (descriptor_ < 0) fail(ErrorKind::internal, "{}: write after commit", path_);
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (written < 0) {
      const int error = errno;
      if (error == EINTR) continue;
      discard();
      fail_to("write", path_, error);
    }
    next += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) fail(ErrorKind::internal, "{}: committed twice", path_);
  int error = ::fsync(descriptor_) == 0 ? 0 : errno;
  if (error == EINVAL || error == ENOTSUP) error = 0;  // a file system that cannot sync
  if (::close(descriptor_) != 0 && error == 0) error = errno;
  descriptor_ = -1;
  if (error == 0 && std::rename(temporary_.c_str(), target_.c_str()) != 0) error = errno;
  if (error != 0) {
    discard();
    fail_to("write", path_, error);
  }
  temporary_.clear();
  sync_directory(directory_of(target_));
}

InputFile::InputFile(const std::string& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_to("read", path, errno);
  struct stat status {};
  int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error != 0) {
    ::close(descriptor_);
    fail_to("read", path, error);
  }
  regular_ = S_ISREG(status.st_mode);
  size_ = regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
}

InputFile::~InputFile() { ::close(descriptor_); }

std::size_t InputFile::read_some(void* bytes, std::size_t count) {
  for (;;) {
    const ssize_t got = ::read(descriptor_, bytes, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail_to("read", path_, errno);
  }
}

void InputFile::read(void* bytes, std::size_t count) {
  char* next = static_cast<char*>(bytes);
  while (count > 0) {
    const std::size_t got = read_some(next, count);
    if (got == 0) fail(ErrorKind::io, "{}: the file ends too early; {} more bytes expected", path_, count);
    next += got;
    count -= got;
  }
}

std::string read_file(const std::string& path, std::uint64_t limit) {
  InputFile file(path);
  const auto check = [&](std::uint64_t size) {
    if (size > limit) fail(ErrorKind::io, "{}: the file is too large; more than {} bytes", path, limit);
  };
  check(file.size());
  std::string result;
  result.reserve(file.size() + 1);  // one more, so that the end is seen without growing
  constexpr std::size_t piece = 1 << 16;
  for (;;) {  // to the end, whatever the size was said to be: files in /proc and pipes say 0
    const std::size_t before = result.size();
    const std::size_t room = result.capacity() > before ? result.capacity() - before : piece;
    result.resize(before + room);
    const std::size_t got = file.read_some(result.data() + before, room);
    result.resize(before + got);
    check(result.size());
    if (got == 0) return result;
  }
}

void write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path, error) && !error)
    error = std::make_error_code(std::errc::not_a_directory);
  if (error) fail(ErrorKind::io, "{}: cannot make the directory; {}", path, error.message());
}

}  // namespace data
}  // namespace saw
