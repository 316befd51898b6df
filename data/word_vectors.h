#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/tape/tensor.h"
#include "saw/data/vocabulary.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// What is done for words that the file does not have.
struct WordVectorOptions {
  /// A word of the vocabulary that the file does not have gets the vector of its lower-case form, if there is one.
  bool lower_case = false;
  std::uint64_t seed = 0;                             ///< of the vectors of words that are not found
  std::int64_t longest_line = std::int64_t{1} << 22;  ///< bytes
};

/// Vectors for a vocabulary, one row for each entry.
struct WordVectors {
  Tensor matrix;               ///< (vocabulary size, d) float32: what an Embedding has as its weight
  std::int64_t found = 0;      ///< words of the vocabulary that the file has, by the lower-case form too
  std::int64_t in_file = 0;    ///< vectors that the file has
  std::vector<bool> is_found;  ///< for each entry of the vocabulary
};

/// Reads pretrained word vectors as text: GloVe's form (`word v₁ … v_d` a line), or word2vec's and fastText's (the same
/// after a line `count d`). Only what the vocabulary has is kept, so memory does not depend on the file's size. Words
/// that are not found, and entries with a role, get normal numbers of the standard deviation that the found ones have;
/// padding gets zeros. A word that comes twice keeps its first vector.
///
///   const data::WordVectors vectors = data::read_word_vectors("glove.6B.100d.txt", words);
///   nn::Embedding embedding(words.size(), vectors.matrix.size(1));
///   embedding.weight.copy_(vectors.matrix);                                    // under NoGradGuard
///
/// Throws Error(io) `file:line: …` for a line of another number of fields, a vector of the vocabulary that is not
/// finite numbers, a file that ends before the count that it announces, an empty one; Error(argument) for an empty
/// vocabulary.
WordVectors read_word_vectors(const std::string& path, const Vocabulary& vocabulary,
                              const WordVectorOptions& options = {});

}  // namespace data
}  // namespace saw
