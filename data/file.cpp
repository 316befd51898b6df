#include "saw/data/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

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

constexpr std::string_view temporary_mark = ".tmp.";

/// Where a name that AtomicFile gave ends being that of its target: "x.txt" of "x.txt.tmp.123.0"; 0 for other names.
std::size_t end_of_target(std::string_view name) {
  const std::size_t mark = name.rfind(temporary_mark);
  if (mark == name.npos) return 0;
  const std::string_view numbers = name.substr(mark + temporary_mark.size());
  const std::size_t point = numbers.find('.');
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  if (point == numbers.npos || !is_number(numbers.substr(0, point)) || !is_number(numbers.substr(point + 1))) return 0;
  return mark;
}

/// Removes a temporary file unless someone writes to it. Whoever made it in this moment and has not locked it yet sees
/// that it is gone, and makes another.
bool remove_abandoned(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return false;
  struct stat status {};
  const bool removed = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                       ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
  ::close(descriptor);
  return removed;
}

/// The temporary files that lay in a directory when this process first wrote there, by their targets. Reading a
/// directory for each file would take time in the square of their number.
class Leftovers {
 public:
  std::vector<std::string> take(const std::string& target) {
    const std::lock_guard lock(mutex_);
    const std::string directory = directory_of(target);
    const auto [place, is_new] = of_directory_.try_emplace(directory);
    if (is_new) {
      std::error_code error;
      std::filesystem::directory_iterator entry(directory, error);
      for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (const std::size_t end = end_of_target(name)) place->second.emplace(name.substr(0, end), name);
      }
    }
    std::vector<std::string> paths;
    const std::size_t slash = target.rfind('/');
    const auto range = place->second.equal_range(slash == target.npos ? target : target.substr(slash + 1));
    for (auto name = range.first; name != range.second; ++name) paths.push_back(directory + "/" + name->second);
    place->second.erase(range.first, range.second);
    return paths;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::multimap<std::string, std::string>> of_directory_;
};

void sweep(const std::string& target) {
  static Leftovers leftovers;
  for (const std::string& path : leftovers.take(target)) remove_abandoned(path);
}

/// Locks a fresh file; false where a sweep came between and it is gone. Not every file system has locks: without them
/// nothing is swept either.
bool lock_fresh(int descriptor) {
  struct stat status {};
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  return ::fstat(descriptor, &status) != 0 || status.st_nlink > 0;
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
  sweep(target_);
  static std::atomic<unsigned> count{0};
  for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
    temporary_ = fmt::format("{}.tmp.{}.{}", target_, ::getpid(), count++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
    if (descriptor_ >= 0 && !lock_fresh(descriptor_)) {
      ::close(std::exchange(descriptor_, -1));
      errno = EEXIST;
    }
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
  // Renamed before it is closed: closing lets go of the lock that keeps others from removing it.
  if (error == 0 && std::rename(temporary_.c_str(), target_.c_str()) != 0) error = errno;
  if (error != 0) {
    discard();
    fail_to("write", path_, error);
  }
  temporary_.clear();
  ::close(std::exchange(descriptor_, -1));
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
  constexpr std::size_t piece = 1 << 16;
  try {
    result.reserve(file.size() + 1);  // one more, so that the end is seen without growing
  } catch (const std::exception&) {   // bad_alloc and length_error say neither what nor how much
    fail(ErrorKind::io, "{}: the file is too large for this machine's memory; {} bytes", path, file.size());
  }
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

std::int64_t remove_abandoned_files(const std::string& directory) {
  std::vector<std::string> paths;  // first: what a directory lists while it changes is not certain
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    if (end_of_target(entry->path().filename().string()) > 0) paths.push_back(entry->path().string());
  if (error) fail(ErrorKind::io, "{}: cannot read the folder; {}", directory, error.message());
  return std::count_if(paths.begin(), paths.end(), remove_abandoned);
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
