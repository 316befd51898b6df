#include "saw/train/metrics/internal/bleu_tokens.h"

#include <algorithm>
#include <array>
#include <utility>

#include "saw/train/metrics/internal/words.h"

namespace saw::train {
namespace {

using Text = std::u32string;

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_point(char32_t c) { return c == U'.' || c == U','; }

/// ASCII signs that always stand alone: all but the apostrophe, the hyphen, the full stop and the comma.
bool is_sign(char32_t c) {
  const bool punctuation =
      (c >= U'!' && c <= U'/') || (c >= U':' && c <= U'@') || (c >= U'[' && c <= U'`') || (c >= U'{' && c <= U'~');
  return punctuation && c != U'\'' && c != U'-' && !is_point(c);
}

/// Every neighbouring pair that fits is replaced; what a pair has used up belongs to no other pair, so that of three
/// full stops not each is looked at anew. (That is how the regular expressions of mteval-v13a work.)
template <class Fits, class Replace>
Text replace_pairs(const Text& text, Fits fits, Replace replace) {
  Text result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && fits(text[i], text[i + 1])) {
      replace(result, text[i], text[i + 1]);
      ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

/// The part of mteval-v13a that knows about Western languages.
std::vector<Text> western_tokens(const Text& text) {
  Text spaced;
  for (const char32_t c : text) {
    if (is_sign(c))
      spaced += {U' ', c, U' '};
    else
      spaced += c;
  }
  const auto apart = [](Text& result, char32_t a, char32_t b) { result += {a, U' ', b, U' '}; };
  spaced = replace_pairs(
      spaced, [](char32_t a, char32_t b) { return !is_digit(a) && is_point(b); }, apart);
  spaced = replace_pairs(
      spaced, [](char32_t a, char32_t b) { return is_point(a) && !is_digit(b); },
      [](Text& result, char32_t a, char32_t b) {
        result += {U' ', a, U' ', b};
      });
  spaced = replace_pairs(
      spaced, [](char32_t a, char32_t b) { return is_digit(a) && b == U'-'; }, apart);
  return split_words(spaced);
}

void replace_all(Text& text, std::u32string_view from, std::u32string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != Text::npos; at += to.size()) text.replace(at, from.size(), to);
}

std::vector<Text> tokens_13a(Text text) {
  while (!text.empty() && is_space(text.back())) text.pop_back();
  replace_all(text, U"<skipped>", U"");
  replace_all(text, U"-\n", U"");
  replace_all(text, U"\n", U" ");
  replace_all(text, U"&quot;", U"\"");
  replace_all(text, U"&amp;", U"&");
  replace_all(text, U"&lt;", U"<");
  replace_all(text, U"&gt;", U">");
  return western_tokens(U' ' + text + U' ');
}

/// What sacrebleu's "zh" takes for Chinese. Its last two ranges, meant for U+20000 … U+2A6D6 and U+2F800 … U+2FA1D, are
/// written there so that they reach from U+2001 to U+2A6D and from U+2F81 to U+2FA1; equal scores need the same.
bool is_chinese(char32_t c) {
  static constexpr std::array<std::pair<char32_t, char32_t>, 21> ranges = {
      {{0x3400, 0x4DB5}, {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A}, {0xFA70, 0xFAD9}, {0xFF00, 0xFFEF},
       {0x2E80, 0x2EFF}, {0x3000, 0x303F}, {0x31C0, 0x31EF}, {0x2F00, 0x2FDF}, {0x2FF0, 0x2FFF}, {0x3100, 0x312F},
       {0x31A0, 0x31BF}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, {0x2600, 0x26FF}, {0x2700, 0x27BF}, {0x3200, 0x32FF},
       {0x3300, 0x33FF}, {0x2001, 0x2A6D}, {0x2F81, 0x2FA1}}};
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const auto& range) { return range.first <= c && c <= range.second; });
}

std::vector<Text> chinese_tokens(const Text& text) {
  Text spaced;
  for (const char32_t c : text) {
    if (is_chinese(c))
      spaced += {U' ', c, U' '};
    else
      spaced += c;
  }
  return western_tokens(spaced);
}

std::vector<Text> characters(const Text& text) {
  std::vector<Text> tokens;
  for (const char32_t c : text)
    if (!is_space(c)) tokens.emplace_back(1, c);
  return tokens;
}

}  // namespace

std::vector<std::u32string> bleu_tokens(std::string_view text, BleuTokens tokens) {
  Text points = code_points(text);
  switch (tokens) {
    case BleuTokens::mteval_13a:
      return tokens_13a(std::move(points));
    case BleuTokens::characters:
      return characters(points);
    case BleuTokens::chinese: {
      // Stripped first: whether something stands before or behind a full stop decides about it.
      while (!points.empty() && is_space(points.back())) points.pop_back();
      points.erase(points.begin(), std::find_if_not(points.begin(), points.end(), is_space));
      return chinese_tokens(points);
    }
    case BleuTokens::words:
      break;
  }
  return split_words(points);
}

}  // namespace saw::train
