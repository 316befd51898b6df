#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// How long a line may be.
struct JsonLinesOptions {
  std::int64_t longest_line = std::int64_t{1} << 24;  ///< bytes
  std::int64_t deepest = 100;                         ///< objects and lists within one another
};

/// JSON Lines (https://jsonlines.org): an object on each line, its fields by name; memory is that of one line. Byte
/// order marks, carriage returns before line feeds, empty lines and a missing last line end are no matter.
///
///   for (data::JsonLinesReader lines("reviews.jsonl"); lines.next();) use(lines.text("review"),
///   lines.integer("stars"));
///
/// All errors are Error(io): `file:line: column 17: not JSON; …` for a line that is not one JSON object (a name given
/// twice, invalid UTF-8 and nesting too deep among them), `file:line: "stars": got a string; expected an integer` for a
/// field that is missing or of another type.
class JsonLinesReader {
 public:
  /// Opens a file.
  explicit JsonLinesReader(const std::string& path, const JsonLinesOptions& options = {});
  /// Of text in memory, which must outlive the reader; `name` is what messages call it.
  JsonLinesReader(std::string_view text, const std::string& name, const JsonLinesOptions& options = {});
  ~JsonLinesReader();
  JsonLinesReader(JsonLinesReader&&) noexcept;
  JsonLinesReader& operator=(JsonLinesReader&&) noexcept;

  /// Goes to the next object; false where there is none.
  bool next();
  /// The current line of the file, from 1.
  std::int64_t line() const;

  // ---- the fields of the current object ----

  /// In the order of their names.
  std::vector<std::string> fields() const;
  /// Whether there is such a field and it is not null.
  bool has(std::string_view field) const;
  const std::string& text(std::string_view field) const;  ///< a string
  /// An integer of 64 bits; 3.0 is none.
  std::int64_t integer(std::string_view field) const;
  /// A number, integers too.
  double number(std::string_view field) const;
  bool boolean(std::string_view field) const;  ///< true or false
  /// Lists; `"tokens"[2]` in messages is the third element.
  std::vector<std::string> texts(std::string_view field) const;
  std::vector<std::int64_t> integers(std::string_view field) const;  ///< a list of integers
  std::vector<double> numbers(std::string_view field) const;         ///< a list of numbers
  /// Any field as JSON text.
  std::string json(std::string_view field) const;

  /// Throws Error(io) `file:line: "field": what; got …`, for a field that the caller cannot use.
  [[noreturn]] void reject(std::string_view field, std::string_view what) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace data
}  // namespace saw
