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

TEST_CASE("vocabulary: roles are no words") {
  const Vocabulary v({"saw", "<begin>", "\\begin", "\\special separator", "\tab", "\\table"},
                     {.padding = true, .begin = true, .end = true, .mask = true, .roles = {"separator", "a b\n"}});
  CHECK(v.padding_id() == 0);
  CHECK(v.unknown_id() == 1);
  CHECK(v.begin_id() == 2);
  CHECK(v.end_id() == 3);
  CHECK(v.mask_id() == 4);
  CHECK(v.find_role("separator") == 5);
  CHECK(v.role_id("a b\n") == 6);
  CHECK(v.role_id("mask") == 4);
  CHECK(v.role_count() == 7);
  CHECK(v.is_role(6));
  CHECK_FALSE(v.is_role(7));
  CHECK_FALSE(v.is_role(-1));
  CHECK(v.word(5) == "<separator>");
  CHECK(v.id("<begin>") == 8);  // a word like any other
  CHECK(v.id("<end>") == 1);
  CHECK(v.id("\\begin") == 9);
  const Vocabulary again = Vocabulary::parse(v.text(), "v.txt");
  CHECK(again == v);
  CHECK(again.text() == v.text());
  CHECK(v.text().starts_with(
      "\\padding\n\\unknown\n\\begin\n\\end\n\\mask\n\\special separator\n\\special a b\\n\nsaw\n"));
  CHECK_FALSE(Vocabulary(std::vector<std::string>{"a"}).begin_id());
  const auto raised = [](const data::VocabularyOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { Vocabulary(std::vector<std::string>{}, options); });
  };
  CHECK(raised({.roles = {"mask"}}) == "vocabulary: the role \"mask\" has an option of its own");
  CHECK(raised({.roles = {"x", "x"}}) == "vocabulary: a role is given twice; got \"x\"");
  CHECK(raised({.roles = {""}}) == "vocabulary: a role has no name");
  CHECK(test::error_text(ErrorKind::argument, [&] { v.role_id("x"); }) ==
        "vocabulary: no entry has the role \"x\"; expected one of: padding, unknown, begin, end, mask, separator, a "
        "b\\x0a");
  CHECK(parse_error("\\end\n\\begin\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("\\special x\n\\mask\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("\\special x\n\\special x\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("a\n\\special x\n").starts_with("v.txt:2: a special entry out of its place"));
  CHECK(parse_error("\\special \n").starts_with("v.txt:1: a bad escape"));
  CHECK(parse_error("\\special x\\y\n").starts_with("v.txt:1: a bad escape"));
}

TEST_CASE("vocabulary: many words at once") {
  const Vocabulary v({"a", "saw", "i"});
  CHECK(v.ids({"i", "saw", "a", "saw", "x"}) == std::vector<std::int64_t>{3, 2, 1, 2, 0});
  CHECK(v.words(std::vector<std::int64_t>{3, 0, 1}) == std::vector<std::string>{"i", "<unknown>", "a"});
  CHECK(v.ids({}).empty());
  CHECK(test::error_text(ErrorKind::index, [&] { v.words(std::vector<std::int64_t>{4}); }) ==
        "vocabulary: id out of range; got 4; expected 0 to 3");
}

TEST_CASE("vocabulary: the labels of a task") {
  const Vocabulary v = Vocabulary::of_labels({"pos", "neg", "pos", "neutral"});
  CHECK(words_of(v) == std::vector<std::string>{"neg", "neutral", "pos"});
  CHECK(v.ids({"pos", "neg"}) == std::vector<std::int64_t>{2, 0});
  CHECK(words_of(Vocabulary::of_labels({"10", "9", "-1", "9"})) == std::vector<std::string>{"-1", "9", "10"});
  CHECK(words_of(Vocabulary::of_labels({"10", "9", "09"})) == std::vector<std::string>{"09", "10", "9"});
  CHECK(test::error_text(ErrorKind::argument, [&] { v.id("other"); }) ==
        "vocabulary: a word is not in it; got \"other\"; expected one of 3 entries: neg, neutral, pos");
  CHECK(test::error_text(ErrorKind::argument, [] { Vocabulary::of_labels({}); }) == "vocabulary: no label");
  CHECK(test::error_text(ErrorKind::argument, [] {
          Vocabulary::of_labels({"a", ""});
        }) == "vocabulary: a word is empty");
  // What a message lists of a vocabulary is short and harmless too.
  const Vocabulary hostile = Vocabulary::of_labels({std::string(1'000'000, 'x'), "\x1b[31m"});
  const std::string error = test::error_text(ErrorKind::argument, [&] { hostile.id("other"); });
  CHECK(error.size() < 300);
  CHECK(error.find('\x1b') == std::string::npos);
}
