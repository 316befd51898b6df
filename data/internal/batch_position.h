#pragma once

#include <string_view>

#include "saw/data/batch_plan.h"

namespace saw {
namespace data {

/// Throws Error(argument) where a position was saved with other data or options than those whose fingerprint is given.
/// `same` lists what has to be the same.
void check_belongs(std::string_view op, const BatchPosition& position, std::int64_t fingerprint, std::string_view same);

}  // namespace data
}  // namespace saw
