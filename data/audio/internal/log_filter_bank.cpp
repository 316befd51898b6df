#include "saw/data/audio/internal/log_filter_bank.h"

#include <cmath>

namespace saw::data {

LogFilterBank::Scratch LogFilterBank::scratch() const {
  return {std::vector<float>(static_cast<std::size_t>(spectrum_.points())),
          std::vector<float>(static_cast<std::size_t>(spectrum_.bins())), spectrum_.scratch()};
}

void LogFilterBank::operator()(Scratch& scratch, float* result) const {
  spectrum_(scratch.frame.data(), scratch.power.data(), scratch.transform);
  filters_(scratch.power.data(), result);
  for (std::int64_t m = 0; m < filters_.size(); ++m) result[m] = std::log(result[m] < floor_ ? floor_ : result[m]);
}

}  // namespace saw::data
