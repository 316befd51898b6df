#include "saw/data/word_vectors.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/data/internal/line_source.h"
#include "saw/data/internal/number.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

constexpr std::uint64_t vector_stream = std::uint64_t{0xF} << 60;  // nothing else draws from it
constexpr std::int64_t largest_width = 1 << 16;

bool is_space(char c) { return c == ' ' || c == '\t'; }

/// The fields of a line between spaces or tabs.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0; begin < line.size();) {
    if (is_space(line[begin])) {
      ++begin;
      continue;
    }
    const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return fields;
}

/// "count d" of word2vec's form.
std::optional<std::pair<std::int64_t, std::int64_t>> header_of(const std::vector<std::string_view>& fields) {
  if (fields.size() != 2) return std::nullopt;
  const auto count = parse_integer(fields[0]), width = parse_integer(fields[1]);
  if (!count.error.empty() || !width.error.empty() || count.value < 0 || width.value < 1) return std::nullopt;
  return std::pair{count.value, width.value};
}

class Reader {
 public:
  Reader(const std::string& path, const Vocabulary& vocabulary, const WordVectorOptions& options)
      : lines_(path, path, options.longest_line), vocabulary_(vocabulary), options_(options) {
    result_.is_found.assign(static_cast<std::size_t>(vocabulary.size()), false);
    exact_ = result_.is_found;
    if (!options.lower_case) return;
    for (std::int64_t id = vocabulary.role_count(); id < vocabulary.size(); ++id) {
      std::string lower = lower_case(vocabulary.word(id));
      if (lower != vocabulary.word(id)) by_lower_case_[std::move(lower)].push_back(id);
    }
  }

  WordVectors read() && {
    std::optional<std::int64_t> announced;
    bool at_beginning = true;
    while (lines_.next()) {
      if (lines_.line().find_first_not_of(" \t") == std::string::npos) continue;
      if (std::exchange(at_beginning, false)) {
        const std::vector<std::string_view> fields = fields_of(lines_.line());
        if (const auto header = header_of(fields)) {
          announced = header->first;
          begin(header->second);
          continue;
        }
        begin(std::ssize(fields) - 1);
      }
      read_line();
    }
    if (at_beginning) fail(ErrorKind::io, "{}: the file is empty; expected word vectors", lines_.name());
    if (result_.in_file == 0) reject("the file has no vector");
    if (announced && *announced != result_.in_file)
      reject(fmt::format("the file ends after {} vectors; expected {} as its first line says", result_.in_file,
                         *announced));
    result_.found = std::count(result_.is_found.begin(), result_.is_found.end(), true);
    fill_missing();
    return std::move(result_);
  }

 private:
  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorKind::io, "{}:{}: {}", lines_.name(), lines_.number(), what);
  }

  void begin(std::int64_t width) {
    if (width < 1 || width > largest_width)
      reject(fmt::format("not word vectors; got {} after {} fields; expected a word and 1 to {} numbers",
                         quote(lines_.line()), width + 1, largest_width));
    width_ = width;
  }

  /// The last numbers are the vector; the word before them may have spaces (GloVe's ". . .").
  void read_line() {
    const std::string& line = lines_.line();
    std::vector<std::string_view> fields = fields_of(line);
    if (std::ssize(fields) < width_ + 1)
      reject(fmt::format("wrong number of fields; got {}; expected a word and {} numbers", fields.size(), width_));
    if (result_.in_file++ == 0) {  // not before: a line that announces a large width costs nothing
      result_.matrix = Tensor::empty({vocabulary_.size(), width_}, DType::float32);
      result_.matrix.zero_();
    }
    const std::span<const std::string_view> numbers = std::span(fields).last(static_cast<std::size_t>(width_));
    std::string_view word(line.data(), static_cast<std::size_t>(numbers[0].data() - line.data()));
    while (!word.empty() && is_space(word.back())) word.remove_suffix(1);
    while (!word.empty() && is_space(word.front())) word.remove_prefix(1);
    if (const auto id = vocabulary_.find(word); id && !exact_[static_cast<std::size_t>(*id)]) {
      exact_[static_cast<std::size_t>(*id)] = true;
      put(*id, word, numbers);
    }
    if (const auto ids = by_lower_case_.find(word); ids != by_lower_case_.end())
      for (const std::int64_t id : ids->second)
        if (!result_.is_found[static_cast<std::size_t>(id)]) put(id, word, numbers);
  }

  void put(std::int64_t id, std::string_view word, std::span<const std::string_view> numbers) {
    float* row = result_.matrix.mutable_data<float>() + id * width_;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto parsed = parse_number(numbers[i]);
      const auto value = static_cast<float>(parsed.value);
      if (!parsed.error.empty() || !std::isfinite(value))
        reject(fmt::format("number {} of the vector of {}: {}; got {}", i + 1, quote(word),
                           parsed.error.empty() ? "beyond the range of float32" : parsed.error, quote(numbers[i])));
      row[i] = value;
    }
    result_.is_found[static_cast<std::size_t>(id)] = true;
  }

  void fill_missing() {
    float* values = result_.matrix.mutable_data<float>();
    double sum = 0, squares = 0;
    const auto count = static_cast<double>(result_.found * width_);
    for (std::int64_t id = 0; id < vocabulary_.size(); ++id) {
      if (!result_.is_found[static_cast<std::size_t>(id)]) continue;
      for (std::int64_t i = 0; i < width_; ++i) {
        const double value = values[id * width_ + i];
        sum += value;
        squares += value * value;
      }
    }
    constexpr double usual = 0.1;  // where nothing is found
    const double mean = count > 0 ? sum / count : 0;
    const double deviation = count > 0 ? std::sqrt(std::max(squares / count - mean * mean, 0.0)) : usual;
    const RandomStream random(options_.seed, vector_stream);
    for (std::int64_t id = 0; id < vocabulary_.size(); ++id) {
      if (result_.is_found[static_cast<std::size_t>(id)] || id == vocabulary_.padding_id()) continue;
      for (std::int64_t i = id * width_; i < (id + 1) * width_; ++i)
        values[i] = static_cast<float>(deviation * random.normal(static_cast<std::uint64_t>(i)));
    }
  }

  LineSource lines_;
  const Vocabulary& vocabulary_;
  const WordVectorOptions& options_;
  StringMap<std::vector<std::int64_t>> by_lower_case_;  // words that have capitals
  std::vector<bool> exact_;                             // found as they are
  WordVectors result_;
  std::int64_t width_ = 0;
};

}  // namespace

WordVectors read_word_vectors(const std::string& path, const Vocabulary& vocabulary, const WordVectorOptions& options) {
  if (vocabulary.size() == 0) fail(ErrorKind::argument, "read_word_vectors: the vocabulary is empty");
  return Reader(path, vocabulary, options).read();
}

}  // namespace data
}  // namespace saw
