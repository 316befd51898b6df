#include "saw/autograd/base/format.h"

#include <ostream>

#include "saw/autograd/base/segments.h"

namespace saw {
namespace detail {

std::vector<std::int64_t> shown_positions(std::int64_t size, bool shorten) {
  constexpr std::int64_t edge = 3;  // positions at each end
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < size; ++i) {
    if (shorten && size > 2 * edge && i == edge) {
      positions.push_back(-1);
      i = size - edge;
    }
    positions.push_back(i);
  }
  return positions;
}

}  // namespace detail

std::string to_string(const Segments& segments) {
  if (segments.count() == 0) return "Segments(none; rows 0)";
  const std::vector<std::int64_t> shown = detail::shown_positions(segments.count(), segments.count() > 12);
  std::string text = "Segments(lengths ";
  for (std::size_t i = 0; i < shown.size(); ++i)
    text += (i > 0 ? ", " : "") + (shown[i] < 0 ? std::string("...") : std::to_string(segments.length(shown[i])));
  if (segments.count() > 12) text += fmt::format("; {} segments", segments.count());
  return text + fmt::format("; rows {})", segments.rows());
}

std::ostream& operator<<(std::ostream& stream, const Segments& segments) { return stream << to_string(segments); }
std::ostream& operator<<(std::ostream& stream, const Shape& shape) { return stream << to_string(shape); }
std::ostream& operator<<(std::ostream& stream, DType dtype) { return stream << to_string(dtype); }

}  // namespace saw
