#include "saw/data/npy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/npy_header.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/stored_type.h"
#include "saw/data/internal/zip_reader.h"
#include "saw/data/internal/zip_writer.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

constexpr std::string_view suffix = ".npy";

// An array that takes exactly the next `size` bytes. `where` begins every message.
Tensor read_array(std::uint64_t size, const ReadBytes& read, const std::string& where) {
  constexpr std::string_view magic = "\x93NUMPY";
  constexpr std::size_t longest_header = 1 << 20;
  std::array<unsigned char, 12> start{};
  const auto take = [&](void* bytes, std::size_t count) {
    if (count > size) fail(ErrorKind::io, "{}: not a .npy array: the header is cut short", where);
    read(bytes, count);
    size -= count;
  };

  take(start.data(), magic.size() + 2);
  if (std::memcmp(start.data(), magic.data(), magic.size()) != 0)
    fail(ErrorKind::io, "{}: not a .npy array: it does not begin with \\x93NUMPY", where);
  const unsigned major = start[magic.size()], minor = start[magic.size() + 1];
  if (major < 1 || major > 3 || minor != 0)
    fail(ErrorKind::io, "{}: not a .npy array: version {}.{}; expected 1.0, 2.0 or 3.0", where, major, minor);
  std::uint32_t length = 0;  // little-endian, of 2 bytes in version 1
  take(&length, major == 1 ? 2 : 4);
  if (length > longest_header)
    fail(ErrorKind::io, "{}: not a .npy array: a header of {} bytes; expected at most {}", where, length,
         std::size_t{longest_header});
  if (length > size) fail(ErrorKind::io, "{}: not a .npy array: the header is cut short", where);
  std::string dict(length, '\0');
  take(dict.data(), dict.size());

  const NpyHeader header = parse_npy_header(dict, where);
  if (header.bytes != size) {
    fail(ErrorKind::io, "{}: {}; got {} bytes of elements; expected {} for {} of shape {}", where,
         header.bytes > size ? "the array is cut short" : "bytes are left over", size, header.bytes,
         to_string(header.type), header.shape);
  }
  Shape stored = header.shape;  // the order in which the elements come
  if (header.fortran_order) std::reverse(stored.begin(), stored.end());
  const Tensor result = Tensor::empty(stored, loaded_dtype(header.type));
  try {
    if (size > 0)
      read_elements(header.type, header.big_endian, static_cast<std::size_t>(result.numel()), read,
                    result.mutable_data(result.dtype()));
  } catch (const BadElement& bad) {
    fail(ErrorKind::io, "{}: {}", where, bad.what);
  }
  if (!header.fortran_order) return result;
  Strides strides = result.strides();
  std::reverse(strides.begin(), strides.end());
  return {result.storage(), header.shape, strides, 0, result.dtype()};
}

std::string_view bytes_of(const Tensor& contiguous) {
  const auto bytes = static_cast<std::size_t>(contiguous.numel()) * size_of(contiguous.dtype());
  return {static_cast<const char*>(contiguous.data(contiguous.dtype())), bytes};
}

void check_names(const StateDict& arrays) {
  std::vector<std::string_view> names;
  names.reserve(arrays.size());
  for (const auto& [name, tensor] : arrays) {
    if (!tensor.defined()) fail(ErrorKind::argument, "save_npz: array {} is undefined", quote(name));
    if (name.empty()) fail(ErrorKind::argument, "save_npz: an array has no name");
    if (find_invalid_utf8(name)) fail(ErrorKind::argument, "save_npz: a name is not UTF-8; got {}", quote(name));
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (const auto repeated = std::adjacent_find(names.begin(), names.end()); repeated != names.end())
    fail(ErrorKind::argument, "save_npz: two arrays have the name {}", quote(*repeated));
}

}  // namespace

Tensor load_npy(const std::string& path) {
  InputFile file(path);
  if (!file.is_regular()) fail(ErrorKind::io, "{}: not a .npy array: not a regular file", path);
  return read_array(
      file.size(), [&](void* bytes, std::size_t count) { file.read(bytes, count); }, path);
}

void save_npy(const std::string& path, const Tensor& tensor) {
  if (!tensor.defined()) fail(ErrorKind::argument, "save_npy: the tensor is undefined");
  const Tensor written = tensor.detach().contiguous();
  AtomicFile file(path);
  file.write(write_npy_header(written.shape(), written.dtype()));
  file.write(bytes_of(written));
  file.commit();
}

StateDict load_npz(const std::string& path) {
  const ZipReader archive(path);
  StateDict result;
  result.reserve(archive.entries().size());
  for (std::size_t i = 0; i < archive.entries().size(); ++i) {
    const ZipReader::Entry& entry = archive.entries()[i];
    const std::string where = fmt::format("{}: array {}", path, quote(entry.name));
    if (!std::string_view(entry.name).ends_with(suffix))
      fail(ErrorKind::io, "{}: not an array by its name; expected names that end in {}", where, suffix);
    ZipReader::Record record(archive, i);
    Tensor array = read_array(
        entry.size, [&](void* bytes, std::size_t count) { record.read(bytes, count); }, where);
    record.finish();
    result.emplace_back(entry.name.substr(0, entry.name.size() - suffix.size()), std::move(array));
  }
  return result;
}

void save_npz(const std::string& path, const StateDict& arrays) {
  check_names(arrays);
  ZipWriter archive(path);
  for (const auto& [name, tensor] : arrays) {
    const Tensor written = tensor.detach().contiguous();
    archive.add(name + std::string(suffix), {write_npy_header(written.shape(), written.dtype()), bytes_of(written)});
  }
  archive.commit();
}

}  // namespace data
}  // namespace saw
