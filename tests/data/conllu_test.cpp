#include "saw/data/conllu.h"

#include <doctest/doctest.h>

#include <sstream>

#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::parse_conllu;
using Strings = std::vector<std::string>;

namespace {

// Columns separated by bars, for legibility.
std::string lines(std::string text) {
  for (char& c : text)
    if (c == '|') c = '\t';
  return text;
}

std::string word(const std::string& id, const std::string& form = "saw", const std::string& tag = "NOUN") {
  return lines(id + "|" + form + "|_|" + tag + "|_|_|_|_|_|_\n");
}

std::string range(const std::string& id) { return lines(id + "|x|_|_|_|_|_|_|_|_\n"); }
std::string empty_node(const std::string& id) { return lines(id + "|x|_|VERB|_|_|_|_|1:dep|_\n"); }

std::string error_of(const std::string& text, const data::ConlluOptions& options = {}) {
  return test::error_text(ErrorKind::io, [&] { parse_conllu(text, "f.conllu", options); });
}

}  // namespace

TEST_CASE("conllu: words, tags and comments, ranges and empty nodes are skipped") {
  const std::string text = lines(
      "# newdoc\n"
      "# sent_id = s-1\n"
      "# text = I don't = _.\n"
      "1|I|I|PRON|PRP|Case=Nom|0|root|0:root|_\n"
      "2-3|don't|_|_|_|_|_|_|_|SpaceAfter=No\n"
      "2|do|do|AUX|VBP|_|1|aux|1:aux|_\n"
      "2.1|saw|see|VERB|VBP|_|_|_|1:dep|CopyOf=2\n"
      "2.2|x|_|_|_|_|_|_|1:dep|_\n"
      "3|n't|not|PART|RB|_|1|advmod|1:advmod|_\n"
      "4|_|_|PUNCT|.|_|1|punct|1:punct|_\n"
      "\n"
      "#no space\n"
      "0.1|x|_|_|_|_|_|_|1:dep|_\n"
      "1-1|wow|_|_|_|Typo=Yes|_|_|_|_\n"
      "1|vice versa|vice versa|ADV|_|_|_|_|_|a b\n"
      "\n");
  const data::Corpus corpus = parse_conllu(text, "f.conllu");
  CHECK(corpus.name == "f.conllu");
  CHECK(corpus.notes.empty());
  CHECK(corpus.word_count() == 5);
  REQUIRE(corpus.sentences.size() == 2);
  const data::Sentence& first = corpus.sentences[0];
  CHECK(first.words == Strings{"I", "do", "n't", "_"});
  CHECK(first.tags == Strings{"PRON", "AUX", "PART", "PUNCT"});
  CHECK(first.lines == std::vector<std::int64_t>{4, 6, 9, 10});
  CHECK(first.comments == Strings{"newdoc", "sent_id = s-1", "text = I don't = _."});
  CHECK(first.id == "s-1");
  CHECK(first.text == "I don't = _.");
  CHECK(first.line == 1);
  const data::Sentence& second = corpus.sentences[1];
  CHECK(second.words == Strings{"vice versa"});
  CHECK(second.comments == Strings{"no space"});
  CHECK(second.id.empty());
  CHECK(second.line == 12);
}

TEST_CASE("conllu: what is tolerated is noted, once for each file") {
  const std::string good = word("1") + word("2") + "\n";
  const auto notes = [](const std::string& text) {
    const data::Corpus corpus = parse_conllu(text, "f");
    CHECK(corpus.sentences.size() == 1);
    CHECK(corpus.sentences[0].words == Strings{"saw", "saw"});
    CHECK(corpus.sentences[0].tags == Strings{"NOUN", "NOUN"});
    return corpus.notes;
  };
  CHECK(notes(good).empty());
  std::string returns;
  for (const char c : good) returns += c == '\n' ? "\r\n" : std::string(1, c);
  CHECK(notes(returns) == Strings{"f:1: lines end with a carriage return and a line feed; read as a line feed alone"});
  CHECK(notes("\xEF\xBB\xBF" + good) == Strings{"f:1: a byte order mark; skipped"});
  CHECK(notes(word("1") + word("2")) == Strings{"f:2: no blank line after the last sentence; the sentence is read"});
  std::string cut = word("1") + word("2");
  cut.pop_back();
  CHECK(notes(cut) == Strings{"f:2: the last line has no line end; the line is read",
                              "f:2: no blank line after the last sentence; the sentence is read"});
  CHECK(notes("\n" + good + "\n\n") == Strings{"f:1: a blank line without a sentence before it; skipped"});
}

TEST_CASE("conllu: fields") {
  CHECK(error_of(word("1") + "2\tsaw\tsee\tVERB\n\n") ==
        "f.conllu:2: wrong number of fields; got 4; expected 10, separated by tabs");
  CHECK(
      error_of("1 saw see VERB _ _ _ _ _ _\n\n") ==
      "f.conllu:1: wrong number of fields; got 1; expected 10, separated by tabs; hint: this line has spaces instead");
  CHECK(error_of(lines("1|saw|_|NOUN|_|_|_|_|_|_|_\n\n")).starts_with("f.conllu:1: wrong number of fields; got 11;"));
  CHECK(error_of(lines("1|saw||NOUN|_|_|_|_|_|_\n\n")) ==
        "f.conllu:1: field 3 (LEMMA) is empty; expected _ where there is nothing");
  CHECK(error_of(lines("1|saw|_|NOUN|_|_|_|_|_|\n\n")) ==
        "f.conllu:1: field 10 (MISC) is empty; expected _ where there is nothing");
  CHECK(error_of(lines("1|saw|_|NOUN|N N|_|_|_|_|_\n\n")) == "f.conllu:1: a space in field 5 (XPOS); got \"N N\"");
}

TEST_CASE("conllu: ids") {
  CHECK(error_of(word("2") + "\n") == "f.conllu:1: word ids are not 1, 2, …; got \"2\"; expected 1");
  CHECK(error_of(word("1") + word("1") + "\n") == "f.conllu:2: word ids are not 1, 2, …; got \"1\"; expected 2");
  CHECK(error_of(word("1") + word("3") + "\n") == "f.conllu:2: word ids are not 1, 2, …; got \"3\"; expected 2");
  CHECK(error_of(word("1") + "\n" + word("2") + "\n") == "f.conllu:3: word ids are not 1, 2, …; got \"2\"; expected 1");
  for (const char* id : {"0", "01", "+1", "x", "1x", "_", "99999999999999999999", "１"})
    CHECK(error_of(word(id) + "\n").starts_with("f.conllu:1: word ids are not 1, 2, …; got "));
}

TEST_CASE("conllu: ranges") {
  for (const char* id : {"1-", "-1", "-", "1-x", "a-2", "0-1", "01-2", "1-2-3", "1--2", "1-2.1", "1-9999999999"}) {
    CAPTURE(id);
    CHECK(error_of(range(id) + word("1") + word("2") + "\n").starts_with("f.conllu:1: malformed range; got "));
  }
  CHECK(error_of(word("1") + range("2-1") + word("2") + "\n") ==
        "f.conllu:2: a range that ends before it begins; got \"2-1\"");
  CHECK(error_of(range("1-2") + word("1") + range("2-3") + word("2") + word("3") + "\n") ==
        "f.conllu:3: overlapping ranges; got \"2-3\"; expected a range after 1-2 (line 1)");
  CHECK(error_of(range("1-2") + range("1-2") + word("1") + word("2") + "\n")
            .starts_with("f.conllu:2: overlapping ranges"));
  CHECK(error_of(word("1") + word("2") + range("2-3") + word("3") + "\n") ==
        "f.conllu:3: a range that is not before its first word; got \"2-3\"; expected 3-…");
  CHECK(
      error_of(range("2-3") + word("1") + word("2") + word("3") + "\n").starts_with("f.conllu:1: a range that is not"));
  CHECK(error_of(word("1") + range("2-3") + word("2") + "\n") ==
        "f.conllu:2: a range beyond the sentence's last word; got 2-3; expected at most 2");
  CHECK(error_of(range("1-2") + "\n") == "f.conllu:2: a sentence without words; expected a word line after line 1");
  CHECK(error_of(lines("1-2|x|_|NOUN|_|_|_|_|_|_\n")) ==
        "f.conllu:1: a multiword token has a value in field 4 (UPOS); got \"NOUN\"; expected _");
  CHECK(error_of(lines("1-2|x|_|_|_|Case=Nom|_|_|_|_\n"))
            .starts_with("f.conllu:1: a multiword token has a value in field 6"));
  // The next sentence begins anew.
  CHECK(parse_conllu(range("1-2") + word("1") + word("2") + "\n" + range("1-2") + word("1") + word("2") + "\n", "f")
            .word_count() == 4);
}

TEST_CASE("conllu: empty nodes") {
  for (const char* id : {"1.", ".1", ".", "1.x", "1.0", "1.01", "1.1.1"}) {
    CAPTURE(id);
    CHECK(error_of(word("1") + empty_node(id) + "\n").starts_with("f.conllu:2: malformed id of an empty node; got "));
  }
  CHECK(error_of(word("1") + empty_node("1.2") + "\n") ==
        "f.conllu:2: empty node out of order; got \"1.2\"; expected 1.1");
  CHECK(error_of(word("1") + empty_node("2.1") + "\n") ==
        "f.conllu:2: empty node out of order; got \"2.1\"; expected 1.1");
  CHECK(error_of(word("1") + empty_node("1.1") + empty_node("1.1") + "\n") ==
        "f.conllu:3: empty node out of order; got \"1.1\"; expected 1.2");
  CHECK(error_of(range("1-1") + empty_node("0.1") + word("1") + "\n") ==
        "f.conllu:2: an empty node between a range and its first word; got \"0.1\"; expected it before line 1");
  CHECK(error_of(word("1") + lines("1.1|x|_|_|_|_|1|_|1:dep|_\n")) ==
        "f.conllu:2: an empty node has a value in field 7 (HEAD); got \"1\"; expected _");
  CHECK(error_of(word("1") + lines("1.1|x|_|_|_|_|_|_|_|_\n")) ==
        "f.conllu:2: an empty node has nothing in field 9 (DEPS)");
  std::string ten = word("1");
  for (int i = 1; i <= 10; ++i) ten += empty_node("1." + std::to_string(i));
  CHECK(parse_conllu(ten + word("2") + "\n", "f").word_count() == 2);
}

TEST_CASE("conllu: comments") {
  CHECK(error_of(word("1") + "# late\n" + word("2") + "\n") ==
        "f.conllu:2: a comment inside a sentence; got \"# late\"; expected comments before the sentence's first word");
  CHECK(error_of(range("1-2") + "# late\n").starts_with("f.conllu:2: a comment inside a sentence"));
  CHECK(error_of("# text = x\n\n" + word("1") + "\n") ==
        "f.conllu:2: a sentence without words; expected a word line after line 1");
  CHECK(error_of(word("1") + "\n# the end\n").starts_with("f.conllu:3: a sentence without words"));
}

TEST_CASE("conllu: tags") {
  CHECK(data::universal_tags().size() == 17);
  for (const std::string_view tag : data::universal_tags())
    CHECK(parse_conllu(word("1", "x", std::string(tag)) + "\n", "f").sentences[0].tags[0] == tag);
  CHECK(error_of(word("1", "x", "NN") + "\n") ==
        "f.conllu:1: unknown universal tag; got \"NN\"; expected one of ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART "
        "PRON "
        "PROPN PUNCT SCONJ SYM VERB X");
  CHECK(error_of(word("1", "x", "noun") + "\n").starts_with("f.conllu:1: unknown universal tag; got \"noun\""));
  CHECK(error_of(word("1", "x", "_") + "\n").starts_with("f.conllu:1: unknown universal tag; got \"_\""));
  CHECK(parse_conllu(word("1", "x", "_") + "\n", "f", {.untagged = true}).sentences[0].tags == Strings{"_"});
}

TEST_CASE("conllu: bytes") {
  CHECK(error_of(word("1") + word("2", "na\xEFve") + "\n") ==
        "f.conllu:2: invalid UTF-8; got byte 0xef in column 5; hint: convert the file to UTF-8");
  CHECK(error_of("# caf\xE9\n" + word("1") + "\n").starts_with("f.conllu:1: invalid UTF-8; got byte 0xe9 in column 6"));
  CHECK(error_of(word("1", std::string("a\0b", 3)) + "\n") == "f.conllu:1: a NUL byte in column 4");
  CHECK(parse_conllu(word("1", "日本") + "\n", "f").sentences[0].words == Strings{"日本"});
}

TEST_CASE("conllu: files, streams, and nothing to read") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "a.conllu";
  data::write_file(path, word("1") + "\n");
  CHECK(data::read_conllu(path).word_count() == 1);
  std::istringstream stream(word("1") + word("2") + "\n");
  CHECK(data::read_conllu(stream, "standard input").word_count() == 2);

  CHECK(error_of("") == "f.conllu: the file has no sentence; expected CoNLL-U");
  CHECK(error_of("\n\n") == "f.conllu: the file has no sentence; expected CoNLL-U");
  const std::string inside = directory.path(), missing = directory / "missing";
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_conllu(inside); }) ==
        inside + ": cannot read; Is a directory");
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_conllu(missing); }) ==
        missing + ": cannot read; No such file or directory");
}

TEST_CASE("conllu: the text that the forms make") {
  const auto token = [](const std::string& id, const std::string& form, const std::string& misc,
                        bool is_range = false) {
    return lines(id + "|" + form + "|_|" + (is_range ? "_" : "X") + "|_|_|_|_|_|") + misc + "\n";
  };
  const std::string text = token("1", "I", "_") + token("2-3", "don't", "SpaceAfter=No", true) +
                           token("2", "do", "SpaceAfter=No") + token("3", "n't", "_") + empty_node("3.1") +
                           token("4", ",", "Gloss=x|SpaceAfter=No") + token("5", "no", "SpaceAfter=Now") +
                           token("6", ".", "SpaceAfter=No") + "\n" + token("1", "10 000", "_") + token("2", "b", "_") +
                           "\n";
  const auto corpus = parse_conllu(text, "f.conllu");
  CHECK(corpus.sentences.at(0).surface == "I don't,no .");
  CHECK(corpus.sentences.at(1).surface == "10 000 b");
  CHECK(corpus.sentences.at(0).words.size() == 6);
}
