#pragma once

#include <cstdint>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace saw::train {

/// A prediction beside its target, for every row whose target counts.
struct Labels {
  std::vector<std::int64_t> predictions, targets;
};

/// `predictions` are ids (int64, the shape of `targets`) or logits (floating, that shape and one axis of classes), of
/// which the first largest is taken. Rows whose target is `ignore_index` are left out. Throws Error(shape) and
/// Error(dtype) for other tensors, and Error(index) for a target that the logits have no class for.
Labels labels_of(const char* metric, const Tensor& predictions, const Tensor& targets, std::int64_t ignore_index);

/// Throws as labels_of() does for tensors that are not logits (…, C) beside targets (…), C at least 1; returns C.
std::int64_t check_logits(const char* metric, const Tensor& logits, const Tensor& targets);

/// Rows to be looked at together, so that a copy of them in another dtype stays at some megabytes.
std::int64_t rows_at_once(std::int64_t classes);

}  // namespace saw::train
