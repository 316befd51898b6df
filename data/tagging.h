#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/batches.h"
#include "saw/data/conllu.h"
#include "saw/data/vocabulary.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// What TaggingBatch::tags says for a word without a tag: the number that cross_entropy ignores by default.
inline constexpr std::int64_t no_tag = -100;

/// Which words and characters are kept.
struct TaggingVocabularyOptions {
  std::int64_t minimum_word_count = 2;  ///< rarer words count as unknown, so that the unknown entry learns something
  std::int64_t minimum_character_count = 1;  ///< likewise for characters
};

/// The numbers of words, characters and tags, made from the training corpus and saved with the model.
struct TaggingVocabularies {
  Vocabulary words;       ///< with an unknown entry
  Vocabulary characters;  ///< with an unknown entry, and a padding entry that marks both ends of a word
  Vocabulary tags;        ///< without one

  TaggingVocabularies() = default;
  /// Throws Error(io) for a corpus in which no word has a tag.
  explicit TaggingVocabularies(const Corpus& training, const TaggingVocabularyOptions& options = {});

  /// The number of a word: its own, else that of its lower-case form ("Saw" at the beginning of a sentence), else
  /// unknown.
  std::int64_t word_id(std::string_view word) const;

  /// words.txt, characters.txt and tags.txt in a directory, which is made if need be.
  void save(const std::string& directory) const;
  /// Reads what save() wrote. Throws Error(io).
  static TaggingVocabularies load(const std::string& directory);
};

/// Sentences as tensors. With N words in B sentences, among them U different ones with M characters in all:
struct TaggingBatch {
  Segments sentences;           ///< B segments of N rows
  Tensor words;                 ///< (N) int64, ids of the words
  Tensor tags;                  ///< (N) int64, ids of the tags; no_tag where there is none
  Tensor characters;            ///< (M) int64, ids of the characters of the different words, each word once
  Segments character_segments;  ///< U segments of M rows
  Tensor word_of_row;  ///< (N) int64, which of the U different words a row has: index_select(pooled, 0, word_of_row)
  std::vector<std::int64_t> sentence_numbers;  ///< (B), the places of the sentences in their corpus
};

/// A corpus in numbers, ready to be cut into batches.
class TaggingCorpus {
 public:
  /// Throws Error(io) "file:line: …" for a tag that the vocabulary does not have, Error(argument) for a sentence whose
  /// tags are not as many as its words.
  TaggingCorpus(const Corpus& corpus, const TaggingVocabularies& vocabularies);

  std::int64_t sentence_count() const { return static_cast<std::int64_t>(lengths_.size()); }  ///< all of them
  std::int64_t word_count() const { return static_cast<std::int64_t>(words_.size()); }        ///< in all sentences
  /// Words that the vocabulary does not have (repeats included).
  std::int64_t unknown_count() const { return unknown_count_; }
  /// Words of each sentence.
  std::span<const std::int64_t> lengths() const { return lengths_; }
  /// The batch of these sentences, in this order. Throws Error(index) for a number that no sentence has.
  TaggingBatch batch(std::span<const std::int64_t> sentences) const;

 private:
  std::vector<std::int64_t> lengths_;
  std::vector<std::int64_t> begins_;                // each sentence's first word
  std::vector<std::int64_t> words_, tags_, forms_;  // per word: ids, and the number of its form in this corpus
  std::vector<std::int64_t> form_begins_{0};        // each form's first character, and the end of the last
  std::vector<std::int64_t> characters_;
  std::int64_t unknown_count_ = 0;
};

/// The batches of a corpus, each made when it is reached:
///
///   for (const TaggingBatch& batch : token_batches(corpus, {.tokens = 2048, .shuffle_seed = seed, .epoch = epoch})) …
///
/// Refers to the corpus, which must outlive it.
class TaggingBatches {
 public:
  /// Throws Error(argument) as token_batches().
  TaggingBatches(const TaggingCorpus& corpus, const BatchOptions& options)
      : corpus_(&corpus), sentences_(token_batches(corpus.lengths(), options)) {}

  class Iterator {
   public:
    Iterator(const TaggingBatches& batches, std::size_t position) : batches_(&batches), position_(position) {}
    TaggingBatch operator*() const { return (*batches_)[position_]; }
    Iterator& operator++() {
      ++position_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return position_ == other.position_; }

   private:
    const TaggingBatches* batches_;
    std::size_t position_;
  };

  std::size_t size() const { return sentences_.size(); }                                  ///< how many batches
  TaggingBatch operator[](std::size_t i) const { return corpus_->batch(sentences_[i]); }  ///< made anew with each call
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  const TaggingCorpus* corpus_;
  std::vector<std::vector<std::int64_t>> sentences_;
};

/// See token_batches(lengths, options).
inline TaggingBatches token_batches(const TaggingCorpus& corpus, const BatchOptions& options = {}) {
  return {corpus, options};
}
TaggingBatches token_batches(TaggingCorpus&& corpus, const BatchOptions& options = {}) = delete;

/// The batches of a corpus for epoch after epoch, made ahead in the background, with a position that can be saved:
///
///   auto batches = data::tagging_batches(corpus, {.rows = 2048, .seed = seed});
///   for (const TaggingBatch& batch : batches.epoch()) …
///
/// Epoch e has the batches of token_batches(corpus, {.tokens = 2048, .shuffle_seed = seed, .epoch = e}). Refers to the
/// corpus, which must outlive it.
Batches<TaggingBatch> tagging_batches(const TaggingCorpus& corpus, const BatchesOptions& options);
Batches<TaggingBatch> tagging_batches(TaggingCorpus&& corpus, const BatchesOptions& options) = delete;

/// One sentence as a batch, for tagging it. Throws Error(argument) for an empty word.
TaggingBatch tagging_batch(const std::vector<std::string>& words, const TaggingVocabularies& vocabularies);

}  // namespace data
}  // namespace saw
