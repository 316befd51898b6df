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
  std::string name;
  std::int64_t sentences = 0;
  std::int64_t words = 0;
  std::int64_t different_words = 0;
  std::int64_t different_characters = 0;
  std::int64_t untagged_words = 0;
  std::vector<std::pair<std::string, std::int64_t>> tags;  ///< with their counts, most frequent first
  std::optional<std::int64_t> unknown_words;  ///< words that the training corpus does not have, repeats included
  // Sentence lengths in words. p90: 90 of 100 sentences are not longer.
  std::int64_t shortest = 0, median = 0, p90 = 0, p99 = 0, longest = 0;
  struct Bar {
    std::int64_t first, last;  ///< lengths from first to last
    std::int64_t count;        ///< sentences
  };
  std::vector<Bar> histogram;
  std::vector<std::string> warnings;  ///< such as more than 1,000 tags, which are probably not parts of speech
};

CorpusSummary summary(const Corpus& corpus);
/// The same with the words that `training` does not have counted as unknown.
CorpusSummary summary(const Corpus& corpus, const Corpus& training);

/// Several lines for people.
std::string to_string(const CorpusSummary& summary);

}  // namespace data
}  // namespace saw
