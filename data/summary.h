#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saw/data/conllu.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// What a corpus holds, to be looked at before training begins.
struct CorpusSummary {
  std::string name;                                        ///< of the corpus: its path
  std::int64_t sentences = 0;                              ///< how many
  std::int64_t words = 0;                                  ///< how many, repeats included
  std::int64_t different_words = 0;                        ///< how many, repeats left out
  std::int64_t different_characters = 0;                   ///< of all words
  std::int64_t untagged_words = 0;                         ///< repeats included
  std::vector<std::pair<std::string, std::int64_t>> tags;  ///< with their counts, most frequent first
  std::optional<std::int64_t> unknown_words;  ///< words that the training corpus does not have, repeats included
  // Sentence lengths in words. p90: 90 of 100 sentences are not longer.
  /// Of sentences, in words; p90: 90 of 100 sentences are not longer.
  std::int64_t shortest = 0, median = 0, p90 = 0, p99 = 0, longest = 0;
  /// How many sentences have about one length.
  struct Bar {
    std::int64_t first, last;  ///< lengths from first to last
    std::int64_t count;        ///< sentences
  };
  std::vector<Bar> histogram;         ///< by length, ascending
  std::vector<std::string> warnings;  ///< such as more than 1,000 tags, which are probably not parts of speech
};

/// Counts a corpus; nothing is unknown.
CorpusSummary summary(const Corpus& corpus);
/// The same with the words that `training` does not have counted as unknown.
CorpusSummary summary(const Corpus& corpus, const Corpus& training);

/// Several lines for people.
std::string to_string(const CorpusSummary& summary);

}  // namespace data
}  // namespace saw
