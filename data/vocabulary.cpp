#include "saw/data/vocabulary.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

// The roles that have a line of their own, in their order; a named one is "\special name". None of the lines begins as
// an escape does that a word can have.
constexpr std::array<std::string_view, 5> common_roles{"padding", "unknown", "begin", "end", "mask"};
constexpr std::string_view named_role = "\\special ";

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

bool is_common_role(std::string_view role) {
  return std::find(common_roles.begin(), common_roles.end(), role) != common_roles.end();
}

std::string role_line(std::string_view role) {
  return is_common_role(role) ? fmt::format("\\{}", role) : fmt::format("{}{}", named_role, escape(role));
}

/// The role that a line of text() stands for, if it is one.
std::optional<std::string> role_of_line(std::string_view line) {
  if (line.starts_with('\\') && is_common_role(line.substr(1))) return std::string(line.substr(1));
  if (line.starts_with(named_role)) return unescape(line.substr(named_role.size()));
  return std::nullopt;
}

/// Up to 20 of the texts, each short.
std::string list_of(std::span<const std::string> texts) {
  constexpr std::size_t most = 20;
  std::string result;
  for (std::size_t i = 0; i < texts.size() && i < most; ++i) {
    const std::string quoted = quote(texts[i]);
    result += (i == 0 ? "" : ", ") + quoted.substr(1, quoted.size() - 2);
  }
  return texts.size() > most ? result + ", …" : result;
}

/// The label as an integer, where it is written as one would be.
std::optional<std::int64_t> plain_integer(std::string_view label) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value);
  if (error != std::errc() || end != label.data() + label.size() || std::to_string(value) != label) return std::nullopt;
  return value;
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
  add_roles(options);
  add_words(words);
}

Vocabulary::Vocabulary(const std::vector<std::string>& words, const VocabularyOptions& options) {
  add_roles(options);
  add_words(words);
}

Vocabulary Vocabulary::of_labels(const std::vector<std::string>& labels) {
  if (labels.empty()) fail(ErrorKind::argument, "vocabulary: no label");
  std::vector<std::string> different(labels);
  std::sort(different.begin(), different.end());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  const auto is_integer = [](const std::string& label) { return plain_integer(label).has_value(); };
  if (std::all_of(different.begin(), different.end(), is_integer))
    std::sort(different.begin(), different.end(),
              [](const std::string& a, const std::string& b) { return *plain_integer(a) < *plain_integer(b); });
  return Vocabulary(different, {.unknown = false});
}

void Vocabulary::add_roles(const VocabularyOptions& options) {
  const std::array<bool, common_roles.size()> wanted{options.padding, options.unknown, options.begin, options.end,
                                                     options.mask};
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i]) add_role(common_roles[i]);
  for (const std::string& role : options.roles) {
    if (role.empty()) fail(ErrorKind::argument, "vocabulary: a role has no name");
    if (find_invalid_utf8(role)) fail(ErrorKind::argument, "vocabulary: a role is not UTF-8; got {}", quote(role));
    if (is_common_role(role))
      fail(ErrorKind::argument, "vocabulary: the role {} has an option of its own", quote(role));
    if (find_role(role)) fail(ErrorKind::argument, "vocabulary: a role is given twice; got {}", quote(role));
    add_role(role);
  }
}

void Vocabulary::add_role(std::string_view role) {
  roles_.emplace_back(role);
  words_.push_back(fmt::format("<{}>", role));
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
  if (const auto unknown = unknown_id()) return *unknown;
  fail(ErrorKind::argument, "vocabulary: a word is not in it; got {}; expected one of {} entries: {}", quote(word),
       size(), list_of(words_));
}

std::vector<std::int64_t> Vocabulary::ids(const std::vector<std::string>& words) const {
  std::vector<std::int64_t> result;
  result.reserve(words.size());
  for (const std::string& word : words) result.push_back(id(word));
  return result;
}

std::vector<std::string> Vocabulary::words(std::span<const std::int64_t> ids) const {
  std::vector<std::string> result;
  result.reserve(ids.size());
  for (const std::int64_t id : ids) result.push_back(word(id));
  return result;
}

std::optional<std::int64_t> Vocabulary::find_role(std::string_view role) const {
  const auto found = std::find(roles_.begin(), roles_.end(), role);
  if (found == roles_.end()) return std::nullopt;
  return found - roles_.begin();
}

std::int64_t Vocabulary::role_id(std::string_view role) const {
  if (const auto found = find_role(role)) return *found;
  fail(ErrorKind::argument, "vocabulary: no entry has the role {}; expected one of: {}", quote(role),
       roles_.empty() ? "none" : list_of(roles_));
}

const std::string& Vocabulary::word(std::int64_t id) const {
  if (id < 0 || id >= size())
    fail(ErrorKind::index, "vocabulary: id out of range; got {}; expected 0 to {}", id, size() - 1);
  return words_[static_cast<std::size_t>(id)];
}

std::string Vocabulary::text() const {
  std::string result;
  for (std::int64_t i = 0; i < size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    result += is_role(i) ? role_line(roles_[at]) : escape(words_[at]);
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
    if (const auto role = role_of_line(line); role && !role->empty()) {
      const auto rank = [](std::string_view of) {
        return std::find(common_roles.begin(), common_roles.end(), of) - common_roles.begin();
      };
      const bool after_words = result.size() != result.role_count();
      const bool after_later = !result.roles_.empty() && rank(result.roles_.back()) > rank(*role);
      if (after_words || after_later || result.find_role(*role))
        reject("a special entry out of its place at the beginning");
      if (line.find('\r') != line.npos) reject("a carriage return; lines end with a line feed alone");
      if (find_invalid_utf8(line)) reject("invalid UTF-8");
      result.add_role(*role);
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
