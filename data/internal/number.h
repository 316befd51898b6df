#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace saw {
namespace data {

/// A number as text has it, or what is wrong with the text.
template <class T>
struct ParsedNumber {
  T value{};
  std::string error = {};  ///< "not an integer"; empty where there is none
};

inline std::string_view trim_spaces(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

namespace number_internal {

template <class T>
std::from_chars_result from_chars(std::string_view text, T& value) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  text.remove_prefix(plus ? 1 : 0);
  std::from_chars_result result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc() && result.ptr != text.data() + text.size()) result.ec = std::errc::invalid_argument;
  return result;
}

}  // namespace number_internal

inline ParsedNumber<std::int64_t> parse_integer(std::string_view text) {
  ParsedNumber<std::int64_t> result;
  const std::errc error = number_internal::from_chars(trim_spaces(text), result.value).ec;
  if (error == std::errc::result_out_of_range)
    result.error = "an integer beyond 64 bits";
  else if (error != std::errc())
    result.error = "not an integer";
  return result;
}

inline ParsedNumber<double> parse_number(std::string_view text) {
  ParsedNumber<double> result;
  const std::errc error = number_internal::from_chars(trim_spaces(text), result.value).ec;
  if (error == std::errc::result_out_of_range)
    result.error = "a number beyond the range of float64";
  else if (error != std::errc())
    result.error = "not a number";
  else if (!std::isfinite(result.value))
    result.error = "not a finite number";
  return result;
}

}  // namespace data
}  // namespace saw
