#include "saw/data/text.h"

#include <algorithm>
#include <cstddef>

#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

using Characters = std::u32string_view;

bool is_space(char32_t c) {
  return c == U' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x3000 || c == 0xFEFF;
}

bool is_punctuation(char32_t c) { return Characters(U".,;:!?…()[]{}<>\"'“”‘’«»¿¡").find(c) != Characters::npos; }

bool is_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || c >= 0xC0; }

// Single letters, each with its period.
bool is_abbreviation(Characters word) {
  if (word.size() == 2) return word[0] >= U'A' && word[0] <= U'Z' && word[0] != U'I' && word[1] == U'.';
  if (word.size() < 4 || word.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (i % 2 == 0 ? !is_letter(word[i]) : word[i] != U'.') return false;
  return true;
}

std::size_t clitic_length(Characters word) {
  std::u32string lower(word);
  for (char32_t& c : lower) {
    if (c >= U'A' && c <= U'Z') c += 32;
    if (c == U'’') c = U'\'';
  }
  for (const Characters clitic : {Characters(U"n't"), Characters(U"'s"), Characters(U"'m"), Characters(U"'re"),
                                  Characters(U"'ve"), Characters(U"'ll"), Characters(U"'d")}) {
    if (lower.size() > clitic.size() && lower.ends_with(clitic)) return clitic.size();
  }
  return 0;
}

void emit(Characters word, std::vector<std::string>& words) {
  std::string text;
  for (const char32_t c : word) text += encode_utf8(c);
  words.push_back(std::move(text));
}

// One stretch without white space.
void split(Characters rest, std::vector<std::string>& words) {
  while (!rest.empty() && is_punctuation(rest.front())) {
    // `'s` written apart is a word. None is longer than three letters: a long line is not copied at every mark.
    if (rest.size() <= 3 && clitic_length(U"x" + std::u32string(rest)) == rest.size()) break;
    const std::size_t run = std::min(rest.find_first_not_of(rest.front()), rest.size());
    emit(rest.substr(0, run), words);
    rest.remove_prefix(run);
  }
  std::vector<Characters> after;  // from the end
  while (!rest.empty() && is_punctuation(rest.back()) && !is_abbreviation(rest)) {
    const std::size_t kept = rest.find_last_not_of(rest.back()) + 1;
    after.push_back(rest.substr(kept));
    rest = rest.substr(0, kept);
  }
  const std::size_t clitic = clitic_length(rest);
  if (rest.size() > clitic) emit(rest.substr(0, rest.size() - clitic), words);
  if (clitic > 0) emit(rest.substr(rest.size() - clitic), words);
  for (auto word = after.rbegin(); word != after.rend(); ++word) emit(*word, words);
}

}  // namespace

std::vector<std::string> tokenize(std::string_view line) {
  const std::vector<char32_t> characters = decode_utf8(line);
  const Characters text(characters.data(), characters.size());
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    if (is_space(text[begin])) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < text.size() && !is_space(text[end])) ++end;
    split(text.substr(begin, end - begin), words);
    begin = end;
  }
  return words;
}

}  // namespace data
}  // namespace saw
