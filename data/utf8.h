#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// The bytes of the code point at the beginning of `text`: 1 to 4, or 0 where the text is empty or is not UTF-8 there
/// (stray or missing continuation bytes, overlong forms, surrogates, beyond U+10FFFF).
std::size_t utf8_length(std::string_view text);

/// Where the first byte is that does not belong to valid UTF-8, if there is one.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

/// The code points of a text; each invalid byte becomes U+FFFD.
std::vector<char32_t> decode_utf8(std::string_view text);

/// One code point as UTF-8; surrogates and what lies beyond U+10FFFF become U+FFFD.
std::string encode_utf8(char32_t code_point);

/// The code points of a text as strings of their own, each invalid byte as "\uFFFD". "naïve" has 5.
std::vector<std::string> split_characters(std::string_view text);

/// The text in lower case, code point by code point: ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic capitals that
/// have one small letter. Everything else stays as it is; each invalid byte becomes U+FFFD.
std::string lower_case(std::string_view text);

}  // namespace data
}  // namespace saw
