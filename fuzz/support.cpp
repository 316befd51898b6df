#include "support.h"

#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/data/file.h"

namespace fuzz {
namespace {

// Bytes that malloc has given and not got back, and the most of them since the last reset.
std::atomic<std::ptrdiff_t> bytes_in_use{0};
std::atomic<std::ptrdiff_t> most_in_use{0};

void after_malloc(const volatile void*, std::size_t size) {
  const std::ptrdiff_t now = bytes_in_use += static_cast<std::ptrdiff_t>(size);
  std::ptrdiff_t most = most_in_use;
  while (now > most && !most_in_use.compare_exchange_weak(most, now)) {
  }
}

void before_free(const volatile void* memory) {
  if (memory != nullptr)
    bytes_in_use -= static_cast<std::ptrdiff_t>(__sanitizer_get_allocated_size(const_cast<const void*>(memory)));
}

// A file in memory, rewritten for every input.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("input", MFD_CLOEXEC)) { require(descriptor_ >= 0, "memfd_create failed"); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void write(const std::uint8_t* data, std::size_t size) {
    require(ftruncate(descriptor_, 0) == 0, "ftruncate failed");
    require(pwrite(descriptor_, data, size, 0) == static_cast<ssize_t>(size), "pwrite failed");
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

template <class T>
T number_at(const std::vector<std::uint8_t>& bytes, std::uint64_t position) {
  T value = 0;
  if (position <= bytes.size() && bytes.size() - position >= sizeof value)
    std::memcpy(&value, bytes.data() + position, sizeof value);
  return value;
}

}  // namespace

std::vector<std::uint8_t> with_right_checksums(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  constexpr std::size_t local_header = 30, directory_entry = 46;
  constexpr std::uint32_t in_extra_field = 0xFFFFFFFF;
  for (std::size_t at = 0; at + directory_entry <= size; ++at) {
    if (std::memcmp(bytes.data() + at, "PK\1\2", 4) != 0) continue;
    std::uint64_t length = number_at<std::uint32_t>(bytes, at + 24), offset = number_at<std::uint32_t>(bytes, at + 42);
    const std::uint64_t extra = at + directory_entry + number_at<std::uint16_t>(bytes, at + 28) + 4;
    if (length == in_extra_field) length = number_at<std::uint64_t>(bytes, extra);
    if (offset == in_extra_field) offset = number_at<std::uint64_t>(bytes, extra + 16);
    if (offset > size || size - offset < local_header) continue;
    const std::uint64_t begin = offset + local_header + number_at<std::uint16_t>(bytes, offset + 26) +
                                number_at<std::uint16_t>(bytes, offset + 28);
    if (begin > size || length > size - begin) continue;
    const auto checksum = static_cast<std::uint32_t>(crc32_z(0, bytes.data() + begin, length));
    std::memcpy(bytes.data() + at + 16, &checksum, sizeof checksum);
    const bool later = (number_at<std::uint16_t>(bytes, offset + 6) & 8) != 0;  // then the local header has none
    if (!later) std::memcpy(bytes.data() + offset + 14, &checksum, sizeof checksum);
  }
  return bytes;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

void run(const std::uint8_t* data, std::size_t size, MemoryBound bound,
         const std::function<void(const std::string& path)>& read) {
  static const bool prepared = [] {
    saw::set_cache_limit(0);  // so that every tensor is memory of its own, which the sanitizer watches
    return __sanitizer_install_malloc_and_free_hooks(after_malloc, before_free) != 0;
  }();
  require(prepared, "no room for the memory hooks");
  static MemoryFile file;
  file.write(data, size);
  const std::string path = file.path();

  const std::ptrdiff_t before = bytes_in_use;
  most_in_use = before;
  try {
    read(path);
  } catch (const saw::Error& error) {
    const std::string text = error.what();
    require(error.kind() == saw::ErrorKind::io, error.what());
    require(text.starts_with(path), error.what());
    require(text.find('\n') == std::string::npos, error.what());
  }
  const auto most = static_cast<std::size_t>(most_in_use - before);
  if (most > bound.factor * size + bound.constant) {
    std::fprintf(stderr, "fuzz: %zu bytes of memory for a file of %zu\n", most, size);
    std::abort();
  }
}

void touch(const saw::Tensor& tensor) {
  constexpr std::int64_t few = 1 << 16;
  if (tensor.numel() == 0) return;
  std::int64_t last = tensor.offset();
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis) last += (tensor.shape()[axis] - 1) * tensor.strides()[axis];
  const std::size_t width = saw::size_of(tensor.dtype());
  require(tensor.offset() >= 0 && last >= tensor.offset(), "a view of a negative extent");
  require((static_cast<std::size_t>(last) + 1) * width <= tensor.storage()->bytes(), "a view beyond its storage");
  volatile unsigned char sink = 0;
  const auto* bytes = static_cast<const unsigned char*>(tensor.storage()->data());
  sink = bytes[static_cast<std::size_t>(tensor.offset()) * width];
  sink = bytes[(static_cast<std::size_t>(last) + 1) * width - 1];
  static_cast<void>(sink);
  if (tensor.numel() <= few) {
    const saw::Tensor copy = tensor.clone();
    require(copy.shape() == tensor.shape(), "a copy of another shape");
  }
}

}  // namespace fuzz
