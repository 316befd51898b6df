#pragma once

#include <string>

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// A table of the model's modules, their parameters with shapes and counts, and the totals, as lines of text:
///
///   module              type         parameters                    count
///   tagger              Tagger                                         0
///     words             Embedding    weight (10000, 128)       1,280,000
///   …
///   1,282,193 parameters (1,282,193 trainable), 4.9 MiB
///
/// A parameter that is tied to an earlier one is marked and not counted again.
std::string summary(const Module& model);

}  // namespace nn
}  // namespace saw
