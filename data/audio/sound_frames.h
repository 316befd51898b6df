#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saw/data/audio/log_mel.h"
#include "saw/data/frame_batches.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Log-mel frames of sound files as a FrameSource: computed when they are first asked for, and kept as long as they
/// take less than `room` bytes. It may be called from several threads.
///
///   const data::FrameSource read = data::sound_frames(paths, {.mels = 64});
///   const Tensor frames = read(0);                  // (frames, 64) float32, of paths[0]
///
/// The source throws Error(io), which begins with the path, for a file that cannot be read or that is too short for
/// one window, and Error(index) for a number that is not one of a path. Throws Error(argument) for options of LogMel
/// that do not fit together.
FrameSource sound_frames(std::vector<std::string> paths, const LogMelOptions& options = {},
                         std::int64_t room = std::int64_t{512} << 20);

}  // namespace data
}  // namespace saw
