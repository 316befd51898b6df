#include "saw/data/internal/npy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

struct NamedType {
  std::string_view name;  // kind and bytes, as in NumPy's descr
  StoredType type;
};

constexpr auto types = std::to_array<NamedType>({
    {"f4", StoredType::float32},
    {"f8", StoredType::float64},
    {"f2", StoredType::float16},
    {"i8", StoredType::int64},
    {"i4", StoredType::int32},
    {"i2", StoredType::int16},
    {"i1", StoredType::int8},
    {"u8", StoredType::uint64},
    {"u4", StoredType::uint32},
    {"u2", StoredType::uint16},
    {"u1", StoredType::uint8},
    {"b1", StoredType::boolean},
});

constexpr std::uint64_t most_elements = std::uint64_t{1} << 48;

// Reads the one kind of Python dict that can occur.
class Parser {
 public:
  Parser(std::string_view dict, const std::string& where) : rest_(dict), where_(where) {}

  NpyHeader parse() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = parse_string("a key");
      expect(':');
      if (key == "descr") {
        once(has_descr, key);
        parse_descr(header);
      } else if (key == "fortran_order") {
        once(has_order, key);
        header.fortran_order = parse_bool();
      } else if (key == "shape") {
        once(has_shape, key);
        parse_shape(header);
      } else {
        reject("the header has {}; expected descr, fortran_order and shape", quote(key));
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) reject("something follows the header's dict: {}", quote(rest_));
    if (!has_descr || !has_order || !has_shape)
      reject("the header has no {}", !has_descr ? "descr" : !has_order ? "fortran_order" : "shape");

    std::uint64_t count = 1;
    bool empty = false;
    for (const std::int64_t size : header.shape) {
      empty = empty || size == 0;
      if (static_cast<std::uint64_t>(size) > most_elements / count) reject("too many elements; got {}", header.shape);
      count *= static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    }
    header.bytes = empty ? 0 : count * size_of(header.type);
    return header;
  }

 private:
  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}: not a .npy array: {}", where_, fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  void once(bool& had, std::string_view key) const {
    if (had) reject("the header has {} twice", quote(key));
    had = true;
  }

  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

  bool take(char character) {
    skip_spaces();
    if (!rest_.starts_with(character)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char character) {
    if (!take(character)) reject("the header goes on with {}; expected \"{}\"", quote(rest_), character);
  }

  std::string_view parse_string(std::string_view what) {
    skip_spaces();
    const char mark = rest_.empty() ? '\0' : rest_.front();
    if (mark != '\'' && mark != '"') reject("the header goes on with {}; expected {}", quote(rest_), what);
    const std::size_t end = rest_.find(mark, 1);
    if (end == std::string_view::npos) reject("the header ends within {}", what);
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool parse_bool() {
    skip_spaces();
    for (const bool value : {false, true}) {
      const std::string_view name = value ? "True" : "False";
      if (rest_.starts_with(name)) {
        rest_.remove_prefix(name.size());
        return value;
      }
    }
    reject("fortran_order; got {}; expected True or False", quote(rest_));
  }

  void parse_descr(NpyHeader& header) {
    skip_spaces();
    if (rest_.starts_with('[')) reject("its elements are records; expected numbers or bools");
    const std::string_view descr = parse_string("descr");
    std::string_view name = descr;
    constexpr std::string_view byte_orders = "<>|=";
    char order = '=';
    if (!name.empty() && byte_orders.find(name.front()) != std::string_view::npos) {
      order = name.front();
      name.remove_prefix(1);
    }
    const auto found =
        std::find_if(types.begin(), types.end(), [&](const NamedType& each) { return each.name == name; });
    if (found == types.end()) {
      const bool objects = name.starts_with('O');
      reject("its elements cannot be read; got descr {}{}; expected f2, f4, f8, i1 to i8, u1 to u8 or b1", quote(descr),
             objects ? " (Python objects, whose reading could run code)" : "");
    }
    header.type = found->type;
    header.big_endian = order == '>' && size_of(header.type) > 1;
  }

  void parse_shape(NpyHeader& header) {
    expect('(');
    while (!take(')')) {
      skip_spaces();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) reject("shape; got {}; expected sizes", quote(rest_));
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2's long
      if (header.shape.size() == Shape::max_rank)
        reject("too many dimensions; expected at most {}", std::size_t{Shape::max_rank});
      header.shape.push_back(size);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view rest_;
  const std::string& where_;
};

std::string_view descr_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "<f4";
    case DType::float64:
      return "<f8";
    case DType::int64:
      return "<i8";
    default:
      return "|b1";
  }
}

}  // namespace

NpyHeader parse_npy_header(std::string_view dict, const std::string& where) { return Parser(dict, where).parse(); }

std::string write_npy_header(const Shape& shape, DType dtype) {
  // Python writes a tuple as to_string does, but for the empty one.
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr_of(dtype), shape);
  constexpr std::size_t start = 10, alignment = 64;  // magic, version, length; where elements may begin
  const std::size_t end = (start + dict.size() + 1 + alignment - 1) / alignment * alignment;
  dict.resize(end - start - 1, ' ');
  dict += '\n';
  std::string header = "\x93NUMPY";
  header += '\1';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xFF);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace data
}  // namespace saw
