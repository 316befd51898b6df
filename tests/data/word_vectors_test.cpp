#include "saw/data/word_vectors.h"

#include <doctest/doctest.h>

#include <cmath>

#include "saw/data/file.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::Vocabulary;
using data::WordVectors;

namespace {

struct Reader {
  test::TemporaryDirectory directory;
  std::string path = directory / "v.txt";

  WordVectors read(const std::string& text, const Vocabulary& vocabulary,
                   const data::WordVectorOptions& options = {}) const {
    data::write_file(path, text);
    return data::read_word_vectors(path, vocabulary, options);
  }
  std::string error(const std::string& text, const Vocabulary& vocabulary,
                    const data::WordVectorOptions& options = {}) const {
    return test::error_text(ErrorKind::io, [&] { read(text, vocabulary, options); }).substr(path.size());
  }
};

std::vector<float> row(const WordVectors& vectors, std::int64_t id) {
  return vectors.matrix.select(0, id).contiguous().to_vector<float>();
}

}  // namespace

TEST_CASE("word vectors: GloVe's and word2vec's forms") {
  const Reader reader;
  const Vocabulary words({"saw", "a", "Saw", "missing", ". . ."}, {.padding = true});
  for (const std::string header : {"", "5 3\n"}) {
    const WordVectors v =
        reader.read(header + "the 9 9 9\nsaw 1 -2 3e-1 \r\n. . . 4 5 6\na\t7 8 9\nsaw 0 0 0\n", words);
    CHECK(v.matrix.shape() == Shape{7, 3});
    CHECK(v.matrix.dtype() == float32);
    CHECK(v.found == 3);
    CHECK(v.in_file == 5);
    CHECK(v.is_found == std::vector<bool>{false, false, true, true, false, false, true});
    CHECK(row(v, words.id("saw")) == std::vector<float>{1, -2, 0.3F});  // the first of two
    CHECK(row(v, words.id("a")) == std::vector<float>{7, 8, 9});
    CHECK(row(v, words.id(". . .")) == std::vector<float>{4, 5, 6});
    CHECK(row(v, 0) == std::vector<float>{0, 0, 0});
    CHECK(row(v, words.id("missing")) != std::vector<float>{0, 0, 0});
    CHECK(row(v, 1) != row(v, words.id("missing")));
  }
}

TEST_CASE("word vectors: lower-case forms, of which the word's own vector is better") {
  const Reader reader;
  const Vocabulary words({"Saw", "USA", "saw"});
  const std::string text = "saw 1\nusa 2\nSaw 3\n";
  CHECK(reader.read(text, words).found == 2);
  const WordVectors v = reader.read(text, words, {.lower_case = true});
  CHECK(v.found == 3);
  CHECK(row(v, words.id("Saw")) == std::vector<float>{3});
  CHECK(row(v, words.id("USA")) == std::vector<float>{2});
  CHECK(row(v, words.id("saw")) == std::vector<float>{1});
}

TEST_CASE("word vectors: words that are not found are like those that are") {
  const Reader reader;
  std::vector<std::string> names{"x", "y"};
  for (int i = 0; i < 3000; ++i) names.push_back("w" + std::to_string(i));
  const Vocabulary words(names);
  const std::string text = "x 3 -3\ny -3 3\n";
  const WordVectors v = reader.read(text, words, {.seed = 1});
  double squares = 0;
  const std::vector<float> all = v.matrix.to_vector<float>();
  for (const float value : all) squares += value * value;
  CHECK(std::sqrt(squares / static_cast<double>(all.size())) == doctest::Approx(3).epsilon(0.05));
  CHECK(reader.read(text, words, {.seed = 1}).matrix.to_vector<float>() == all);
  CHECK(reader.read(text, words, {.seed = 2}).matrix.to_vector<float>() != all);
  CHECK(reader.read("other 1 2\n", words).found == 0);
}

TEST_CASE("word vectors: errors say file and line") {
  const Reader reader;
  const Vocabulary words({"saw", "a"});
  CHECK(reader.error("", words) == ": the file is empty; expected word vectors");
  CHECK(reader.error("the 1 2\nsaw 1\n", words) == ":2: wrong number of fields; got 2; expected a word and 2 numbers");
  CHECK(reader.error("the 1 2\nsaw 1 x\n", words) == ":2: number 2 of the vector of \"saw\": not a number; got \"x\"");
  CHECK(reader.error("the 1 2\nsaw 1 nan\n", words) ==
        ":2: number 2 of the vector of \"saw\": not a finite number; got \"nan\"");
  CHECK(reader.error("the 1 2\nsaw 1 1e39\n", words) ==
        ":2: number 2 of the vector of \"saw\": beyond the range of float32; got \"1e39\"");
  CHECK(reader.error("3 2\nthe 1 2\nsaw 1 2\n", words).find("the file ends after 2 vectors; expected 3") !=
        std::string::npos);
  CHECK(reader.error("3 50000\n", words).ends_with(": the file has no vector"));
  CHECK(reader.error("3 50000\nsaw 1 2\n", words) ==
        ":2: wrong number of fields; got 3; expected a word and 50000 numbers");
  CHECK(reader.error("word\n", words).starts_with(":1: not word vectors; got \"word\" after 1 fields"));
  CHECK(reader.error("5 99999999999\n", words).starts_with(":1: not word vectors; "));
  CHECK(reader.error(std::string(100'000, 'x'), words, {.longest_line = 1000}).size() < 200);
  CHECK(test::error_text(ErrorKind::argument, [&] { reader.read("a 1\n", Vocabulary()); }) ==
        "read_word_vectors: the vocabulary is empty");
}
