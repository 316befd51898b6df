#pragma once

#include <span>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A bar chart for the terminal: one line a word, with the share of attention it gets.
///
///   I    ████▌                 21 %
///   saw  ███████████▏          53 %
///
/// `weights` are shares of 1, one for each word; the longest bar is `width` characters.
std::string attention_picture(const std::vector<std::string>& words, std::span<const double> weights, int width = 30);

}  // namespace train
}  // namespace saw
