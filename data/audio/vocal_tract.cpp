#include "saw/data/audio/vocal_tract.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/log_mel_options.h"
#include "saw/data/audio/internal/mel_filters.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {

Tensor warp_vocal_tract(const Tensor& frames, double factor, const LogMelOptions& options) {
  const Tensor x = checked_frames("warp_vocal_tract", frames);
  const LogMelOptions mels = checked_log_mel("warp_vocal_tract", options);
  if (!(factor >= 0.25 && factor <= 4.0))
    fail(ErrorKind::argument, "warp_vocal_tract: the factor is out of range; got {}; expected 0.25 to 4", factor);
  if (x.size(1) != mels.mels)
    fail(ErrorKind::shape, "warp_vocal_tract: frames have the wrong shape; got {}; expected (frames, {})", x.shape(),
         mels.mels);
  const std::vector<double> places =
      bands_at({mels.window, mels.sample_rate, mels.mels, mels.low_frequency, mels.high_frequency},
               mels.slaney_scale ? MelScale::slaney : MelScale::htk, factor);
  const std::int64_t rows = x.size(0), bands = x.size(1);
  Tensor result = Tensor::empty(x.shape(), float32);
  for (std::int64_t m = 0; m < bands; ++m) {
    const double place = std::clamp(places[static_cast<std::size_t>(m)], 0.0, static_cast<double>(bands - 1));
    const auto below = static_cast<std::int64_t>(place), above = std::min(below + 1, bands - 1);
    const auto part = static_cast<float>(place - static_cast<double>(below));
    const float* in = x.data<float>();
    float* out = result.mutable_data<float>() + m;
    for (std::int64_t t = 0; t < rows; ++t, in += bands, out += bands)
      *out = in[below] + part * (in[above] - in[below]);
  }
  return result;
}

Tensor perturb_vocal_tract(const Tensor& frames, double largest, const LogMelOptions& mels, Generator& generator) {
  if (!(largest >= 1.0 && largest <= 4.0))
    fail(ErrorKind::argument, "perturb_vocal_tract: the largest factor is out of range; got {}; expected 1 to 4",
         largest);
  const double share = 2.0 * RandomStream(generator).uniform(0) - 1.0;
  return warp_vocal_tract(frames, std::exp(share * std::log(largest)), mels);
}

}  // namespace data
}  // namespace saw
