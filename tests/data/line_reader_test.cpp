#include "saw/data/line_reader.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::LineReader;
using Strings = std::vector<std::string>;

namespace {

Strings all_of(LineReader lines) {
  Strings result;
  while (lines.next()) {
    result.push_back(lines.line());
    CHECK(lines.number() == std::ssize(result));
  }
  CHECK_FALSE(lines.next());
  return result;
}

/// The same bytes as a file and as a stream.
template <class Use>
void of_both(const std::string& bytes, const data::LineOptions& options, const Use& use) {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "in.txt").string();
  test::write_file(path, bytes);
  use(LineReader(path, options), path);
  std::istringstream stream(bytes);
  use(LineReader(stream, "stream", options), "stream");
}

}  // namespace

TEST_CASE("line reader: lines of files and streams, whatever ends them") {
  const auto check = [](const std::string& bytes, const Strings& expected) {
    CAPTURE(bytes);
    of_both(bytes, {}, [&](LineReader lines, const std::string&) { CHECK(all_of(std::move(lines)) == expected); });
  };
  check("", {});
  check("\n", {""});
  check("a", {"a"});
  check("a\n", {"a"});
  check("a\r\n\r\nb", {"a", "", "b"});
  check("\xEF\xBB\xBFné\n\xEF\xBB\xBFx\n", {"né", "\xEF\xBB\xBFx"});
  check("\xEF\xBB\xBF", {""});
  // Around the sizes of buffers.
  for (const std::size_t size : {4094u, 4095u, 4096u, 8190u, 65535u, 65536u, 70000u}) {
    const std::string line(size, 'x');
    check(line, {line});
    check(line + "\ny\n", {line, "y"});
    check("z\n" + line + "\r\n", {"z", line});
  }
}

TEST_CASE("line reader: bad lines are named, and what follows them is read") {
  const std::string long_line(200000, 'w');
  of_both("one\n" + long_line + "\nthree\nb\377d\nsix", {.longest = 10},
          [&](LineReader lines, const std::string& name) {
            const auto bad = [&](const std::string& why) {
              const std::string text = test::error_text(ErrorKind::io, [&] { lines.next(); });
              CAPTURE(text);
              CHECK(text.starts_with(name + ":" + std::to_string(lines.number()) + ": " + why));
              CHECK(text.size() < 250);
            };
            REQUIRE(lines.next());
            bad("the line is too long; got \"wwwwwwwwww");
            REQUIRE(lines.next());
            CHECK(lines.line() == "three");
            CHECK(lines.number() == 3);
            CHECK(test::error_text(ErrorKind::io, [&] { lines.reject("no number"); }) ==
                  name + ":3: no number; got \"three\"");
            bad("invalid UTF-8; got byte 0xff in column 2");
            REQUIRE(lines.next());
            CHECK(lines.line() == "six");
            CHECK_FALSE(lines.next());
          });
  of_both(
      std::string("a\0b\nc\n0123456789\r\n0123456789a\n", 30), {.longest = 10},
      [](LineReader lines, const std::string& name) {
        CHECK(test::error_text(ErrorKind::io, [&] { lines.next(); }) == name + ":1: a NUL byte in column 2");
        CHECK(lines.next());
        CHECK(lines.next());
        CHECK(lines.line() == "0123456789");
        CHECK(test::error_text(ErrorKind::io, [&] { lines.next(); }).starts_with(name + ":4: the line is too long"));
        CHECK_FALSE(lines.next());
      });
  of_both("b\xFF\n", {.any_bytes = true},
          [](LineReader lines, const std::string&) { CHECK(all_of(std::move(lines)) == Strings{"b\xFF"}); });
  CHECK(test::error_text(ErrorKind::io, [] { LineReader("/no/such/file"); }).starts_with("/no/such/file"));
  CHECK(test::error_text(ErrorKind::io, [] { LineReader("/"); }).starts_with("/"));
}

TEST_CASE("line reader: a stream is not read ahead") {
  std::istringstream stream("one\ntwo\n");
  LineReader lines(stream, "stream");
  REQUIRE(lines.next());
  std::string rest;
  std::getline(stream, rest);
  CHECK(rest == "two");
}
