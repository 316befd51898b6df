#pragma once

#include "saw/data/audio/log_mel.h"

namespace saw::data {

/// The options of LogMel with the high frequency in place of 0. Throws Error(argument), in the name of `op`, for those
/// that do not fit together.
LogMelOptions checked_log_mel(const char* op, LogMelOptions options);

}  // namespace saw::data
