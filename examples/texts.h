#pragma once

// Tables `label<TAB>text` as numbers.

#include <fmt/format.h>
#include <saw/saw.h>

#include <array>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace saw::examples {

inline constexpr std::int64_t longest_text = 1000;  // words; what comes after them is not looked at

inline std::vector<std::string> words_of(std::string_view text) { return data::tokenize(data::lower_case(text)); }

/// Texts as the models see them.
struct TextBatch {
  Tensor words;    ///< (N) ids
  Segments texts;  ///< one for each text
  Tensor labels;   ///< (B)
};

/// Some rows of a table of labels and texts.
struct Texts {
  std::shared_ptr<const data::Table> table;
  std::vector<std::int64_t> rows;
  std::vector<std::vector<std::string>> words;
  std::vector<std::vector<std::int64_t>> ids;  // of the words
  std::vector<std::int64_t> labels;

  Texts() = default;
  Texts(std::shared_ptr<const data::Table> all, std::vector<std::int64_t> chosen)
      : table(std::move(all)), rows(std::move(chosen)) {
    for (const std::int64_t row : rows) words.push_back(words_of((*table)[row]["text"]));
  }
  std::int64_t size() const { return static_cast<std::int64_t>(rows.size()); }
  data::TableRow row(std::size_t text) const { return (*table)[rows[text]]; }

  /// The words that occur at least twice: what stands for all others is trained on those that occur once.
  data::Vocabulary frequent_words() const {
    data::Counter counter;
    for (const auto& text : words)
      for (const std::string& word : text) counter.add(word);
    return data::Vocabulary(counter, {.minimum_count = 2});
  }
  data::Vocabulary different_labels() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < rows.size(); ++i) all.emplace_back(row(i)["label"]);
    return data::Vocabulary::of_labels(all);
  }
  /// Throws Error(io) `file:line: …` for a label that is none of these.
  void number(const data::Vocabulary& known_words, const data::Vocabulary& known_labels) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto label = known_labels.find(row(i)["label"]);
      if (!label) row(i).reject("label", "is none of those trained on");
      labels.push_back(*label);
      ids.push_back(known_words.ids(words[i]));
      if (static_cast<std::int64_t>(ids.back().size()) > longest_text) ids.back().resize(longest_text);
    }
  }
  TextBatch batch(std::span<const std::int64_t> numbers) const {
    const data::Packed packed = data::pack_ids(ids, numbers);
    return {packed.rows, packed.segments, data::pack_labels(labels, numbers)};
  }
  std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> result;
    for (const auto& text : ids) result.push_back(static_cast<std::int64_t>(text.size()));
    return result;
  }
};

inline std::shared_ptr<const data::Table> read_texts(const std::string& path) {
  auto table =
      std::make_shared<const data::Table>(data::read_table(path, {.header = false, .columns = {"label", "text"}}));
  if (table->empty()) throw Error(ErrorKind::io, path + ": has no texts");
  for (const data::TableRow row : *table)
    if (row["label"].empty()) row.reject("label", "is empty");
  return table;
}

inline Texts all_texts(const std::string& path) {
  const auto table = read_texts(path);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(table->size()));
  std::iota(rows.begin(), rows.end(), 0);
  return {table, rows};
}

/// Three parts of one file, 80, 10 and 10 %, with the labels in the same proportions.
inline std::array<Texts, 3> split_texts(const std::string& path, std::int64_t seed) {
  const auto table = read_texts(path);
  const auto labels = data::numbers_of(table->texts("label"));
  const auto parts = data::split(table->size(), {.seed = static_cast<std::uint64_t>(seed), .labels = labels});
  for (const auto& part : parts)
    if (part.empty()) throw Error(ErrorKind::io, path + ": has too few texts for three parts");
  return {Texts(table, parts[0]), Texts(table, parts[1]), Texts(table, parts[2])};
}

}  // namespace saw::examples
