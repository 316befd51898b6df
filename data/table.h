#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/data/string_map.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Tables as people have them: CSV and TSV, whole or row by row. All errors of files are Error(io)
// `file:line: column "name": …`; what they quote of the file is short and without control characters.

/// How fields are written.
enum class TableFormat : std::uint8_t {
  by_name,  ///< csv for a file whose name ends in .csv, else tsv
  csv,      ///< RFC 4180: fields between commas; one in quotation marks may hold commas, line ends, and "" for a mark
  tsv       ///< fields between tabs, as they are: a quotation mark is a character like any other
};

/// How a table is read, and how large it may be.
struct TableOptions {
  TableFormat format = TableFormat::by_name;  ///< how fields are written
  bool header = true;                         ///< the first line has the names of the columns
  /// Without a header: the names of the columns, all of them. With one: names that it must have.
  std::vector<std::string> columns = {};
  char separator = 0;                                    ///< between fields; 0: the format's (CSV also has ';')
  std::int64_t longest_field = std::int64_t{1} << 24;    ///< bytes
  std::int64_t longest_row = std::int64_t{1} << 26;      ///< bytes
  std::uint64_t largest_table = std::uint64_t{1} << 32;  ///< bytes of a table that is read whole
};

/// What all rows of a table share: what messages call the file, and the names of the columns.
struct TableHead {
  std::string name = {};                  ///< the path, or what text in memory is called
  std::vector<std::string> columns = {};  ///< empty where nothing names them
  StringMap<std::int64_t> numbers = {};   ///< of the columns, by name
  std::int64_t count = 0;                 ///< of the columns
};

/// A row: a view of what its table or reader holds.
class TableRow {
 public:
  /// For Table and TableReader. `ends`: where each field ends in `text`, after `begin`, where the first one begins.
  TableRow(const TableHead& head, std::string_view text, std::uint64_t begin, std::span<const std::uint64_t> ends,
           std::int64_t line)
      : head_(&head), text_(text), begin_(begin), ends_(ends), line_(line) {}

  std::int64_t size() const { return static_cast<std::int64_t>(ends_.size()); }  ///< fields
  /// The line of the file on which the row begins, from 1.
  std::int64_t line() const { return line_; }

  /// A field by the number of its column. Throws Error(index) for one that the table does not have.
  std::string_view text(std::int64_t column) const;
  /// A field by the name of its column. Throws Error(argument), which lists the names, for one that no column has.
  std::string_view text(std::string_view column) const { return text(number_of(column)); }
  std::string_view operator[](std::int64_t column) const { return text(column); }      ///< text(column)
  std::string_view operator[](std::string_view column) const { return text(column); }  ///< text(column)

  /// A field as an integer; spaces around it do not matter. Throws Error(io) for anything else (1.0 too) and for
  /// integers beyond 64 bits.
  std::int64_t integer(std::int64_t column) const;
  std::int64_t integer(std::string_view column) const { return integer(number_of(column)); }
  /// A field as a finite number. Throws Error(io) for anything else, "nan" and "inf" too.
  double number(std::int64_t column) const;
  double number(std::string_view column) const { return number(number_of(column)); }

  /// Throws Error(io) `file:line: column "name": what; got "…"`, for a field that the caller cannot use.
  [[noreturn]] void reject(std::int64_t column, std::string_view what) const;
  [[noreturn]] void reject(std::string_view column, std::string_view what) const { reject(number_of(column), what); }

 private:
  std::int64_t number_of(std::string_view column) const;

  const TableHead* head_;
  std::string_view text_;
  std::uint64_t begin_;
  std::span<const std::uint64_t> ends_;
  std::int64_t line_;
};

/// The rows of a table, one after the other; memory is that of one row. Byte order marks, carriage returns before line
/// feeds, empty lines and a missing last line end are no matter.
///
///   for (data::TableReader reader("reviews.csv"); reader.next();) use(reader.row().text("review"));
///
/// Throws Error(io) for a file that cannot be read or has no header; an empty, unusual or UTF-16 header's names; a row
/// with more or fewer fields than the others; invalid UTF-8 and NUL bytes; fields and rows beyond their limits; and in
/// CSV for quotation marks that are not closed, stand inside a field without them or are followed by text. Throws
/// Error(argument) for options that contradict each other.
class TableReader {
 public:
  /// Opens a file, and reads its header.
  explicit TableReader(const std::string& path, const TableOptions& options = {});
  /// Of text in memory, which must outlive the reader; `name` is what messages call it.
  TableReader(std::string_view text, const std::string& name, const TableOptions& options = {});
  ~TableReader();
  TableReader(TableReader&&) noexcept;
  TableReader& operator=(TableReader&&) noexcept;

  /// Goes to the next row; false where there is none.
  bool next();
  /// The current row, until next().
  TableRow row() const;
  /// The names of the columns; empty where nothing names them.
  const std::vector<std::string>& columns() const;

 private:
  friend class Table;
  struct State;
  std::unique_ptr<State> state_;
};

/// A table in memory.
class Table {
 public:
  Table() : head_(std::make_shared<TableHead>()) {}
  /// All rows that are left in a reader.
  explicit Table(TableReader reader);

  std::int64_t size() const { return static_cast<std::int64_t>(lines_.size()); }  ///< rows, without the header
  bool empty() const { return lines_.empty(); }                                   ///< no rows
  /// A row; valid as long as the table. Throws Error(index).
  TableRow operator[](std::int64_t row) const;
  /// Their names; empty where nothing names them.
  const std::vector<std::string>& columns() const { return head_->columns; }
  bool has_column(std::string_view name) const { return head_->numbers.contains(name); }  ///< whether one has that name

  /// A column, whole.
  template <class Column>
  std::vector<std::string> texts(const Column& column) const {
    return gather<std::string>([&](const TableRow& row) { return std::string(row.text(column)); });
  }
  /// A column of integers; throws as TableRow::integer().
  template <class Column>
  std::vector<std::int64_t> integers(const Column& column) const {
    return gather<std::int64_t>([&](const TableRow& row) { return row.integer(column); });
  }
  /// A column of numbers; throws as TableRow::number().
  template <class Column>
  std::vector<double> numbers(const Column& column) const {
    return gather<double>([&](const TableRow& row) { return row.number(column); });
  }

  class Iterator {
   public:
    Iterator(const Table& table, std::int64_t row) : table_(&table), row_(row) {}
    TableRow operator*() const { return (*table_)[row_]; }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return row_ == other.row_; }

   private:
    const Table* table_;
    std::int64_t row_;
  };
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  template <class T, class F>
  std::vector<T> gather(const F& field) const {
    std::vector<T> result;
    result.reserve(lines_.size());
    for (std::int64_t i = 0; i < size(); ++i) result.push_back(field((*this)[i]));
    return result;
  }

  std::shared_ptr<const TableHead> head_;
  std::string text_;                 // all fields, one after the other
  std::vector<std::uint64_t> ends_;  // of each field
  std::vector<std::int64_t> lines_;  // of each row
};

/// Reads a table whole. Throws Error(io) as TableReader does, and for more than options.largest_table bytes of fields.
///
///   const data::Table reviews = data::read_table("reviews.tsv", {.header = false, .columns = {"label", "text"}});
///   for (const data::TableRow row : reviews) count(row["label"]);
Table read_table(const std::string& path, const TableOptions& options = {});
/// The same of text in memory.
Table parse_table(std::string_view text, const std::string& name, const TableOptions& options = {});

/// Writes a table with a header, whole or not at all: CSV with CRLF line ends and quotation marks where a field needs
/// them, or TSV with line feeds. `by_name` goes by the path. Throws Error(argument) for rows of another length than
/// `columns`, and for tabs and line ends in TSV; Error(io) where the file cannot be written.
void write_table(const std::string& path, const std::vector<std::string>& columns,
                 std::span<const std::vector<std::string>> rows, TableFormat format = TableFormat::by_name);

/// A field as CSV has it: in quotation marks where it needs them.
std::string csv_field(std::string_view text);

}  // namespace data
}  // namespace saw
