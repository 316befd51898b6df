#pragma once

// Texts for language models: lines of a file, or the sentences of a treebank.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text_units.h"

namespace saw::examples {

inline constexpr std::int64_t longest_line = 20000;  // bytes: a text is looked at whole

/// What a model gives probabilities to, one text after the other.
struct LanguageTexts {
  std::vector<std::string> texts;
  std::int64_t left_out = 0;  ///< with skip_bad: lines or sentences

  std::int64_t size() const { return std::ssize(texts); }
  /// Code points, and the end of each text.
  std::int64_t characters() const {
    std::int64_t sum = 0;
    for (const std::string& text : texts) sum += characters_of(text);
    return sum;
  }
  static std::int64_t characters_of(const std::string& text) {
    return 1 + std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
  }
};

/// Lines of CoNLL-U as their sentences' texts: what the comment `text = …` says, else the forms.
inline void add_sentences(const std::string& lines, const std::string& name, LanguageTexts& to) {
  for (const data::Sentence& sentence : data::parse_conllu(lines, name, {.untagged = true}).sentences) {
    const std::string& text = sentence.text.empty() ? sentence.surface : sentence.text;
    if (std::ssize(text) > longest_line)
      throw Error(ErrorKind::io, fmt::format("{}:{}: the sentence is too long; got {} bytes; expected at most {}", name,
                                             sentence.line, text.size(), longest_line));
    to.texts.push_back(text);
  }
}

/// Whether that is a line of words in CoNLL-U.
inline bool is_word_line(std::string_view line) {
  return !line.empty() && line[0] == '1' && std::count(line.begin(), line.end(), '\t') == 9;
}

/// The texts of a file: of CoNLL-U (by the name, or by the first line that is no comment) its sentences, else its lines
/// that are not blank. Throws Error(io) `file:line: …` for what is not UTF-8, too long, or not CoNLL-U, unless
/// skip_bad.
inline LanguageTexts read_language_texts(const std::string& path, bool skip_bad) {
  LanguageTexts result;
  std::vector<std::optional<std::string>> lines;  // nothing: a bad one
  std::optional<bool> is_conllu;
  if (path.ends_with(".conllu") || path.ends_with(".conll")) is_conllu = true;
  data::LineReader reader(path, {.longest = longest_line});
  for (std::int64_t last = 0;; last = reader.number()) {
    try {
      if (!reader.next()) break;
      lines.emplace_back(reader.line());
      if (!is_conllu && !lines.back()->empty() && lines.back()->front() != '#') is_conllu = is_word_line(*lines.back());
    } catch (const Error&) {
      if (!skip_bad || reader.number() == last) throw;  // the file cannot be read on
      lines.emplace_back();
    }
  }
  if (is_conllu.value_or(false)) {
    std::string block;  // what is read at once: with skip_bad a sentence, else everything
    bool is_bad = false;
    const auto finish = [&] {
      try {
        if (is_bad) ++result.left_out;
        if (!is_bad && block.find_first_not_of('\n') != std::string::npos) add_sentences(block, path, result);
      } catch (const Error&) {
        if (!skip_bad) throw;
        ++result.left_out;
      }
      block.clear();
      is_bad = false;
    };
    for (const auto& line : lines) {
      is_bad = is_bad || !line;
      if (line) block += *line + '\n';
      if (skip_bad && line && line->empty()) finish();
    }
    finish();
  } else {
    for (auto& line : lines) {
      if (!line)
        ++result.left_out;
      else if (line->find_first_not_of(" \t") != std::string::npos)
        result.texts.push_back(std::move(*line));
    }
  }
  if (result.texts.empty()) throw Error(ErrorKind::io, path + ": has no text");
  return result;
}

/// 80, 10 and 10 % of the texts, chosen by the seed.
inline std::array<LanguageTexts, 3> split_language_texts(const LanguageTexts& all, std::int64_t seed) {
  std::array<LanguageTexts, 3> result;
  const auto parts = data::split(all.size(), {.seed = static_cast<std::uint64_t>(seed)});
  for (std::size_t part = 0; part < 3; ++part)
    for (const std::int64_t number : parts[part])
      result[part].texts.push_back(all.texts[static_cast<std::size_t>(number)]);
  result[0].left_out = all.left_out;
  return result;
}

/// The project's own sentences: those of the treebank, and those of the texts with labels.
inline LanguageTexts own_texts(const std::string& part) {
  LanguageTexts result = read_language_texts(SAW_EXAMPLES_CORPUS "/" + part + ".conllu", false);
  const data::Table table =
      data::read_table(SAW_EXAMPLES_CORPUS "/texts/" + part + ".tsv", {.header = false, .columns = {"label", "text"}});
  for (const data::TableRow row : table) result.texts.emplace_back(row["text"]);
  return result;
}

/// Texts as a model sees them, and what it does not see of them.
struct NumberedTexts {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<double> unseen_bits;  ///< of each text, for what its unknown characters are
  std::int64_t characters = 0;

  NumberedTexts() = default;
  NumberedTexts(const LanguageTexts& texts, const TextUnits& units) : characters(texts.characters()) {
    // All code points but surrogates, as if each were as likely: then probabilities are those of the text itself, and
    // no model gains by knowing fewer characters.
    const double bits_of_unknown = std::log2(0x110000 - 0x800);
    const std::int64_t unknown = units.role("unknown");
    for (const std::string& text : texts.texts) {
      ids.push_back(units.encode(text));
      unseen_bits.push_back(bits_of_unknown *
                            static_cast<double>(std::count(ids.back().begin(), ids.back().end(), unknown)));
    }
  }
  std::int64_t size() const { return std::ssize(ids); }
  /// Rows of each text: its units and its end.
  std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> result;
    for (const auto& text : ids) result.push_back(std::ssize(text) + 1);
    return result;
  }
};

}  // namespace saw::examples
