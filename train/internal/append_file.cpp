#include "saw/train/internal/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "saw/autograd/base/internal/check.h"

namespace saw::train {
namespace {

[[noreturn]] void fail_to_write(const std::string& path, int error) {
  fail(ErrorKind::io, "{}: cannot write; {}", path, std::generic_category().message(error));
}

}  // namespace

AppendFile::AppendFile(const std::string& path) : path_(path) {
  if (path.empty()) fail(ErrorKind::io, "\"\": cannot write; the path is empty");
  struct stat before {};
  made_ = ::stat(path.c_str(), &before) != 0;
  const int opened = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (opened < 0) fail_to_write(path, errno);
  // In a program that was started with a closed standard stream this would be that stream, and get its text.
  descriptor_ = opened > STDERR_FILENO ? opened : ::fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  if (descriptor_ != opened) ::close(opened);
  if (descriptor_ < 0) fail_to_write(path, error);
  struct stat status {};
  regular_ = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  size_ = regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
}

AppendFile::~AppendFile() {
  ::close(descriptor_);
  if (made_ && regular_ && size_ == 0) ::unlink(path_.c_str());
}

void AppendFile::truncate(std::uint64_t size) {
  if (!regular_) return;
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail_to_write(path_, errno);
  size_ = size;
}

void AppendFile::append(std::string_view record) {
  for (std::string_view rest = record; !rest.empty();) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0) {
      const int error = errno;
      if (error == EINTR) continue;
      if (regular_) static_cast<void>(::ftruncate(descriptor_, static_cast<off_t>(size_)) == 0);  // best effort
      fail_to_write(path_, error);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  size_ += record.size();
}

}  // namespace saw::train
