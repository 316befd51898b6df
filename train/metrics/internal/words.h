#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace saw::train {

/// True for what Unicode (and Python's str.split) takes for white space between words.
bool is_space(char32_t c);

/// The words of a text, between white space.
std::vector<std::u32string> split_words(std::u32string_view text);

/// A text as code points; each byte that is not UTF-8 becomes U+FFFD.
std::u32string code_points(std::string_view text);

}  // namespace saw::train
