#include "saw/data/json_lines.h"

#include <doctest/doctest.h>

#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::JsonLinesReader;

namespace {

std::string error_of(std::string_view text, const data::JsonLinesOptions& options = {}) {
  return test::error_text(ErrorKind::io, [&] {
    JsonLinesReader reader(text, "t.jsonl", options);
    while (reader.next()) {
    }
  });
}

}  // namespace

TEST_CASE("json lines: fields by name and type") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "t.jsonl";
  data::write_file(
      path,
      "\xEF\xBB\xBF{\"text\": \"a \\\"saw\\\"\\n\", \"stars\": 5, \"x\": 1, \"ok\": true, \"none\": null}\r\n"
      "\n  \t\r\n"
      "{\"tokens\": [\"I\", \"saw\"], \"ids\": [1, -2], \"x\": [0.5, 2], \"o\": {\"b\": [1]}}");
  JsonLinesReader reader(path);
  REQUIRE(reader.next());
  CHECK(reader.line() == 1);
  CHECK(reader.text("text") == "a \"saw\"\n");
  CHECK(reader.integer("stars") == 5);
  CHECK(reader.number("x") == 1.0);
  CHECK(reader.boolean("ok"));
  CHECK(reader.has("ok"));
  CHECK_FALSE(reader.has("none"));
  CHECK_FALSE(reader.has("other"));
  CHECK(reader.fields() == std::vector<std::string>{"none", "ok", "stars", "text", "x"});
  REQUIRE(reader.next());
  CHECK(reader.line() == 4);
  CHECK(reader.texts("tokens") == std::vector<std::string>{"I", "saw"});
  CHECK(reader.integers("ids") == std::vector<std::int64_t>{1, -2});
  CHECK(reader.numbers("x") == std::vector<double>{0.5, 2});
  CHECK(reader.json("o") == "{\"b\":[1]}");
  CHECK_FALSE(reader.next());
  CHECK_FALSE(JsonLinesReader(std::string_view(), "t").next());
}

TEST_CASE("json lines: errors say file, line and field or column") {
  JsonLinesReader reader(
      "\n{\"a\": 3.0, \"b\": \"x\\u001b\", \"c\": [1, \"x\"], \"n\": null, \"u\": 18446744073709551615}", "t.jsonl");
  REQUIRE(reader.next());
  const auto raised = [&](const auto& call) { return test::error_text(ErrorKind::io, call); };
  CHECK(raised([&] { reader.integer("a"); }) == "t.jsonl:2: \"a\": got 3.0; expected an integer of 64 bits");
  CHECK(raised([&] { reader.integer("u"); }) ==
        "t.jsonl:2: \"u\": got 18446744073709551615; expected an integer of 64 bits");
  CHECK(raised([&] { reader.number("b"); }) == "t.jsonl:2: \"b\": got a string; expected a number");
  CHECK(raised([&] { reader.text("n"); }) == "t.jsonl:2: \"n\": got null; expected a string");
  CHECK(raised([&] { reader.boolean("a"); }) == "t.jsonl:2: \"a\": got 3.0; expected true or false");
  CHECK(raised([&] { reader.integers("c"); }) == "t.jsonl:2: \"c\"[1]: got a string; expected an integer of 64 bits");
  CHECK(raised([&] { reader.texts("a"); }) == "t.jsonl:2: \"a\": got 3.0; expected a list");
  CHECK(raised([&] { reader.text("z"); }) ==
        "t.jsonl:2: \"z\": there is none; the object has \"a\", \"b\", \"c\", \"n\", \"u\"");
  CHECK(raised([&] { reader.reject("b", "unknown label"); }).find('\x1b') == std::string::npos);
  CHECK(error_of("{}\n{\"a\": }\n").starts_with("t.jsonl:2: column 7: not JSON; syntax error while parsing value"));
  CHECK(error_of("{\"a\": 1} {}").starts_with("t.jsonl:1: column 10: not JSON; "));
  CHECK(error_of("[1]\n") == "t.jsonl:1: column 1: got a list; expected an object");
  CHECK(error_of("{\"a\": 1, \"a\": 2}\n") == "t.jsonl:1: column 1: \"a\" is given twice");
  CHECK(error_of("{\"a\": 1e999}\n") == "t.jsonl:1: column 1: not JSON; a number is out of range");
  CHECK(error_of("{\"a\": \"\xFF\"}\n").starts_with("t.jsonl:1: column 8: not JSON; "));
  CHECK(error_of("{\"a\": " + std::string(100'000, '[')) ==
        "t.jsonl:1: column 1: more than 100 levels of objects and lists");
  const std::string long_line = "{\"a\": \"" + std::string(2'000'000, 'x') + "\"}";
  CHECK(error_of(long_line, {.longest_line = 1'000'000}).size() < 200);
  CHECK(error_of(long_line + "x").size() < 300);
}
