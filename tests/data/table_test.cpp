#include "saw/data/table.h"

#include <doctest/doctest.h>

#include <fstream>

#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
using data::Table;
using data::TableFormat;
using data::TableOptions;
using Rows = std::vector<std::vector<std::string>>;

namespace {

Rows rows_of(const Table& table) {
  Rows rows;
  for (const data::TableRow row : table) {
    rows.emplace_back();
    for (std::int64_t i = 0; i < row.size(); ++i) rows.back().emplace_back(row[i]);
  }
  return rows;
}

Rows csv(std::string_view text) { return rows_of(data::parse_table(text, "t.csv", {.header = false})); }
Rows tsv(std::string_view text) { return rows_of(data::parse_table(text, "t.tsv", {.header = false})); }

std::string error_of(std::string_view text, const std::string& name = "t.csv", const TableOptions& options = {}) {
  return test::error_text(ErrorKind::io, [&] { data::parse_table(text, name, options); });
}

}  // namespace

TEST_CASE("table: CSV as RFC 4180 has it") {
  CHECK(csv("a,b\r\nc,d\r\n") == Rows{{"a", "b"}, {"c", "d"}});
  CHECK(csv("a,b\nc,d") == Rows{{"a", "b"}, {"c", "d"}});
  CHECK(csv("\"a\",\"b,c\"\n\"d\"\"e\",\"\"\n") == Rows{{"a", "b,c"}, {"d\"e", ""}});
  CHECK(csv("\"two\r\nlines\",x\n") == Rows{{"two\r\nlines", "x"}});
  CHECK(csv("\"\"\"\"\n") == Rows{{"\""}});
  CHECK(csv(" a , b \n") == Rows{{" a ", " b "}});
  CHECK(csv(",\n,\n") == Rows{{"", ""}, {"", ""}});
  CHECK(csv("a,") == Rows{{"a", ""}});
  CHECK(csv("a,\r") == Rows{{"a", ""}});
  CHECK(csv("\"a\"\r") == Rows{{"a"}});
  CHECK(csv("\"\"\n") == Rows{{""}});  // one empty field is not an empty line
  CHECK(csv("").empty());
  CHECK(csv("\n\r\n\n").empty());
  CHECK(csv("a\n\n\r\nb\n\r") == Rows{{"a"}, {"b"}});
  CHECK(csv("tab\there,\x27quote\x27\n") == Rows{{"tab\there", "'quote'"}});
}

TEST_CASE("table: in TSV every character but tab and line end is a character") {
  CHECK(tsv("\"a\tb\"\n") == Rows{{"\"a", "b\""}});
  CHECK(tsv("he said \"no\"\t5\" disk\r\n\t\n") == Rows{{"he said \"no\"", "5\" disk"}, {"", ""}});
  CHECK(tsv("a\rb\tc\r\n\rd\te") == Rows{{"a\rb", "c"}, {"\rd", "e"}});
  CHECK(tsv("a,b\n") == Rows{{"a,b"}});
  CHECK(tsv("a\r").size() == 1);
  CHECK(tsv("a\n\r").size() == 1);
}

TEST_CASE("table: headers, names, byte order marks") {
  const Table table = data::parse_table("\xEF\xBB\xBFname,\"the, count\",x\r\nsaw,3,1.5\r\na,-4,2e3\r\n", "t.csv");
  CHECK(table.columns() == std::vector<std::string>{"name", "the, count", "x"});
  CHECK(table.size() == 2);
  CHECK(table[0]["name"] == "saw");
  CHECK(table[1].integer("the, count") == -4);
  CHECK(table[1].number(2) == 2000.0);
  CHECK(table.texts("name") == std::vector<std::string>{"saw", "a"});
  CHECK(table.integers(1) == std::vector<std::int64_t>{3, -4});
  CHECK(table.numbers("x") == std::vector<double>{1.5, 2000.0});
  CHECK(table[1].line() == 3);
  CHECK(table.has_column("x"));
  CHECK_FALSE(table.has_column("y"));
  const Table bare =
      data::parse_table("pos\tgood\nneg\tbad\n", "t.tsv", {.header = false, .columns = {"label", "text"}});
  CHECK(bare[1]["text"] == "bad");
  CHECK(bare.columns() == std::vector<std::string>{"label", "text"});
  CHECK(data::parse_table("a,b\n", "t.csv").empty());
  const Table semicolons = data::parse_table("a;b\n1,5;2\n", "t.csv", {.separator = ';'});
  CHECK(semicolons[0]["a"] == "1,5");
  CHECK(data::parse_table("a,b\n1,2\n", "-", {.format = TableFormat::csv})[0]["b"] == "2");
  CHECK(data::parse_table("a,b\n1,2\n", "T.CSV")[0]["b"] == "2");
  // Columns without a name, as some programs write them, can be had by number.
  CHECK(data::parse_table(",a,\n0,1,2\n", "t.csv")[0][2] == "2");
}

TEST_CASE("table: numbers") {
  const auto row_error = [](std::string_view field, bool integer) {
    const std::string text = "x\n" + std::string(field) + "\n";
    const Table table = data::parse_table(text, "t.tsv");
    return test::error_text(ErrorKind::io,
                            [&] { integer ? static_cast<double>(table[0].integer("x")) : table[0].number("x"); });
  };
  const Table good = data::parse_table("x\n 7 \n+7\n-0\n9223372036854775807\n", "t.tsv");
  CHECK(good.integers("x") == std::vector<std::int64_t>{7, 7, 0, INT64_MAX});
  CHECK(data::parse_table("x\n.5\n1e-300\n-3\n", "t.tsv").numbers("x") == std::vector<double>{0.5, 1e-300, -3});
  CHECK(row_error("7.0", true) == "t.tsv:2: column \"x\": not an integer; got \"7.0\"");
  CHECK(row_error(" ", true) == "t.tsv:2: column \"x\": not an integer; got \" \"");
  CHECK(row_error("9223372036854775808", true) ==
        "t.tsv:2: column \"x\": an integer beyond 64 bits; got \"9223372036854775808\"");
  CHECK(row_error("1,5", false) == "t.tsv:2: column \"x\": not a number; got \"1,5\"");
  CHECK(row_error("+-1", false) == "t.tsv:2: column \"x\": not a number; got \"+-1\"");
  CHECK(row_error("nan", false) == "t.tsv:2: column \"x\": not a finite number; got \"nan\"");
  CHECK(row_error("1e999", false) == "t.tsv:2: column \"x\": a number beyond the range of float64; got \"1e999\"");
}

TEST_CASE("table: errors say file, line and column") {
  CHECK(error_of("") == "t.csv: the table is empty; expected a header line");
  CHECK(error_of("a,b\n1,2\n1\n") == "t.csv:3: column \"b\": too few fields; got 1; expected 2 as in the header");
  CHECK(error_of("a,b\n1,2,3\n") == "t.csv:2: column \"b\": too many fields; got 3; expected 2 as in the header");
  CHECK(error_of("1,2\n\n1,2,3\n", "t.csv", {.header = false}) ==
        "t.csv:3: column 2: too many fields; got 3; expected 2 as in the first row");
  CHECK(error_of("a,b,a\n") == "t.csv:1: column 3: two columns have the name \"a\"; the first is column 1");
  CHECK(error_of("a,b\n1,\"2\n3\n") ==
        "t.csv:2: column \"b\": a quotation mark that is not closed; got \"2\\x0a3\\x0a\" after it");
  CHECK(error_of("a,b\n1,\"2\"3\n")
            .starts_with("t.csv:2: column \"b\": text after the closing quotation mark; got \"3\" after \"2\""));
  CHECK(error_of("a,b\n1,2\"3\n")
            .starts_with("t.csv:2: column \"b\": a quotation mark inside a field that does not begin with one; got "
                         "\"2\" before it"));
  CHECK(error_of("a,b\n1,2\r3\n").starts_with("t.csv:2: column \"b\": a carriage return without a line feed after it"));
  CHECK(error_of("a,b\n\"1\n\",\"x\ny\xFFz\"\n") ==
        "t.csv:3: column \"b\": invalid UTF-8; got byte 0xff as byte 4 of the field; hint: convert the file to UTF-8");
  CHECK(error_of(std::string_view("a,b\n1,2\0\n", 9)) == "t.csv:2: column \"b\": a NUL byte in the field");
  CHECK(error_of("\xFF\xFE"
                 "a")
            .find("UTF-16") != std::string::npos);
  CHECK(error_of("a,b\n", "t.tsv", {.columns = {"b"}}) ==
        "t.tsv:1: column \"b\": there is none; the header has \"a,b\"; hint: is it CSV?");
  const Table table = data::parse_table("a,b\n\"x\ny\",z\n", "t.csv");
  CHECK(test::error_text(ErrorKind::argument, [&] { table[0].text("c"); }) ==
        "t.csv: no column named \"c\"; expected one of \"a\", \"b\"");
  CHECK(test::error_text(ErrorKind::index, [&] { table[0].text(2); }) ==
        "t.csv: number of a column; got 2; expected 0 to 1");
  CHECK(test::error_text(ErrorKind::index, [&] { table[1]; }) == "t.csv: number of a row; got 1; expected 0 to 0");
  // A field after one of two lines stands on the second.
  CHECK(test::error_text(ErrorKind::io, [&] { table[0].integer("b"); }) ==
        "t.csv:3: column \"b\": not an integer; got \"z\"");
  CHECK(test::error_text(ErrorKind::io, [&] { table[0].reject("a", "unknown label"); }) ==
        "t.csv:2: column \"a\": unknown label; got \"x\\x0ay\"");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::parse_table("", "t", {.header = false, .columns = {"a", "a"}});
        }) == "table: columns: \"a\" is given twice");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::parse_table("", "t", {.separator = '"'});
        }).starts_with("table: separator"));
  CHECK(test::error_text(ErrorKind::io, [] { data::read_table("/nonexistent/t.csv"); }) ==
        "/nonexistent/t.csv: cannot read; No such file or directory");
}

TEST_CASE("table: what is quoted of a file is short and harmless, however long the field") {
  const std::string long_field(5'000'000, 'x');
  for (const std::string& text : {"a,b\n1," + long_field + "\n", "a,b\n1,\"" + long_field, long_field + "\n"}) {
    const std::string error = error_of(text, "t.csv", {.longest_field = 1'000'000});
    CHECK(error.size() < 300);
    CHECK(error.find("a field of more than 1000000 bytes") != std::string::npos);
  }
  const Table table = data::parse_table("a\n" + long_field + "\n\x1b[31m\xc2\x9b!\n", "t.csv");
  CHECK(test::error_text(ErrorKind::io, [&] { table[0].integer("a"); }).size() < 200);
  CHECK(test::error_text(ErrorKind::io, [&] { table[1].integer("a"); }) ==
        "t.csv:3: column \"a\": not an integer; got \"\\x1b[31m\\xc2\\x9b!\"");
  CHECK(error_of(std::string(3000, ','), "t.csv", {.longest_row = 1000}) ==
        "t.csv:1: column 1002: a row of more than 1000 bytes; hint: TableOptions::longest_row");
  CHECK(
      error_of("a\n12\n34\n", "t.csv", {.largest_table = 3}).starts_with("t.csv:3: column 1: the table is too large"));
}

TEST_CASE("table: a file row by row has bounded memory, and the rows of the whole") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "big.csv";
  {
    std::ofstream file(path, std::ios::binary);
    file << "id,text\r\n";
    const std::string words(990, 'w');
    for (int i = 0; i < 60'000; ++i) file << i << ",\"" << words << "\"\r\n";
  }
  const std::size_t before = test::resident_bytes();
  std::int64_t rows = 0;
  bool in_order = true;
  for (data::TableReader reader(path, {.columns = {"text"}}); reader.next(); ++rows) {
    in_order = in_order && reader.row().integer("id") == rows && reader.row().line() == rows + 2;
    in_order = in_order && reader.row()["text"].size() == 990;
  }
  CHECK(rows == 60'000);
  CHECK(in_order);
  if (!test::sanitized()) CHECK(test::resident_bytes() < before + (std::size_t{16} << 20));
  CHECK(data::read_table(path).size() == 60'000);
}

TEST_CASE("table: what is written is read") {
  const test::TemporaryDirectory directory;
  const Rows rows{{"a,b", "say \"x\""}, {"two\nlines", ""}, {"", "é"}};
  const std::string path = directory / "t.csv";
  data::write_table(path, {"one", "two,"}, rows);
  const Table table = data::read_table(path);
  CHECK(table.columns() == std::vector<std::string>{"one", "two,"});
  CHECK(rows_of(table) == rows);
  CHECK(data::read_file(path).starts_with("one,\"two,\"\r\n\"a,b\","));
  const Rows single{{""}, {"x"}};
  data::write_table(path, {"one"}, single);
  CHECK(rows_of(data::read_table(path)) == single);
  const std::string raw = directory / "t.tsv";
  data::write_table(raw, {"one", "two"}, Rows{{"\"", "b"}});
  CHECK(data::read_file(raw) == "one\ttwo\n\"\tb\n");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::write_table(raw, {"one"}, Rows{{"a\tb"}}); }) ==
        "write_table: a tab or line end in row 1, column \"one\"; got \"a\\x09b\"; hint: CSV can hold it");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::write_table(raw, {"one"}, Rows{{"a", "b"}});
        }).starts_with("write_table: fields of row 1; got 2; expected 1"));
  CHECK(data::read_file(raw) == "one\ttwo\n\"\tb\n");
}
