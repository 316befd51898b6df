#include "saw/train/internal/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "saw/data/utf8.h"

namespace saw::train {
namespace {

std::size_t width_of(char32_t c) {
  if ((c >= 0x300 && c <= 0x36F) || c == 0x200D || (c >= 0xFE00 && c <= 0xFE0F)) return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
                    (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
                    (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string result;
  for (const char32_t c : data::decode_utf8(text)) {
    const bool control =
        (c < 0x20 && c != U'\t' && c != U'\n') || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF;
    if (c == U'&')
      result += "&amp;";
    else if (c == U'<')
      result += "&lt;";
    else if (c == U'>')
      result += "&gt;";
    else if (c == U'"')
      result += "&quot;";
    else if (c == U'\'')
      result += "&#39;";
    else
      result += data::encode_utf8(control ? 0xFFFD : c);
  }
  return result;
}

double tick_distance(double range, double count) {
  const double power = std::pow(10.0, std::floor(std::log10(range / count)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (range / (factor * power) <= count) return factor * power;
  return 10.0 * power;
}

std::vector<NumberTick> number_ticks(double low, double high, double count, bool thousands) {
  const double range = high - low;
  if (!(range > 0) || !std::isfinite(range)) return {{low, fmt::format("{:.4g}", low)}};
  double distance = tick_distance(range, count);
  if (thousands) distance = std::max(1.0, distance);  // there is no half step
  const double largest = std::max(std::abs(low), std::abs(high));
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(distance) + 1e-9)), 0, 12);
  std::vector<NumberTick> ticks;
  for (double i = std::ceil(low / distance - 1e-9); i * distance <= high + 1e-9 * range; ++i) {
    const double value = i * distance;
    std::string text;
    if (i == 0)
      text = "0";
    else if (thousands && largest >= 2e6)
      text = fmt::format("{:g}M", value / 1e6);
    else if (thousands && largest >= 2e3)
      text = fmt::format("{:g}k", value / 1e3);
    else if (largest < 1e-2 || largest >= 1e5)
      text = fmt::format("{:.4g}", value);
    else
      text = fmt::format("{:.{}f}", value, decimals);
    ticks.push_back({value, text});
  }
  return ticks;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (const char32_t c : data::decode_utf8(text)) width += width_of(c);
  return width;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::string result;
  std::size_t used = 1;
  for (const char32_t c : data::decode_utf8(text)) {
    used += width_of(c);
    if (used > width) break;
    result += data::encode_utf8(c);
  }
  return result + "…";
}

}  // namespace saw::train
