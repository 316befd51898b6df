#include "saw/autograd/tape/format.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/tape/internal/node.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace {

constexpr std::int64_t most_elements = 1000;  // beyond it, axes are shortened
constexpr std::size_t line_width = 100;

/// How the floating numbers of one tensor are written: all alike.
enum class Style { whole, fixed, scientific };

Style choose_style(const std::vector<double>& numbers) {
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  bool whole = true;
  for (const double number : numbers) {
    if (!std::isfinite(number) || number == 0) continue;
    largest = std::max(largest, std::fabs(number));
    smallest = std::min(smallest, std::fabs(number));
    whole = whole && number == std::floor(number);
  }
  if (largest >= 1e8 || smallest < 1e-4) return Style::scientific;
  return whole ? Style::whole : Style::fixed;
}

std::string number_text(double number, Style style) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  switch (style) {
    case Style::whole:
      return fmt::format("{:.0f}.", number);
    case Style::fixed:
      return fmt::format("{:.4f}", number);
    case Style::scientific:
      break;
  }
  return fmt::format("{:.4e}", number);
}

class Picture {
 public:
  explicit Picture(const Tensor& x) : x_(x) {
    for (const std::int64_t size : x.shape())
      positions_.push_back(detail::shown_positions(size, x.numel() > most_elements));
    dispatch_all(x.dtype(), [&]<class T>() { write_elements(x.data<T>()); });
    for (const std::string& text : texts_) width_ = std::max(width_, text.size());
  }

  std::string draw() {
    draw_axis(0);
    return std::move(picture_);
  }

 private:
  template <class T>
  void write_elements(const T* data) {
    std::vector<T> elements;
    collect(data, 0, 0, elements);
    if constexpr (std::is_floating_point_v<T>) {
      const std::vector<double> numbers(elements.begin(), elements.end());
      const Style style = choose_style(numbers);
      for (const double number : numbers) texts_.push_back(number_text(number, style));
    } else {
      for (const T element : elements) texts_.push_back(fmt::format("{}", element));
    }
  }

  template <class T>
  void collect(const T* data, std::size_t axis, std::int64_t offset, std::vector<T>& elements) {
    if (axis == x_.rank()) {
      elements.push_back(data[offset]);
      return;
    }
    for (const std::int64_t position : positions_[axis])
      if (position >= 0) collect(data, axis + 1, offset + position * x_.strides()[axis], elements);
  }

  void draw_axis(std::size_t axis) {
    if (axis == x_.rank()) {
      append(fmt::format("{:>{}}", texts_[next_text_++], width_));
      return;
    }
    append("[");
    const bool innermost = axis + 1 == x_.rank();
    for (std::size_t i = 0; i < positions_[axis].size(); ++i) {
      if (i > 0) {
        append(",");
        if (innermost && column_ + 1 + width_ < line_width)
          append(" ");
        else
          new_line(innermost ? 1 : x_.rank() - axis - 1, axis + 1);
      }
      if (positions_[axis][i] < 0)
        append("...");
      else
        draw_axis(axis + 1);
    }
    append("]");
  }

  void append(const std::string& text) {
    picture_ += text;
    column_ += text.size();
  }

  void new_line(std::size_t lines, std::size_t indent) {
    picture_ += std::string(lines, '\n') + std::string(indent, ' ');
    column_ = indent;
  }

  const Tensor& x_;
  std::vector<std::vector<std::int64_t>> positions_;
  std::vector<std::string> texts_;
  std::size_t width_ = 0;
  std::size_t next_text_ = 0;
  std::string picture_;
  std::size_t column_ = 0;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined tensor";
  std::string text = tensor.numel() == 0 ? "[]" : Picture(tensor).draw();
  text += text.find('\n') == std::string::npos ? "  " : "\n";
  text += fmt::format("shape {}, {}", tensor.shape(), tensor.dtype());
  if (!tensor.requires_grad()) return text;
  return text + (tensor.is_leaf() ? ", requires_grad" : fmt::format(", from {}", tensor.node()->op->name));
}

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor) { return stream << to_string(tensor); }

}  // namespace saw
