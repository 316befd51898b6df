#include "saw/data/table.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/byte_source.h"
#include "saw/data/internal/number.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

std::string column_name(const TableHead& head, std::int64_t column) {
  const bool named = column < std::ssize(head.columns);
  return named ? quote(head.columns[static_cast<std::size_t>(column)]) : std::to_string(column + 1);
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t most = 20;
  std::string result;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) result += (i == 0 ? "" : ", ") + quote(names[i]);
  return names.size() > most ? result + ", …" : result;
}

TableFormat format_of(TableFormat format, std::string_view path) {
  if (format != TableFormat::by_name) return format;
  return lower_case(path.substr(path.size() - std::min<std::size_t>(path.size(), 4))) == ".csv" ? TableFormat::csv
                                                                                                : TableFormat::tsv;
}

void check_options(const TableOptions& options) {
  const auto check = [](const char* name, std::int64_t value) {
    if (value < 1) fail(ErrorKind::argument, "table: {}; got {}; expected at least 1", name, value);
  };
  check("longest_field", options.longest_field);
  check("longest_row", options.longest_row);
  const char separator = options.separator;
  if (separator == '"' || separator == '\r' || separator == '\n' || static_cast<unsigned char>(separator) >= 0x80)
    fail(ErrorKind::argument, "table: separator; got {}; expected a character of ASCII, no quotation mark or line end",
         quote({&separator, 1}));
}

}  // namespace

// ---- rows ----

std::string_view TableRow::text(std::int64_t column) const {
  if (column < 0 || column >= size())
    fail(ErrorKind::index, "{}: number of a column; got {}; expected 0 to {}", head_->name, column, size() - 1);
  const auto i = static_cast<std::size_t>(column);
  const std::uint64_t begin = i == 0 ? begin_ : ends_[i - 1];
  return text_.substr(begin, ends_[i] - begin);
}

std::int64_t TableRow::number_of(std::string_view column) const {
  const auto found = head_->numbers.find(column);
  if (found == head_->numbers.end())
    fail(ErrorKind::argument, "{}: no column named {}; expected one of {}", head_->name, quote(column),
         head_->columns.empty() ? "none: TableOptions::columns names them" : list_of(head_->columns));
  return found->second;
}

std::int64_t TableRow::integer(std::int64_t column) const {
  const auto parsed = parse_integer(text(column));
  if (!parsed.error.empty()) reject(column, parsed.error);
  return parsed.value;
}

double TableRow::number(std::int64_t column) const {
  const auto parsed = parse_number(text(column));
  if (!parsed.error.empty()) reject(column, parsed.error);
  return parsed.value;
}

void TableRow::reject(std::int64_t column, std::string_view what) const {
  const std::string_view field = text(column);
  const std::string_view before = text_.substr(begin_, static_cast<std::size_t>(field.data() - text_.data()) - begin_);
  fail(ErrorKind::io, "{}:{}: column {}: {}; got {}", head_->name,
       line_ + std::count(before.begin(), before.end(), '\n'), column_name(*head_, column), what, quote(field));
}

// ---- reading ----

struct TableReader::State {
  template <class Source>
  State(const Source& from, const std::string& name, const TableOptions& table_options)
      : source(from),
        options(table_options),
        csv(format_of(options.format, name) == TableFormat::csv),
        separator(options.separator != 0 ? options.separator
                  : csv                  ? ','
                                         : '\t'),
        head(std::make_shared<TableHead>()) {
    head->name = name;
    check_options(options);
    skip_byte_order_mark();
    if (options.header)
      read_header();
    else
      name_columns(options.columns);
  }

  ByteSource source;
  TableOptions options;
  bool csv;
  char separator;
  std::shared_ptr<TableHead> head;

  // The current row.
  std::string text;
  std::vector<std::uint64_t> ends;
  std::int64_t line = 0;        // where it begins
  std::int64_t here = 1;        // where reading is
  std::int64_t field_line = 1;  // where the field begins that is being read

  template <class... Arguments>
  [[noreturn]] void reject(std::int64_t at, fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}:{}: column {}: {}", head->name, at, column_name(*head, std::ssize(ends)),
         fmt::format(format, std::forward<Arguments>(arguments)...));
  }

  std::uint64_t field_begin() const { return ends.empty() ? 0 : ends.back(); }
  std::string_view field() const { return std::string_view(text).substr(field_begin()); }

  void skip_byte_order_mark();
  void read_header();
  void name_columns(const std::vector<std::string>& names);
  bool next();
  bool read_row();
  int read_plain();
  int read_quoted();
  int read_line_end(int byte);
  void add(std::string_view bytes);
  void finish_field();
};

void TableReader::State::skip_byte_order_mark() {
  const std::string_view start = source.ready();
  if (start.starts_with("\xEF\xBB\xBF")) return source.skip(3);
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
    fail(ErrorKind::io, "{}:1: column 1: UTF-16, to judge by its byte order mark; hint: convert the file to UTF-8",
         head->name);
}

void TableReader::State::read_header() {
  if (!read_row()) fail(ErrorKind::io, "{}: the table is empty; expected a header line", head->name);
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < std::ssize(ends); ++i) names.emplace_back(TableRow(*head, text, 0, ends, line).text(i));
  const std::int64_t header_line = line;
  ends.clear();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto [place, is_new] = head->numbers.emplace(names[i], static_cast<std::int64_t>(i));
    if (!is_new && !names[i].empty())
      fail(ErrorKind::io, "{}:{}: column {}: two columns have the name {}; the first is column {}", head->name,
           header_line, i + 1, quote(names[i]), place->second + 1);
  }
  for (const std::string& name : options.columns) {
    if (head->numbers.contains(name)) continue;
    const bool other = names.size() == 1 && names[0].find(csv ? '\t' : ',') != std::string::npos;
    fail(ErrorKind::io, "{}:{}: column {}: there is none; the header has {}{}", head->name, header_line, quote(name),
         list_of(names), other ? (csv ? "; hint: is it TSV?" : "; hint: is it CSV?") : "");
  }
  head->columns = std::move(names);
  head->count = std::ssize(head->columns);
}

void TableReader::State::name_columns(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!head->numbers.emplace(names[i], static_cast<std::int64_t>(i)).second)
      fail(ErrorKind::argument, "table: columns: {} is given twice", quote(names[i]));
  head->columns = names;
  head->count = std::ssize(names);
}

bool TableReader::State::next() {
  if (!read_row()) return false;
  const std::int64_t count = std::ssize(ends);
  if (head->count == 0) head->count = count;  // the first row of a table without names
  if (count != head->count) {
    const std::int64_t last = std::min(count, head->count) - 1;
    fail(ErrorKind::io, "{}:{}: column {}: {} fields; got {}; expected {}{}", head->name, line,
         column_name(*head, count < head->count ? count : last), count < head->count ? "too few" : "too many", count,
         head->count,
         options.header          ? " as in the header"
         : head->columns.empty() ? " as in the first row"
                                 : ", the columns named");
  }
  return true;
}

/// The next row that is not an empty line; false at the end.
bool TableReader::State::read_row() {
  text.clear();
  ends.clear();
  int byte = source.peek();
  while (byte == '\n' || byte == '\r') {  // empty lines
    source.take();
    if (byte == '\r' && source.peek() != '\n' && source.peek() != ByteSource::end) {
      if (csv) reject(here, "a carriage return without a line feed after it; hint: is it a file of an old Macintosh?");
      add("\r");
      break;
    }
    if (byte == '\n') ++here;
    byte = source.peek();
  }
  if (byte == ByteSource::end && text.empty()) return false;
  line = here;
  do {
    field_line = here;
    byte = csv && text.size() == field_begin() && source.peek() == '"' ? read_quoted() : read_plain();
    finish_field();
  } while (byte == separator);
  return true;
}

void TableReader::State::add(std::string_view bytes) {
  text += bytes;
  if (static_cast<std::int64_t>(text.size() - field_begin()) > options.longest_field)
    reject(field_line, "a field of more than {} bytes; got {}; hint: TableOptions::longest_field",
           options.longest_field, quote(field()));
  if (static_cast<std::int64_t>(text.size() + ends.size()) > options.longest_row)
    reject(line, "a row of more than {} bytes; hint: TableOptions::longest_row", options.longest_row);
}

/// A line end that begins with `byte`, which is taken; returns what ended the field.
int TableReader::State::read_line_end(int byte) {
  if (byte == '\n') ++here;
  return byte;
}

/// A field as it is; returns what ended it: the separator, a line feed, or the end.
int TableReader::State::read_plain() {
  for (;;) {
    const std::string_view ready = source.ready();
    if (ready.empty()) {
      if (field().ends_with('\r')) text.pop_back();
      return ByteSource::end;
    }
    std::size_t length = 0;
    while (length < ready.size() && ready[length] != separator && ready[length] != '\n' &&
           !(csv && (ready[length] == '"' || ready[length] == '\r')))
      ++length;
    add(ready.substr(0, length));
    source.skip(length);
    if (length == ready.size()) continue;
    const int byte = source.take();
    if (byte == separator) return byte;
    if (byte == '\n') {
      if (field().ends_with('\r')) text.pop_back();
      return read_line_end(byte);
    }
    if (byte == '"')
      reject(
          here,
          "a quotation mark inside a field that does not begin with one; got {} before it; hint: quote the field and "
          "double the mark, or say that it is TSV",
          quote(field()));
    if (source.peek() == '\n') return read_line_end(source.take());
    if (source.peek() == ByteSource::end) return ByteSource::end;
    reject(here, "a carriage return without a line feed after it; got {} before it; hint: quote the field",
           quote(field()));
  }
}

/// A field in quotation marks, likewise.
int TableReader::State::read_quoted() {
  source.take();
  for (;;) {
    const std::string_view ready = source.ready();
    if (ready.empty()) reject(field_line, "a quotation mark that is not closed; got {} after it", quote(field()));
    const std::size_t length = std::min(ready.find('"'), ready.size());
    here += std::count(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(length), '\n');
    add(ready.substr(0, length));
    source.skip(length);
    if (length == ready.size()) continue;
    source.take();
    const int byte = source.peek();
    if (byte == '"') {
      add("\"");
      source.take();
      continue;
    }
    if (byte == ByteSource::end) return byte;
    source.take();
    if (byte == separator) return byte;
    if (byte == '\r' && source.peek() == ByteSource::end) return ByteSource::end;
    if (byte == '\n' || (byte == '\r' && source.peek() == '\n'))
      return read_line_end(byte == '\n' ? byte : source.take());
    const char next = static_cast<char>(byte);
    reject(here, "text after the closing quotation mark; got {} after {}; hint: double the marks inside a field",
           quote({&next, 1}), quote(field()));
  }
}

void TableReader::State::finish_field() {
  const std::string_view bytes = field();
  if (bytes.find('\0') != bytes.npos) reject(field_line, "a NUL byte in the field");
  if (const auto at = find_invalid_utf8(bytes))
    reject(field_line, "invalid UTF-8; got byte 0x{:02x} as byte {} of the field; hint: convert the file to UTF-8",
           static_cast<unsigned char>(bytes[*at]), *at + 1);
  ends.push_back(text.size());
}

TableReader::TableReader(const std::string& path, const TableOptions& options)
    : state_(std::make_unique<State>(path, path, options)) {}
TableReader::TableReader(std::string_view text, const std::string& name, const TableOptions& options)
    : state_(std::make_unique<State>(text, name, options)) {}
TableReader::~TableReader() = default;
TableReader::TableReader(TableReader&&) noexcept = default;
TableReader& TableReader::operator=(TableReader&&) noexcept = default;

bool TableReader::next() { return state_->next(); }

TableRow TableReader::row() const { return {*state_->head, state_->text, 0, state_->ends, state_->line}; }

const std::vector<std::string>& TableReader::columns() const { return state_->head->columns; }

// ---- whole tables ----

Table::Table(TableReader reader) : head_(reader.state_->head) {
  TableReader::State& state = *reader.state_;
  while (reader.next()) {
    const std::uint64_t begin = text_.size();
    if (begin + state.text.size() > state.options.largest_table)
      fail(ErrorKind::io,
           "{}:{}: column 1: the table is too large; more than {} bytes; hint: TableReader reads it row "
           "by row",
           head_->name, state.line, state.options.largest_table);
    text_ += state.text;
    for (const std::uint64_t end : state.ends) ends_.push_back(begin + end);
    lines_.push_back(state.line);
  }
}

TableRow Table::operator[](std::int64_t row) const {
  if (row < 0 || row >= size())
    fail(ErrorKind::index, "{}: number of a row; got {}; expected 0 to {}", head_->name, row, size() - 1);
  const auto count = static_cast<std::size_t>(head_->count), first = static_cast<std::size_t>(row) * count;
  return {*head_, text_, first == 0 ? 0 : ends_[first - 1], std::span(ends_).subspan(first, count),
          lines_[static_cast<std::size_t>(row)]};
}

Table read_table(const std::string& path, const TableOptions& options) { return Table(TableReader(path, options)); }

Table parse_table(std::string_view text, const std::string& name, const TableOptions& options) {
  return Table(TableReader(text, name, options));
}

// ---- writing ----

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

void write_table(const std::string& path, const std::vector<std::string>& columns,
                 std::span<const std::vector<std::string>> rows, TableFormat format) {
  const bool csv = format_of(format, path) == TableFormat::csv;
  AtomicFile file(path);
  std::string line;
  const auto write_row = [&](const std::vector<std::string>& row, std::size_t number) {
    if (row.size() != columns.size())
      fail(ErrorKind::argument, "write_table: fields of row {}; got {}; expected {} as there are columns", number,
           row.size(), columns.size());
    line.clear();
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!csv && row[i].find_first_of("\t\r\n") != std::string::npos)
        fail(ErrorKind::argument, "write_table: a tab or line end in row {}, column {}; got {}; hint: CSV can hold it",
             number, quote(columns[i]), quote(row[i]));
      if (i > 0) line += csv ? ',' : '\t';
      // A row of one empty field would be an empty line.
      line += csv ? (row.size() == 1 && row[i].empty() ? "\"\"" : csv_field(row[i])) : row[i];
    }
    line += csv ? "\r\n" : "\n";
    file.write(line);
  };
  write_row(columns, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) write_row(rows[i], i + 1);
  file.commit();
}

}  // namespace data
}  // namespace saw
