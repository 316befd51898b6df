#include "saw/train/attention_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/internal/check.h"

namespace saw::train {

std::string attention_picture(const std::vector<std::string>& words, std::span<const double> weights, int width) {
  if (words.size() != weights.size())
    fail(ErrorKind::argument, "attention_picture: got {} word(s) and {} weight(s); expected one for each", words.size(),
         weights.size());
  constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::size_t longest_word = 0;
  double largest = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    longest_word = std::max(longest_word, words[i].size());
    largest = std::max(largest, weights[i]);
  }
  std::string picture;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double length = largest > 0 ? weights[i] / largest * width : 0;
    const auto steps = static_cast<int>(std::lround(length * 8));
    std::string bar;
    for (int j = 0; j < steps / 8; ++j) bar += "█";
    bar += eighths[steps % 8];
    const int drawn = steps / 8 + (steps % 8 != 0);
    picture +=
        fmt::format("  {:<{}}  {}{:{}} {:3.0f} %\n", words[i], longest_word, bar, "", width - drawn, 100 * weights[i]);
  }
  return picture;
}

}  // namespace saw::train
