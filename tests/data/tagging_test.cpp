#include "saw/data/tagging.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <set>

#include "saw/data/summary.h"
#include "saw/data/utf8.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using Strings = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

namespace {

data::Corpus corpus_of(const std::vector<std::pair<Strings, Strings>>& sentences) {
  data::Corpus corpus;
  corpus.name = "c.conllu";
  for (const auto& [words, tags] : sentences) corpus.sentences.push_back({.words = words, .tags = tags});
  return corpus;
}

data::Corpus small_corpus() {
  return corpus_of({{{"I", "saw", "a", "saw"}, {"PRON", "VERB", "DET", "NOUN"}},
                    {{"Saw", "it"}, {"VERB", "PRON"}},
                    {{"a", "naïve", "saw"}, {"DET", "ADJ", "NOUN"}}});
}

Numbers numbers(const Tensor& tensor) {
  CHECK(tensor.dtype() == int64);
  CHECK(tensor.rank() == 1);
  return tensor.to_vector<std::int64_t>();
}

Numbers lengths(const Segments& segments) { return segments.lengths(); }

}  // namespace

TEST_CASE("tagging: vocabularies of a corpus") {
  const data::TaggingVocabularies cut(small_corpus());
  CHECK(cut.words.text() == "\\unknown\nsaw\na\n");
  CHECK(cut.characters.text() == "\\padding\n\\unknown\na\nw\ns\nI\nS\ne\ni\nn\nt\nv\nï\n");
  CHECK(cut.tags.text() == "DET\nNOUN\nPRON\nVERB\nADJ\n");
  CHECK(cut.word_id("saw") == 1);
  CHECK(cut.word_id("Saw") == 1);  // "Saw" was seen once, "saw" more often
  CHECK(cut.word_id("SAW") == 1);
  CHECK(cut.word_id("it") == 0);
  const data::TaggingVocabularies all(small_corpus(), {.minimum_word_count = 1, .minimum_character_count = 3});
  CHECK(all.words.size() == 7);
  CHECK(all.words.word(all.word_id("Saw")) == "Saw");
  CHECK(all.characters.text() == "\\padding\n\\unknown\na\nw\ns\n");
  CHECK(test::error_text(ErrorKind::io, [] {
          data::TaggingVocabularies(corpus_of({{{"a"}, {}}}));
        }) == "c.conllu: no word has a tag; expected a tagged corpus");
}

TEST_CASE("tagging: vocabularies are saved and loaded") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "model/vocabularies";
  const data::TaggingVocabularies saved(small_corpus());
  saved.save(path);
  const auto loaded = data::TaggingVocabularies::load(path);
  CHECK((loaded.words == saved.words));
  CHECK((loaded.characters == saved.characters));
  CHECK((loaded.tags == saved.tags));
  std::filesystem::remove(path + "/tags.txt");
  CHECK(test::error_text(ErrorKind::io, [&] { data::TaggingVocabularies::load(path); }) ==
        path + "/tags.txt: cannot read; No such file or directory");
}

TEST_CASE("tagging: a batch holds what the sentences hold") {
  const data::TaggingVocabularies vocabularies(small_corpus(), {.minimum_word_count = 1});
  const data::TaggingCorpus corpus(small_corpus(), vocabularies);
  CHECK(corpus.sentence_count() == 3);
  CHECK(corpus.word_count() == 9);
  CHECK(corpus.unknown_count() == 0);
  const data::TaggingBatch batch = corpus.batch(Numbers{2, 0});
  CHECK(batch.sentence_numbers == Numbers{2, 0});
  CHECK(lengths(batch.sentences) == Numbers{3, 4});

  const Strings words{"a", "naïve", "saw", "I", "saw", "a", "saw"};
  const Strings tags{"DET", "ADJ", "NOUN", "PRON", "VERB", "DET", "NOUN"};
  Numbers word_ids, tag_ids;
  for (const std::string& word : words) word_ids.push_back(vocabularies.words.id(word));
  for (const std::string& tag : tags) tag_ids.push_back(vocabularies.tags.id(tag));
  CHECK(numbers(batch.words) == word_ids);
  CHECK(numbers(batch.tags) == tag_ids);

  // Each word's characters once, in the order of first occurrence.
  CHECK(numbers(batch.word_of_row) == Numbers{0, 1, 2, 3, 2, 0, 2});
  CHECK(lengths(batch.character_segments) == Numbers{3, 7, 5, 3});  // with a mark at both ends
  std::string spelled;
  for (const std::int64_t id : numbers(batch.characters))
    spelled += id == vocabularies.characters.padding_id() ? "|" : vocabularies.characters.word(id);
  CHECK(spelled == "|a||naïve||saw||I|");
}

TEST_CASE("tagging: words are different by form, not by id") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  const data::TaggingCorpus corpus(corpus_of({{{"saw", "Saw", "zoo", "zoo", "zig"}, {}}}), vocabularies);
  CHECK(corpus.unknown_count() == 3);
  const data::TaggingBatch batch = corpus.batch(Numbers{0});
  CHECK(numbers(batch.words) == Numbers{1, 1, 0, 0, 0});
  CHECK(numbers(batch.word_of_row) == Numbers{0, 1, 2, 2, 3});
  CHECK(lengths(batch.character_segments) == Numbers{5, 5, 5, 5});
  CHECK(numbers(batch.tags) == Numbers(5, data::no_tag));
  CHECK(numbers(batch.characters)[11] == vocabularies.characters.unknown_id());  // no z in training
}

TEST_CASE("tagging: words without a tag, alone or among others") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  const data::TaggingCorpus corpus(corpus_of({{{"saw", "it"}, {"_", "PRON"}}}), vocabularies);
  CHECK(numbers(corpus.batch(Numbers{0}).tags) == Numbers{data::no_tag, vocabularies.tags.id("PRON")});
}

TEST_CASE("tagging: batches of a corpus") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  const data::TaggingCorpus corpus(small_corpus(), vocabularies);
  const auto batches = token_batches(corpus, {.tokens = 5, .bucket = 1});
  CHECK(batches.size() == 2);
  std::vector<Numbers> seen;
  std::int64_t rows = 0;
  for (const data::TaggingBatch& batch : batches) {
    seen.push_back(batch.sentence_numbers);
    rows += batch.words.numel();
  }
  CHECK((seen == std::vector<Numbers>{{0}, {1, 2}}));
  CHECK(rows == corpus.word_count());
  CHECK(batches[1].sentence_numbers == Numbers{1, 2});
  for (const data::TaggingBatch& batch : token_batches(corpus, {.tokens = 100, .shuffle_seed = 1, .epoch = 2}))
    CHECK(std::set<std::int64_t>(batch.sentence_numbers.begin(), batch.sentence_numbers.end()).size() == 3);
}

TEST_CASE("tagging: no sentences, empty sentences, one sentence to be tagged") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  const data::TaggingCorpus corpus(corpus_of({{{}, {}}}), vocabularies);
  const data::TaggingBatch empty = corpus.batch(Numbers{0});
  CHECK(lengths(empty.sentences) == Numbers{0});
  CHECK(empty.words.shape() == Shape{0});
  CHECK(empty.characters.shape() == Shape{0});
  CHECK(empty.character_segments.count() == 0);
  CHECK(corpus.batch(Numbers{}).sentences.count() == 0);

  const data::TaggingBatch batch = data::tagging_batch({"I", "saw"}, vocabularies);
  CHECK(lengths(batch.sentences) == Numbers{2});
  CHECK(numbers(batch.words) == Numbers{0, 1});
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::tagging_batch({"I", ""}, vocabularies);
        }) == "tagging corpus: sentence 0 has an empty word");
}

TEST_CASE("tagging: a tag that training has not seen") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  const data::Corpus corpus = data::parse_conllu(
      "# text = x\n1\tI\t_\tPRON\t_\t_\t_\t_\t_\t_\n2\twow\t_\tINTJ\t_\t_\t_\t_\t_\t_\n\n", "dev.conllu");
  CHECK(test::error_text(ErrorKind::io, [&] { data::TaggingCorpus(corpus, vocabularies); }) ==
        "dev.conllu:3: a tag that training has not seen; got \"INTJ\" for \"wow\"; expected one of DET NOUN PRON VERB "
        "ADJ");
}

TEST_CASE("tagging: misuse") {
  const data::TaggingVocabularies vocabularies(small_corpus());
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::TaggingCorpus(corpus_of({{{"a", "b"}, {"DET"}}}), vocabularies);
        }) == "tagging corpus: tags of sentence 0; got 1; expected one for each of 2 words");
  const data::TaggingCorpus corpus(small_corpus(), vocabularies);
  CHECK(test::error_text(ErrorKind::index, [&] {
          corpus.batch(Numbers{0, 3});
        }) == "tagging corpus: sentence number; got 3; expected 0 to 2");
}

TEST_CASE("summary: counts, lengths and warnings") {
  const data::Corpus training = small_corpus();
  data::Corpus corpus = corpus_of({{{"I", "saw", "zoo", "zoo"}, {"PRON", "VERB", "NOUN", "_"}}, {{"é"}, {}}});
  for (int i = 0; i < 8; ++i) corpus.sentences.push_back({.words = Strings(6, "saw"), .tags = Strings(6, "NOUN")});
  const data::CorpusSummary summary = data::summary(corpus, training);
  CHECK(summary.sentences == 10);
  CHECK(summary.words == 53);
  CHECK(summary.different_words == 4);
  CHECK(summary.different_characters == 7);  // I s a w z o é
  CHECK(summary.untagged_words == 2);
  CHECK((summary.tags == std::vector<std::pair<std::string, std::int64_t>>{{"NOUN", 49}, {"PRON", 1}, {"VERB", 1}}));
  CHECK(summary.unknown_words == 3);
  CHECK(Numbers{summary.shortest, summary.median, summary.p90, summary.p99, summary.longest} == Numbers{1, 6, 6, 6, 6});
  REQUIRE(summary.histogram.size() == 2);
  CHECK(summary.histogram[0].count == 2);
  CHECK(summary.histogram[1].first == 6);
  CHECK(summary.histogram[1].last == 10);
  CHECK(summary.histogram[1].count == 8);
  CHECK(summary.warnings == Strings{"c.conllu: 2 of 53 words have no tag"});
  const std::string text = to_string(summary);
  for (const char* part : {"c.conllu\n", "sentences", "53", "5.66 %", "NOUN PRON VERB", "6–10 words", "warning: "}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK_FALSE(data::summary(training).unknown_words);
  CHECK(data::summary(data::Corpus()).histogram.empty());
}

TEST_CASE("summary: a tag set of absurd size is remarked upon") {
  data::Corpus corpus;
  corpus.name = "c";
  for (int i = 0; i < 1000; ++i) corpus.sentences.push_back({.words = {"w"}, .tags = {fmt::format("T{}", i)}});
  CHECK(data::summary(corpus).warnings.empty());
  corpus.sentences.push_back({.words = {"w"}, .tags = {"one more"}});
  const auto summary = data::summary(corpus);
  REQUIRE(summary.warnings.size() == 1);
  CHECK(summary.warnings[0].starts_with("c: 1,001 different tags; more than 1,000 "));
}

TEST_CASE("tagging: UD English-EWT, where SAW_DATA says it lies") {
  const char* directory = std::getenv("SAW_DATA");
  const std::filesystem::path path = std::filesystem::path(directory == nullptr ? "" : directory) / "en_ewt";
  if (directory == nullptr || !std::filesystem::exists(path)) {
    MESSAGE("skipped: the environment variable SAW_DATA names no folder with en_ewt");
    return;
  }
  const auto read = [&](const char* part) {
    return data::read_conllu(path / (std::string("en_ewt-ud-") + part + ".conllu"));
  };
  const data::Corpus train = read("train"), dev = read("dev"), test = read("test");
  for (const data::Corpus* corpus : {&train, &dev, &test}) CHECK(corpus->notes.empty());
  const auto summary = data::summary(train);
  CHECK(summary.sentences == 12'544);
  CHECK(summary.words == 204'577);
  CHECK(summary.different_words == 19'674);
  CHECK(summary.different_characters == 108);
  CHECK(summary.tags.size() == 17);
  CHECK(summary.longest == 159);
  const auto dev_summary = data::summary(dev, train), test_summary = data::summary(test, train);
  CHECK(dev_summary.sentences == 2'001);
  CHECK(dev_summary.words == 25'147);
  CHECK(dev_summary.longest == 75);
  CHECK(100.0 * static_cast<double>(*dev_summary.unknown_words) / 25'147 == doctest::Approx(8.30).epsilon(0.001));
  CHECK(test_summary.sentences == 2'077);
  CHECK(test_summary.words == 25'094);
  CHECK(test_summary.longest == 81);
  CHECK(100.0 * static_cast<double>(*test_summary.unknown_words) / 25'094 == doctest::Approx(9.13).epsilon(0.001));
  MESSAGE(to_string(dev_summary));

  const data::TaggingVocabularies vocabularies(train);
  const data::TaggingCorpus numbered(dev, vocabularies);
  std::int64_t words = 0;
  for (const data::TaggingBatch& batch : token_batches(numbered, {.shuffle_seed = 1})) words += batch.words.numel();
  CHECK(words == 25'147);
}

TEST_CASE("tagging: batches made ahead are those of token_batches") {
  data::Corpus corpus;
  for (int i = 0; i < 40; ++i) {
    data::Sentence& sentence = corpus.sentences.emplace_back();
    for (int j = 0; j < 1 + i * 7 % 11; ++j) {
      sentence.words.push_back(j % 2 == 0 ? "saw" : std::string(static_cast<std::size_t>(1 + (i + j) % 5), 'x'));
      sentence.tags.push_back(j % 2 == 0 ? "VERB" : "X");
    }
  }
  const data::TaggingVocabularies vocabularies(corpus);
  const data::TaggingCorpus numbers(corpus, vocabularies);
  auto batches = data::tagging_batches(numbers, {.rows = 30, .bucket = 16, .seed = 3, .threads = 2});
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const data::TaggingBatches expected =
        token_batches(numbers, {.tokens = 30, .shuffle_seed = 3, .epoch = epoch, .bucket = 16});
    CHECK(batches.steps() == static_cast<std::int64_t>(expected.size()));
    std::size_t i = 0;
    for (const data::TaggingBatch& batch : batches.epoch()) {
      const data::TaggingBatch other = expected[i++];
      CHECK((batch.sentence_numbers == other.sentence_numbers));
      CHECK(batch.sentences == other.sentences);
      CHECK(batch.words.to_vector<std::int64_t>() == other.words.to_vector<std::int64_t>());
      CHECK(batch.tags.to_vector<std::int64_t>() == other.tags.to_vector<std::int64_t>());
      CHECK(batch.characters.to_vector<std::int64_t>() == other.characters.to_vector<std::int64_t>());
    }
    CHECK(i == expected.size());
  }
}
