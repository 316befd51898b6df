#include "saw/data/vocabulary.h"

#include <doctest/doctest.h>

#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::Vocabulary;

namespace {

data::Counter count(const std::vector<std::string>& words) {
  data::Counter counter;
  for (const std::string& word : words) counter.add(word);
  return counter;
}

std::vector<std::string> words_of(const Vocabulary& vocabulary) {
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < vocabulary.size(); ++i) result.push_back(vocabulary.word(i));
  return result;
}

std::string parse_error(std::string_view text) {
  return test::error_text(ErrorKind::io, [&] { Vocabulary::parse(text, "v.txt"); });
}

}  // namespace

TEST_CASE("counter") {
  data::Counter counter = count({"a", "b", "a"});
  counter.add("c", 5);
  CHECK(counter.count("a") == 2);
  CHECK(counter.count("z") == 0);
  CHECK(counter.size() == 3);
  CHECK(counter.total() == 8);
}

TEST_CASE("vocabulary: by count, then by bytes, whatever the order of the text") {
  const std::vector<std::string> expected{"<unknown>", "saw", "a", "i", "é"};
  CHECK(words_of(Vocabulary(count({"i", "saw", "a", "saw", "é"}))) == expected);
  CHECK(words_of(Vocabulary(count({"é", "saw", "saw", "a", "i"}))) == expected);
}

TEST_CASE("vocabulary: cut-off and special entries") {
  const auto counter = count({"a", "b", "b", "c", "c", "c"});
  const Vocabulary cut(counter, {.minimum_count = 2});
  CHECK(words_of(cut) == std::vector<std::string>{"<unknown>", "c", "b"});
  CHECK(cut.id("c") == 1);
  CHECK(cut.id("a") == 0);
  CHECK(cut.unknown_id() == 0);
  CHECK_FALSE(cut.padding_id());
  CHECK_FALSE(cut.contains("a"));
  CHECK(cut.find("b") == 2);

  const Vocabulary padded(counter, {.minimum_count = 3, .padding = true});
  CHECK(words_of(padded) == std::vector<std::string>{"<padding>", "<unknown>", "c"});
  CHECK(padded.padding_id() == 0);
  CHECK(padded.unknown_id() == 1);

  const Vocabulary closed(counter, {.unknown = false});
  CHECK(words_of(closed) == std::vector<std::string>{"c", "b", "a"});
  CHECK(test::error_text(ErrorKind::argument, [&] { closed.id("d\n"); }) ==
        "vocabulary: a word is not in it; got \"d\\x0a\"; expected one of 3 entries: c, b, a");
  CHECK(test::error_text(ErrorKind::index, [&] { closed.word(3); }) ==
        "vocabulary: id out of range; got 3; expected 0 to 2");
  CHECK(test::error_text(ErrorKind::index, [&] { closed.word(-1); }) ==
        "vocabulary: id out of range; got -1; expected 0 to 2");
}

TEST_CASE("vocabulary: a word that looks like a special entry is a word") {
  const Vocabulary vocabulary(std::vector<std::string>{"<unknown>", "\\unknown", "x"}, {.padding = true});
  CHECK(vocabulary.id("<unknown>") == 2);
  CHECK(vocabulary.id("<padding>") == 1);  // the unknown entry: no such word
  CHECK(vocabulary.id("\\unknown") == 3);
  const Vocabulary again = Vocabulary::parse(vocabulary.text(), "v");
  CHECK((again == vocabulary));
  CHECK(again.id("\\unknown") == 3);
}

TEST_CASE("vocabulary: words that cannot be") {
  CHECK(test::error_text(ErrorKind::argument, [] {
          Vocabulary(std::vector<std::string>{"a", "a"});
        }) == "vocabulary: a word is given twice; got \"a\"");
  CHECK(test::error_text(ErrorKind::argument, [] { Vocabulary(std::vector<std::string>{""}); }) ==
        "vocabulary: a word is empty");
  CHECK(test::error_text(ErrorKind::argument, [] { Vocabulary(std::vector<std::string>{"a\xFF"}); }) ==
        "vocabulary: a word is not UTF-8; got \"a\\xff\"");
  CHECK(test::error_text(ErrorKind::argument, [] { Vocabulary(data::Counter(), {.minimum_count = 0}); }) ==
        "vocabulary: minimum_count; got 0; expected at least 1");
}

TEST_CASE("vocabulary: saved and loaded") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "words.txt";
  const std::vector<std::string> words{"saw",         "naïve", "two words", "tab\there", "line\nend",
                                       "back\\slash", "\r",    "\\n",       " "};
  for (const bool unknown : {false, true}) {
    for (const bool padding : {false, true}) {
      const Vocabulary vocabulary(words, {.unknown = unknown, .padding = padding});
      vocabulary.save(path);
      const Vocabulary loaded = Vocabulary::load(path);
      CHECK((loaded == vocabulary));
      for (const std::string& word : words) CHECK(loaded.id(word) == vocabulary.id(word));
    }
  }
  CHECK(Vocabulary(std::vector<std::string>{"a", "b\t"}, {.padding = true}).text() ==
        "\\padding\n\\unknown\na\nb\\t\n");
  CHECK((Vocabulary::parse("", "v") == Vocabulary()));
}

TEST_CASE("vocabulary: malformed files are refused with file and line") {
  CHECK(parse_error("\\unknown\na\nb\na\n") == "v.txt:4: an entry is repeated (first on line 2); got \"a\"");
  CHECK(parse_error("a\n\nb\n") == "v.txt:2: an empty entry; got \"\"");
  CHECK(parse_error("a\n\\x\n").starts_with("v.txt:2: a bad escape; expected"));
  CHECK(parse_error("a\nb\\\n").starts_with("v.txt:2: a bad escape; expected"));
  CHECK(parse_error("a\nb") == "v.txt:2: the last line has no line end; the file seems to have been cut short");
  CHECK(parse_error("a\r\n").starts_with("v.txt:1: a carriage return"));
  CHECK(parse_error("\xFF\n") == "v.txt:1: invalid UTF-8; got \"\\xff\"");
  CHECK(parse_error("a\n\\unknown\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("\\unknown\n\\padding\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("\\unknown\n\\unknown\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(test::error_text(ErrorKind::io, [] { Vocabulary::load("/nowhere/v.txt"); }) ==
        "/nowhere/v.txt: cannot read; No such file or directory");
}
