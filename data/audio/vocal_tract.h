#pragma once

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/audio/log_mel.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Log-mel frames (T, mels) as if the speaker's vocal tract were `factor` times as long, after Jaitly & Hinton 2013
/// (vocal tract length perturbation): a band whose centre is f Hz gets what lies at factor · f, interpolated between
/// the two bands nearest to it on the mel scale; beyond the outer bands the outermost value is repeated. Formants come
/// out 1 / factor times as high, and with them the pitch; durations stay, which change_speed() changes. `mels` says
/// where the bands lie; LogMel must have made the frames with it. Throws Error(argument) unless 0.25 ≤ factor ≤ 4
/// and for options that LogMel does not take, Error(shape) where the frames have other than mels.mels bands.
///
///   data::warp_vocal_tract(log_mel(samples), 1.1, log_mel.options())
Tensor warp_vocal_tract(const Tensor& frames, double factor, const LogMelOptions& mels);

/// warp_vocal_tract() by a factor whose logarithm is drawn uniformly from −ln largest to ln largest. Takes one stream
/// from the generator, as all of augment.h does. Throws Error(argument) unless 1 ≤ largest ≤ 4.
Tensor perturb_vocal_tract(const Tensor& frames, double largest, const LogMelOptions& mels, Generator& generator);

}  // namespace data
}  // namespace saw
