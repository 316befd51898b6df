#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "saw/train/metrics/bleu.h"

namespace saw::train {

/// The tokens that sacrebleu compares.
std::vector<std::u32string> bleu_tokens(std::string_view text, BleuTokens tokens);

}  // namespace saw::train
