#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

// From vectors of C++ to a batch: packed rows, their Segments, and labels. `numbers` says which examples, in which
// order; a number may come twice. Each function throws Error(index) for a number that no example has.

/// Sequences in one tensor, and where each begins and ends.
struct Packed {
  Tensor rows;        ///< (N) int64 of ids, or (N, …) of vectors
  Segments segments;  ///< one for each example
};

/// What is put around each sequence.
struct PackOptions {
  std::optional<std::int64_t> begin = {};  ///< an id before each sequence
  std::optional<std::int64_t> end = {};    ///< an id after each
  std::int64_t longest = 0;                ///< sequences are cut after so many ids (begin and end aside); 0: never
};

/// Sequences of ids: rows (N) int64.
///
///   const data::Packed batch = data::pack_ids(sentences, numbers, {.end = words.end_id()});
///   model.forward(batch.rows, batch.segments);
Packed pack_ids(std::span<const std::vector<std::int64_t>> sequences, std::span<const std::int64_t> numbers,
                const PackOptions& options = {});
/// All of them.
Packed pack_ids(std::span<const std::vector<std::int64_t>> sequences, const PackOptions& options = {});

/// Sequences of rows, each a tensor (n, …): rows (N, …) of their dtype. Throws Error(shape) and Error(dtype), which
/// name the example, where they do not fit together.
Packed pack_rows(std::span<const Tensor> sequences, std::span<const std::int64_t> numbers);
Packed pack_rows(std::span<const Tensor> sequences);

/// Sequences of rows of `width` numbers, each row after row in one vector: rows (N, width) float32. Throws Error(shape)
/// for a vector that does not hold whole rows.
Packed pack_rows(std::span<const std::vector<float>> sequences, std::int64_t width,
                 std::span<const std::int64_t> numbers);

/// One label for each example: (B) int64.
Tensor pack_labels(std::span<const std::int64_t> labels, std::span<const std::int64_t> numbers);
/// One number for each, as the target of a regression: (B) float32.
Tensor pack_targets(std::span<const double> targets, std::span<const std::int64_t> numbers);

}  // namespace data
}  // namespace saw
