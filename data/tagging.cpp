#include "saw/data/tagging.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

Tensor to_tensor(const std::vector<std::int64_t>& values) {
  Tensor result = Tensor::empty(Shape{std::ssize(values)}, int64);
  std::copy(values.begin(), values.end(), result.mutable_data<std::int64_t>());
  return result;
}

void check_sentence(const Corpus& corpus, std::size_t index) {
  const Sentence& sentence = corpus.sentences[index];
  if (!sentence.tags.empty() && sentence.tags.size() != sentence.words.size()) {
    fail(ErrorKind::argument, "tagging corpus: tags of sentence {}; got {}; expected one for each of {} words", index,
         sentence.tags.size(), sentence.words.size());
  }
  for (const std::string& word : sentence.words)
    if (word.empty()) fail(ErrorKind::argument, "tagging corpus: sentence {} has an empty word", index);
}

std::int64_t tag_id(const Corpus& corpus, const Sentence& sentence, std::size_t word, const Vocabulary& tags) {
  if (sentence.tags.empty() || sentence.tags[word] == "_") return no_tag;
  if (const auto id = tags.find(sentence.tags[word])) return *id;
  std::string known;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(tags.size(), 20); ++i)
    known += (i == 0 ? "" : " ") + tags.word(i);
  fail(ErrorKind::io, "{}:{}: a tag that training has not seen; got {} for {}; expected one of {}{}", corpus.name,
       word < sentence.lines.size() ? sentence.lines[word] : sentence.line, quote(sentence.tags[word]),
       quote(sentence.words[word]), known, tags.size() > 20 ? " …" : "");
}

}  // namespace

TaggingVocabularies::TaggingVocabularies(const Corpus& training, const TaggingVocabularyOptions& options) {
  Counter word_counter, character_counter, tag_counter;
  for (std::size_t i = 0; i < training.sentences.size(); ++i) {
    check_sentence(training, i);
    const Sentence& sentence = training.sentences[i];
    for (const std::string& word : sentence.words) {
      word_counter.add(word);
      for (const std::string& character : split_characters(word)) character_counter.add(character);
    }
    for (const std::string& tag : sentence.tags)
      if (tag != "_") tag_counter.add(tag);
  }
  if (tag_counter.size() == 0) fail(ErrorKind::io, "{}: no word has a tag; expected a tagged corpus", training.name);
  words = Vocabulary(word_counter, {.minimum_count = options.minimum_word_count});
  characters = Vocabulary(character_counter, {.minimum_count = options.minimum_character_count, .padding = true});
  tags = Vocabulary(tag_counter, {.unknown = false});
}

std::int64_t TaggingVocabularies::word_id(std::string_view word) const {
  if (const auto id = words.find(word)) return *id;
  return words.id(lower_case(word));
}

void TaggingVocabularies::save(const std::string& directory) const {
  make_directories(directory);
  words.save(directory + "/words.txt");
  characters.save(directory + "/characters.txt");
  tags.save(directory + "/tags.txt");
}

TaggingVocabularies TaggingVocabularies::load(const std::string& directory) {
  TaggingVocabularies result;
  result.words = Vocabulary::load(directory + "/words.txt");
  result.characters = Vocabulary::load(directory + "/characters.txt");
  result.tags = Vocabulary::load(directory + "/tags.txt");
  if (!result.characters.padding_id())
    fail(ErrorKind::io, "{}/characters.txt: has no padding entry, which marks the ends of words", directory);
  return result;
}

TaggingCorpus::TaggingCorpus(const Corpus& corpus, const TaggingVocabularies& vocabularies) {
  StringMap<std::int64_t> form_numbers;
  std::vector<std::int64_t> word_of_form;
  if (!vocabularies.characters.padding_id())
    fail(ErrorKind::argument,
         "tagging corpus: the vocabulary of characters has no padding entry to mark the ends of words");
  const std::int64_t boundary = *vocabularies.characters.padding_id();
  for (std::size_t i = 0; i < corpus.sentences.size(); ++i) {
    check_sentence(corpus, i);
    const Sentence& sentence = corpus.sentences[i];
    begins_.push_back(word_count());
    lengths_.push_back(std::ssize(sentence.words));
    for (std::size_t j = 0; j < sentence.words.size(); ++j) {
      const std::string& word = sentence.words[j];
      const auto [place, is_new] = form_numbers.emplace(word, std::ssize(word_of_form));
      if (is_new) {
        word_of_form.push_back(vocabularies.word_id(word));
        characters_.push_back(boundary);
        for (const std::string& character : split_characters(word))
          characters_.push_back(vocabularies.characters.id(character));
        characters_.push_back(boundary);
        form_begins_.push_back(std::ssize(characters_));
      }
      const std::int64_t form = place->second;
      const std::int64_t id = word_of_form[static_cast<std::size_t>(form)];
      forms_.push_back(form);
      words_.push_back(id);
      if (id == vocabularies.words.unknown_id()) ++unknown_count_;
      tags_.push_back(tag_id(corpus, sentence, j, vocabularies.tags));
    }
  }
}

TaggingBatch TaggingCorpus::batch(std::span<const std::int64_t> sentences) const {
  std::vector<std::int64_t> lengths, words, tags, word_of_row, characters, spelling_lengths;
  std::unordered_map<std::int64_t, std::int64_t> seen;  // a form's place among the different words of the batch
  for (const std::int64_t sentence : sentences) {
    if (sentence < 0 || sentence >= sentence_count())
      fail(ErrorKind::index, "tagging corpus: sentence number; got {}; expected 0 to {}", sentence,
           sentence_count() - 1);
    const auto length = static_cast<std::size_t>(lengths_[static_cast<std::size_t>(sentence)]);
    const auto begin = static_cast<std::size_t>(begins_[static_cast<std::size_t>(sentence)]);
    lengths.push_back(static_cast<std::int64_t>(length));
    for (std::size_t i = begin; i < begin + length; ++i) {
      words.push_back(words_[i]);
      tags.push_back(tags_[i]);
      const auto [place, is_new] = seen.emplace(forms_[i], std::ssize(seen));
      word_of_row.push_back(place->second);
      if (!is_new) continue;
      const auto form = static_cast<std::size_t>(forms_[i]);
      characters.insert(characters.end(), characters_.begin() + form_begins_[form],
                        characters_.begin() + form_begins_[form + 1]);
      spelling_lengths.push_back(form_begins_[form + 1] - form_begins_[form]);
    }
  }
  return {.sentences = Segments::from_lengths(lengths),
          .words = to_tensor(words),
          .tags = to_tensor(tags),
          .characters = to_tensor(characters),
          .character_segments = Segments::from_lengths(spelling_lengths),
          .word_of_row = to_tensor(word_of_row),
          .sentence_numbers = {sentences.begin(), sentences.end()}};
}

Batches<TaggingBatch> tagging_batches(const TaggingCorpus& corpus, const BatchesOptions& options) {
  return {std::vector<std::int64_t>(corpus.lengths().begin(), corpus.lengths().end()),
          [&corpus](std::span<const std::int64_t> sentences) { return corpus.batch(sentences); }, options};
}

TaggingBatch tagging_batch(const std::vector<std::string>& words, const TaggingVocabularies& vocabularies) {
  Corpus corpus;
  corpus.sentences.emplace_back().words = words;
  const std::int64_t first = 0;
  return TaggingCorpus(corpus, vocabularies).batch({&first, 1});
}

}  // namespace data
}  // namespace saw
