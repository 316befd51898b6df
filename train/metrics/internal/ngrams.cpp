#include "saw/train/metrics/internal/ngrams.h"

namespace saw::train {

NgramCounts count_ngrams(std::u32string_view units, std::size_t n) {
  NgramCounts counts;
  for (std::size_t i = 0; i + n <= units.size(); ++i) ++counts[units.substr(i, n)];
  return counts;
}

std::u32string WordNumbers::number(const std::vector<std::u32string>& words) {
  std::u32string numbers;
  for (const std::u32string& word : words)
    numbers += numbers_.try_emplace(word, static_cast<char32_t>(numbers_.size())).first->second;
  return numbers;
}

}  // namespace saw::train
