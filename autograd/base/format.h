#pragma once

// Texts of what the ground floor has, for messages and for fmt; those of tensors are in tape/format.h.

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/shape.h"

namespace [[gnu::visibility("default")]] saw {

class Segments;

/// "Segments(lengths 3, 0, 5; rows 8)", shortened in the middle.
std::string to_string(const Segments& segments);

std::ostream& operator<<(std::ostream& stream, const Segments& segments);
std::ostream& operator<<(std::ostream& stream, const Shape& shape);
std::ostream& operator<<(std::ostream& stream, DType dtype);

namespace detail {

/// The positions of an axis of `size` that a text shows: all, or the three at each end, −1 standing for those between.
std::vector<std::int64_t> shown_positions(std::int64_t size, bool shorten);

/// fmt's formatter over to_string. It takes an alignment and a width, "{:>20}", and needs no more of fmt than its core.
template <class T>
class TextFormatter {
 public:
  template <class Context>
  constexpr auto parse(Context& context) {
    auto at = context.begin();
    if (at != context.end() && (*at == '<' || *at == '>')) right_ = *at++ == '>';
    for (; at != context.end() && *at >= '0' && *at <= '9'; ++at)
      width_ = 10 * width_ + static_cast<unsigned>(*at - '0');
    return at;
  }

  template <class Context>
  auto format(const T& value, Context& context) const {
    const std::string text = to_string(value);
    const std::string space(text.size() < width_ ? width_ - text.size() : 0, ' ');
    const std::string padded = right_ ? space + text : text + space;
    return std::copy(padded.begin(), padded.end(), context.out());
  }

 private:
  bool right_ = false;
  std::size_t width_ = 0;
};

}  // namespace detail

}  // namespace saw

template <>
struct fmt::formatter<saw::Shape> : saw::detail::TextFormatter<saw::Shape> {};
template <>
struct fmt::formatter<saw::Segments> : saw::detail::TextFormatter<saw::Segments> {};
template <>
struct fmt::formatter<saw::DType> : saw::detail::TextFormatter<saw::DType> {};
