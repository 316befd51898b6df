#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace saw::train {

/// How often each stretch of n units occurs in a text of units: characters, or words that a WordNumbers has numbered.
/// The keys refer to the text.
using NgramCounts = std::unordered_map<std::u32string_view, std::int64_t>;
NgramCounts count_ngrams(std::u32string_view units, std::size_t n);

/// Gives equal words equal numbers, so that a text of words is a string, too.
class WordNumbers {
 public:
  std::u32string number(const std::vector<std::u32string>& words);

 private:
  std::unordered_map<std::u32string, char32_t> numbers_;
};

}  // namespace saw::train
