#include "saw/data/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/safetensors_header.h"
#include "saw/data/internal/stored_type.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

// ---- element types ----

struct Element {
  const char* name;
  StoredType type;
};

constexpr std::array<Element, 13> elements{{
    {"F32", StoredType::float32},
    {"F64", StoredType::float64},
    {"I64", StoredType::int64},
    {"BOOL", StoredType::boolean},
    {"F16", StoredType::float16},
    {"BF16", StoredType::bfloat16},
    {"U64", StoredType::uint64},
    {"I32", StoredType::int32},
    {"U32", StoredType::uint32},
    {"I16", StoredType::int16},
    {"U16", StoredType::uint16},
    {"I8", StoredType::int8},
    {"U8", StoredType::uint8},
}};

const Element* find_element(std::string_view name) {
  for (const Element& element : elements)
    if (name == element.name) return &element;
  return nullptr;
}

const Element& element_of(DType dtype) {
  for (const Element& element : elements)
    if (element.type == stored_type(dtype)) return element;
  fail(ErrorKind::internal, "safetensors: no element type for {}", dtype);
}

// ---- reading ----

template <class... Arguments>
[[noreturn]] void reject(const std::string& path, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  fail(ErrorKind::io, "{}: not a safetensors file: {}", path, fmt::format(text, std::forward<Arguments>(arguments)...));
}

// The shape of an entry whose bytes are exactly those that its shape and type need.
Shape checked_shape(const SafetensorsEntry& entry, const Element& element, const std::string& path) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  // Zeros count as ones at first: strides are products of sizes too and must not overflow either.
  std::uint64_t bytes = size_of(element.type);
  bool empty = false;
  Shape shape;
  for (const std::uint64_t size : entry.shape) {
    empty = empty || size == 0;
    if (size > most || (size > 1 && bytes > most / size))
      reject(path, "tensor {}: a shape too large for 64 bits; got [{}]", quote(entry.name),
             fmt::join(entry.shape, ", "));
    bytes *= std::max<std::uint64_t>(size, 1);
    shape.push_back(static_cast<std::int64_t>(size));
  }
  if (empty) bytes = 0;
  if (entry.begin > entry.end || entry.end - entry.begin != bytes) {
    reject(path, "tensor {}: the bytes do not fit {} of shape [{}]; got data_offsets [{}, {}]; expected {} bytes",
           quote(entry.name), element.name, fmt::join(entry.shape, ", "), entry.begin, entry.end, bytes);
  }
  return shape;
}

// Entries in the order of their bytes, which must cover the data without gaps and overlaps.
void check_layout(std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes, const std::string& path) {
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != end) {
      reject(path, "tensor {} {}; got data_offsets [{}, {}]; expected it to begin at {}", quote(entry.name),
             entry.begin < end ? "overlaps the one before it" : "leaves a gap before it", entry.begin, entry.end, end);
    }
    if (entry.end < entry.begin) {
      reject(path, "tensor {} ends before it begins; got data_offsets [{}, {}]", quote(entry.name), entry.begin,
             entry.end);
    }
    end = entry.end;
  }
  if (end != data_bytes) {
    reject(path, "{}; got {} bytes of data; expected {}",
           end > data_bytes ? "the file is cut short" : "bytes are left over", data_bytes, end);
  }
}

SafetensorsHeader read_header(InputFile& file) {
  const std::string& path = file.path();
  if (!file.is_regular()) fail(ErrorKind::io, "{}: not a safetensors file: not a regular file", path);
  std::uint64_t length = 0;
  if (file.size() < sizeof length)
    reject(path, "too short for a header; got {} bytes; expected at least {}", file.size(), sizeof length + 2);
  file.read(&length, sizeof length);
  if (length > safetensors_longest_header) {
    reject(path, "header too long; the first 8 bytes say {} bytes; expected at most {}", length,
           std::uint64_t{safetensors_longest_header});
  }
  if (length > file.size() - sizeof length)
    reject(path, "the header is cut short; got {} bytes of it; expected {}", file.size() - sizeof length, length);
  std::string json(length, '\0');
  file.read(json.data(), json.size());
  SafetensorsHeader header = parse_safetensors_header(json, path);
  check_layout(header.entries, file.size() - sizeof length - length, path);
  return header;
}

// The next tensor of the file.
Tensor read_tensor(const SafetensorsEntry& entry, const Element& element, const Shape& shape, InputFile& file) {
  const Tensor result = Tensor::empty(shape, loaded_dtype(element.type));
  try {
    read_elements(
        element.type, false, static_cast<std::size_t>(result.numel()),
        [&](void* bytes, std::size_t count) { file.read(bytes, count); }, result.mutable_data(result.dtype()));
  } catch (const BadElement& bad) {
    reject(file.path(), "tensor {}: {}", quote(entry.name), bad.what);
  }
  return result;
}

// ---- writing ----

struct Written {
  const std::string* name;
  Tensor tensor;  // contiguous, off the tape
  const Element* element;
};

std::vector<Written> collect(const StateDict& tensors) {
  std::vector<Written> result;
  result.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    if (name == safetensors_metadata_key)
      fail(ErrorKind::argument, "save_safetensors: a tensor cannot have the name {}", name);
    if (find_invalid_utf8(name))
      fail(ErrorKind::argument, "save_safetensors: a name is not UTF-8; got {}", quote(name));
    if (!tensor.defined()) fail(ErrorKind::argument, "save_safetensors: tensor {} is undefined", quote(name));
    result.push_back({&name, tensor.detach().contiguous(), &element_of(tensor.dtype())});
  }
  const auto width = [](const Written& each) { return size_of(each.element->type); };
  // Wide elements first keeps every tensor aligned to its element size, for readers that map the file.
  std::sort(result.begin(), result.end(), [&](const Written& a, const Written& b) {
    return width(a) != width(b) ? width(a) > width(b) : *a.name < *b.name;
  });
  std::vector<std::string_view> names;
  for (const Written& written : result) names.push_back(*written.name);
  std::sort(names.begin(), names.end());
  if (const auto repeated = std::adjacent_find(names.begin(), names.end()); repeated != names.end())
    fail(ErrorKind::argument, "save_safetensors: two tensors have the name {}", quote(*repeated));
  return result;
}

}  // namespace

void save_safetensors(const std::string& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::vector<Written> all = collect(tensors);
  for (const auto& [key, value] : metadata)
    if (find_invalid_utf8(key) || find_invalid_utf8(value))
      fail(ErrorKind::argument, "save_safetensors: metadata {} is not UTF-8", quote(key));

  SafetensorsHeader header{.entries = {}, .metadata = metadata};
  std::uint64_t end = 0;
  for (const Written& written : all) {
    const Shape& shape = written.tensor.shape();
    SafetensorsEntry& entry = header.entries.emplace_back();
    entry.name = *written.name;
    entry.dtype = written.element->name;
    entry.shape.assign(shape.begin(), shape.end());
    entry.begin = end;
    entry.end = end += static_cast<std::uint64_t>(shape.numel()) * size_of(written.element->type);
  }
  const std::string json = write_safetensors_header(header);
  if (json.size() > safetensors_longest_header) {
    fail(ErrorKind::argument,
         "save_safetensors: names and metadata too long; got a header of {} bytes; expected at most {}", json.size(),
         std::uint64_t{safetensors_longest_header});
  }

  AtomicFile file(path);
  const std::uint64_t length = json.size();
  file.write(&length, sizeof length);
  file.write(json);
  for (const Written& written : all) {
    const auto bytes = static_cast<std::size_t>(written.tensor.numel()) * size_of(written.element->type);
    if (bytes > 0) file.write(written.tensor.data(written.tensor.dtype()), bytes);
  }
  file.commit();
}

SafetensorsFile load_safetensors(const std::string& path) {
  InputFile file(path);
  SafetensorsHeader header = read_header(file);
  // Everything is checked before the first tensor is made.
  std::vector<std::pair<const Element*, Shape>> kinds;
  for (const SafetensorsEntry& entry : header.entries) {
    const Element* element = find_element(entry.dtype);
    if (element == nullptr) {
      std::string known;
      for (const Element& each : elements) known += fmt::format("{}{}", known.empty() ? "" : " ", each.name);
      fail(ErrorKind::io, "{}: tensor {} has an element type that cannot be read; got {}; expected one of {}", path,
           quote(entry.name), quote(entry.dtype), known);
    }
    kinds.emplace_back(element, checked_shape(entry, *element, path));
  }
  SafetensorsFile result{.tensors = {}, .metadata = std::move(header.metadata)};
  for (std::size_t i = 0; i < header.entries.size(); ++i) {
    const SafetensorsEntry& entry = header.entries[i];
    result.tensors.emplace_back(entry.name, read_tensor(entry, *kinds[i].first, kinds[i].second, file));
  }
  std::sort(result.tensors.begin(), result.tensors.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return result;
}

}  // namespace data
}  // namespace saw
