// The readers of tables, JSON Lines, word vectors and vocabularies on any bytes.

#include "saw/data/json_lines.h"
#include "saw/data/table.h"
#include "saw/data/vocabulary.h"
#include "saw/data/word_vectors.h"
#include "support.h"

namespace {

using namespace saw;

void read_table(const std::string& path, data::TableFormat format, bool header) {
  const data::Table table = data::read_table(path, {.format = format, .header = header});
  std::size_t bytes = 0;
  for (const data::TableRow row : table)
    for (std::int64_t i = 0; i < row.size(); ++i) bytes += row.text(i).size();
  fuzz::require(table.empty() || bytes > 0 || table[0].size() >= 1, "a row has no field");
}

void read_json_lines(const std::string& path) {
  for (data::JsonLinesReader lines(path); lines.next();)
    for (const std::string& field : lines.fields()) fuzz::require(!lines.json(field).empty(), "a field has no value");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // What is counted is the memory of tensors; the readers of text have none but word vectors, whose vocabulary is
  // small.
  constexpr fuzz::MemoryBound bound{.factor = 20};
  for (const bool header : {true, false}) {
    fuzz::run(data, size, bound,
              [=](const std::string& path) { read_table(path, saw::data::TableFormat::csv, header); });
    fuzz::run(data, size, bound,
              [=](const std::string& path) { read_table(path, saw::data::TableFormat::tsv, header); });
  }
  fuzz::run(data, size, bound, read_json_lines);
  fuzz::run(data, size, bound, [](const std::string& path) {
    fuzz::touch(
        saw::data::read_word_vectors(path, saw::data::Vocabulary({"saw", "a", "Saw"}), {.lower_case = true}).matrix);
  });
  fuzz::run(data, size, bound, [](const std::string& path) {
    const saw::data::Vocabulary vocabulary = saw::data::Vocabulary::load(path);
    fuzz::require(saw::data::Vocabulary::parse(vocabulary.text(), path) == vocabulary,
                  "a vocabulary is not what it wrote");
  });
  return 0;
}
