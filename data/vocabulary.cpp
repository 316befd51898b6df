#include "saw/data/vocabulary.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

constexpr std::string_view unknown_line = "\\unknown";
constexpr std::string_view padding_line = "\\padding";

std::string escape(std::string_view word) {
  std::string result;
  for (const char c : word) {
    switch (c) {
      case '\\':
        result += "\\\\";
        break;
      case '\t':
        result += "\\t";
        break;
      case '\n':
        result += "\\n";
        break;
      case '\r':
        result += "\\r";
        break;
      default:
        result += c;
    }
  }
  return result;
}

// The word that escape() wrote; nothing where the escapes are not its own.
std::optional<std::string> unescape(std::string_view line) {
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      result += line[i];
      continue;
    }
    if (++i == line.size()) return std::nullopt;
    switch (line[i]) {
      case '\\':
        result += '\\';
        break;
      case 't':
        result += '\t';
        break;
      case 'n':
        result += '\n';
        break;
      case 'r':
        result += '\r';
        break;
      default:
        return std::nullopt;
    }
  }
  return result;
}

}  // namespace

void Counter::add(std::string_view word, std::int64_t times) {
  const auto found = counts_.find(word);
  if (found != counts_.end())
    found->second += times;
  else
    counts_.emplace(word, times);
  total_ += times;
}

std::int64_t Counter::count(std::string_view word) const {
  const auto found = counts_.find(word);
  return found == counts_.end() ? 0 : found->second;
}

Vocabulary::Vocabulary(const Counter& counter, const VocabularyOptions& options) {
  if (options.minimum_count < 1)
    fail(ErrorKind::argument, "vocabulary: minimum_count; got {}; expected at least 1", options.minimum_count);
  std::vector<std::pair<std::int64_t, std::string>> kept;
  for (const auto& [word, count] : counter.counts())
    if (count >= options.minimum_count) kept.emplace_back(-count, word);
  std::sort(kept.begin(), kept.end());
  std::vector<std::string> words;
  words.reserve(kept.size());
  for (auto& [count, word] : kept) words.push_back(std::move(word));
  add_special(options);
  add_words(words);
}

Vocabulary::Vocabulary(const std::vector<std::string>& words, const VocabularyOptions& options) {
  add_special(options);
  add_words(words);
}

void Vocabulary::add_special(const VocabularyOptions& options) {
  if (options.padding) {
    padding_ = size();
    words_.emplace_back("<padding>");
  }
  if (options.unknown) {
    unknown_ = size();
    words_.emplace_back("<unknown>");
  }
}

void Vocabulary::add_words(const std::vector<std::string>& words) {
  words_.reserve(words_.size() + words.size());
  for (const std::string& word : words) {
    if (word.empty()) fail(ErrorKind::argument, "vocabulary: a word is empty");
    if (find_invalid_utf8(word)) fail(ErrorKind::argument, "vocabulary: a word is not UTF-8; got {}", quote(word));
    if (!ids_.emplace(word, size()).second)
      fail(ErrorKind::argument, "vocabulary: a word is given twice; got {}", quote(word));
    words_.push_back(word);
  }
}

std::optional<std::int64_t> Vocabulary::find(std::string_view word) const {
  const auto found = ids_.find(word);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::int64_t Vocabulary::id(std::string_view word) const {
  if (const auto found = find(word)) return *found;
  if (unknown_) return *unknown_;
  std::string known;
  for (std::size_t i = 0; i < words_.size() && i < 20; ++i) known += (i == 0 ? "" : ", ") + words_[i];
  if (words_.size() > 20) known += ", …";
  fail(ErrorKind::argument, "vocabulary: a word is not in it; got {}; expected one of {} entries: {}", quote(word),
       size(), known);
}

const std::string& Vocabulary::word(std::int64_t id) const {
  if (id < 0 || id >= size())
    fail(ErrorKind::index, "vocabulary: id out of range; got {}; expected 0 to {}", id, size() - 1);
  return words_[static_cast<std::size_t>(id)];
}

std::string Vocabulary::text() const {
  std::string result;
  for (std::int64_t i = 0; i < size(); ++i) {
    if (i == padding_)
      result += padding_line;
    else if (i == unknown_)
      result += unknown_line;
    else
      result += escape(words_[static_cast<std::size_t>(i)]);
    result += '\n';
  }
  return result;
}

Vocabulary Vocabulary::parse(std::string_view text, std::string_view name) {
  if (!text.empty() && text.back() != '\n') {
    fail(ErrorKind::io, "{}:{}: the last line has no line end; the file seems to have been cut short", name,
         std::count(text.begin(), text.end(), '\n') + 1);
  }
  Vocabulary result;
  for (std::int64_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto reject = [&](std::string_view what) {
      fail(ErrorKind::io, "{}:{}: {}; got {}", name, line_number, what, quote(line));
    };
    if (line == padding_line || line == unknown_line) {
      const bool is_padding = line == padding_line;
      if (is_padding ? line_number != 1 : line_number != (result.padding_ ? 2 : 1))
        reject("a special entry out of its place at the beginning");
      result.add_special({.unknown = !is_padding, .padding = is_padding});
      continue;
    }
    if (line.empty()) reject("an empty entry");
    if (line.find('\r') != line.npos) reject("a carriage return; lines end with a line feed alone");
    if (find_invalid_utf8(line)) reject("invalid UTF-8");
    std::optional<std::string> word = unescape(line);
    if (!word) reject("a bad escape; expected \\\\, \\t, \\n or \\r after a backslash");
    const auto [place, inserted] = result.ids_.emplace(*word, result.size());
    if (!inserted) reject(fmt::format("an entry is repeated (first on line {})", place->second + 1));
    result.words_.push_back(std::move(*word));
  }
  return result;
}

void Vocabulary::save(const std::string& path) const { write_file(path, text()); }

Vocabulary Vocabulary::load(const std::string& path) { return parse(read_file(path), path); }

}  // namespace data
}  // namespace saw
