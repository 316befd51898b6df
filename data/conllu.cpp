#include "saw/data/conllu.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <istream>
#include <iterator>
#include <map>
#include <optional>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

constexpr std::array<std::string_view, 17> tags{"ADJ",  "ADP",  "ADV",   "AUX",   "CCONJ", "DET", "INTJ", "NOUN", "NUM",
                                                "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"};

enum Field : std::size_t { id, form, lemma, upos, xpos, feats, head, deprel, deps, misc, field_count };
constexpr std::array<const char*, field_count> field_names{"ID",    "FORM", "LEMMA",  "UPOS", "XPOS",
                                                           "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"};
using Fields = std::array<std::string_view, field_count>;

// Digits without a leading zero; "0" itself counts. Nine digits are more than any sentence has.
std::optional<std::int64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 9 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-') return std::nullopt;
  return value;
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view name, const ConlluOptions& options) : rest_(text), options_(options) {
    corpus_.name = name;
  }

  Corpus run() && {
    if (rest_.starts_with("\xEF\xBB\xBF")) {
      rest_.remove_prefix(3);
      line_ = 1;
      note("byte_order_mark", "a byte order mark; skipped");
      line_ = 0;
    }
    while (!rest_.empty()) read_line(next_line());
    if (in_sentence()) {
      note("blank_line", "no blank line after the last sentence; the sentence is read");
      finish_sentence();
    }
    if (corpus_.sentences.empty()) fail(ErrorKind::io, "{}: the file has no sentence; expected CoNLL-U", corpus_.name);
    return std::move(corpus_);
  }

 private:
  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}:{}: {}", corpus_.name, line_, fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  // One note of each kind: a file with carriage returns has them on every line.
  void note(const char* kind, std::string_view text) {
    if (noted_[kind]) return;
    noted_[kind] = true;
    corpus_.notes.push_back(fmt::format("{}:{}: {}", corpus_.name, line_, text));
  }

  std::string_view next_line() {
    ++line_;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    if (end == rest_.npos) {
      rest_ = {};
      note("line_end", "the last line has no line end; the line is read");
    } else {
      rest_.remove_prefix(end + 1);
    }
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
      note("carriage_return", "lines end with a carriage return and a line feed; read as a line feed alone");
    }
    if (const std::size_t at = line.find('\0'); at != line.npos) reject("a NUL byte in column {}", at + 1);
    if (const auto at = find_invalid_utf8(line)) {
      reject("invalid UTF-8; got byte 0x{:02x} in column {}; hint: convert the file to UTF-8",
             static_cast<unsigned char>(line[*at]), *at + 1);
    }
    return line;
  }

  void read_line(std::string_view line) {
    if (line.empty()) {
      if (!in_sentence()) return note("blank_line_too_many", "a blank line without a sentence before it; skipped");
      return finish_sentence();
    }
    if (!in_sentence()) sentence_.line = line_;
    if (line[0] == '#') return read_comment(line);
    const Fields fields = split(line);
    if (fields[id].find('-') != std::string_view::npos) return read_range(fields);
    if (fields[id].find('.') != std::string_view::npos) return read_empty_node(fields);
    read_word(fields);
  }

  bool in_sentence() const { return sentence_.line != 0; }
  std::int64_t words_read() const { return static_cast<std::int64_t>(sentence_.words.size()); }
  bool after_range_line() const { return range_line_ != 0 && words_read() + 1 == range_begin_; }

  Fields split(std::string_view line) const {
    Fields fields;
    const auto count = static_cast<std::size_t>(std::count(line.begin(), line.end(), '\t')) + 1;
    if (count != field_count) {
      reject("wrong number of fields; got {}; expected {}, separated by tabs{}", count,
             static_cast<std::size_t>(field_count),
             count == 1 && line.find(' ') != line.npos ? "; hint: this line has spaces instead" : "");
    }
    for (std::size_t i = 0; i < field_count; ++i) {
      const std::size_t tab = line.find('\t');
      fields[i] = line.substr(0, tab);
      line.remove_prefix(tab == line.npos ? line.size() : tab + 1);
      if (fields[i].empty()) reject("field {} ({}) is empty; expected _ where there is nothing", i + 1, field_names[i]);
      if (i != form && i != lemma && i != misc && fields[i].find(' ') != std::string_view::npos)
        reject("a space in field {} ({}); got {}", i + 1, field_names[i], quote(fields[i]));
    }
    return fields;
  }

  void expect_nothing(const Fields& fields, Field field, const char* line_kind) const {
    if (fields[field] != "_")
      reject("{} has a value in field {} ({}); got {}; expected _", line_kind, field + 1, field_names[field],
             quote(fields[field]));
  }

  void read_comment(std::string_view line) {
    if (words_read() > 0 || range_line_ != 0 || empty_nodes_ != 0)
      reject("a comment inside a sentence; got {}; expected comments before the sentence's first word", quote(line));
    line.remove_prefix(line.starts_with("# ") ? 2 : 1);
    sentence_.comments.emplace_back(line);
    const auto value_of = [&](std::string_view key, std::string& value) {
      if (!line.starts_with(key)) return;
      std::string_view rest = line.substr(key.size());
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      if (!rest.starts_with('=')) return;
      rest.remove_prefix(1);
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      value = rest;
    };
    value_of("sent_id", sentence_.id);
    value_of("text", sentence_.text);
  }

  void read_word(const Fields& fields) {
    const std::int64_t expected = words_read() + 1;
    if (parse_number(fields[id]) != expected)
      reject("word ids are not 1, 2, …; got {}; expected {}", quote(fields[id]), expected);
    const std::string_view tag = fields[upos];
    if (!std::binary_search(tags.begin(), tags.end(), tag) && !(options_.untagged && tag == "_"))
      reject("unknown universal tag; got {}; expected one of {}", quote(tag), fmt::join(tags, " "));
    if (words_read() + 1 > range_end_) add_to_surface(fields);
    sentence_.words.emplace_back(fields[form]);
    sentence_.tags.emplace_back(tag);
    sentence_.lines.push_back(line_);
    empty_nodes_ = 0;
  }

  // "2-3": the surface token that the words 2 and 3 are parts of.
  void read_range(const Fields& fields) {
    const std::string_view text = fields[id];
    const std::size_t dash = text.find('-');
    const auto begin = parse_number(text.substr(0, dash)), end = parse_number(text.substr(dash + 1));
    if (!begin || !end || *begin < 1) reject("malformed range; got {}; expected two word ids as in 2-3", quote(text));
    if (*end < *begin) reject("a range that ends before it begins; got {}", quote(text));
    if (*begin <= range_end_)
      reject("overlapping ranges; got {}; expected a range after {}-{} (line {})", quote(text), range_begin_,
             range_end_, range_line_);
    const std::int64_t expected = words_read() + 1;
    if (*begin != expected)
      reject("a range that is not before its first word; got {}; expected {}-…", quote(text), expected);
    for (const Field field : {lemma, upos, xpos, head, deprel, deps})
      expect_nothing(fields, field, "a multiword token");
    if (fields[feats] != "Typo=Yes") expect_nothing(fields, feats, "a multiword token");
    range_begin_ = *begin;
    range_end_ = *end;
    range_line_ = line_;
    add_to_surface(fields);
  }

  void add_to_surface(const Fields& fields) {
    if (space_after_) sentence_.surface += ' ';
    sentence_.surface += fields[form];
    space_after_ = true;
    for (std::string_view rest = fields[misc]; !rest.empty();) {
      const std::size_t end = std::min(rest.find('|'), rest.size());
      if (rest.substr(0, end) == "SpaceAfter=No") space_after_ = false;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  // "2.1": the first word after word 2 that was not said.
  void read_empty_node(const Fields& fields) {
    const std::string_view text = fields[id];
    const std::size_t dot = text.find('.');
    const auto after = parse_number(text.substr(0, dot)), number = parse_number(text.substr(dot + 1));
    if (!after || !number || *number < 1)
      reject("malformed id of an empty node; got {}; expected one as in 2.1", quote(text));
    if (*after != words_read() || *number != empty_nodes_ + 1)
      reject("empty node out of order; got {}; expected {}.{}", quote(text), words_read(), empty_nodes_ + 1);
    if (after_range_line())
      reject("an empty node between a range and its first word; got {}; expected it before line {}", quote(text),
             range_line_);
    for (const Field field : {head, deprel}) expect_nothing(fields, field, "an empty node");
    if (fields[deps] == "_") reject("an empty node has nothing in field 9 (DEPS)");
    empty_nodes_ = *number;
  }

  void finish_sentence() {
    if (sentence_.words.empty())
      reject("a sentence without words; expected a word line after line {}", std::max(sentence_.line, line_ - 1));
    if (range_end_ > words_read())
      fail(ErrorKind::io, "{}:{}: a range beyond the sentence's last word; got {}-{}; expected at most {}",
           corpus_.name, range_line_, range_begin_, range_end_, words_read());
    corpus_.sentences.push_back(std::move(sentence_));
    sentence_ = {};
    space_after_ = false;
    range_begin_ = range_end_ = range_line_ = empty_nodes_ = 0;
  }

  std::string_view rest_;
  ConlluOptions options_;
  Corpus corpus_;
  std::int64_t line_ = 0;
  std::map<std::string_view, bool> noted_;

  Sentence sentence_;             // the one being read; its line is 0 between sentences
  bool space_after_ = false;      // the last token of its surface
  std::int64_t range_begin_ = 0;  // the last range of the sentence
  std::int64_t range_end_ = 0;
  std::int64_t range_line_ = 0;
  std::int64_t empty_nodes_ = 0;  // since the last word
};

}  // namespace

std::int64_t Corpus::word_count() const {
  std::int64_t count = 0;
  for (const Sentence& sentence : sentences) count += static_cast<std::int64_t>(sentence.words.size());
  return count;
}

std::span<const std::string_view> universal_tags() { return tags; }

Corpus parse_conllu(std::string_view text, std::string_view name, const ConlluOptions& options) {
  return Parser(text, name, options).run();
}

Corpus read_conllu(const std::string& path, const ConlluOptions& options) {
  return parse_conllu(read_file(path), path, options);
}

Corpus read_conllu(std::istream& stream, std::string_view name, const ConlluOptions& options) {
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) fail(ErrorKind::io, "{}: cannot read", name);
  return parse_conllu(text, name, options);
}

}  // namespace data
}  // namespace saw
