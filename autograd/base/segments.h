#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace [[gnu::visibility("default")]] saw {

/// The boundaries of sequences that lie packed, one after the other, in the rows of a tensor:
/// offsets 0 = o₀ ≤ o₁ ≤ … ≤ o_B = N, so that sequence b owns the rows [o_b, o_{b+1}). Immutable and cheap to copy.
/// Segments of length 0 and 1 are ordinary. (FlashAttention calls the offsets cu_seqlens, TensorFlow row_splits.)
///
///   auto sentences = Segments::from_lengths({4, 7});   // rows 0–3 and 4–10
class Segments {
 public:
  /// No segments, no rows.
  Segments();
  /// From offsets. Throws Error(argument) unless they begin with 0 and never decrease.
  explicit Segments(std::vector<std::int64_t> offsets);
  /// From lengths. Throws Error(argument) for a negative length.
  static Segments from_lengths(std::span<const std::int64_t> lengths);
  static Segments from_lengths(std::initializer_list<std::int64_t> lengths);
  /// One segment that owns all rows.
  static Segments single(std::int64_t rows);

  std::int64_t count() const { return static_cast<std::int64_t>(offsets_->size()) - 1; }  ///< how many segments: B
  std::int64_t rows() const { return offsets_->back(); }  ///< how many rows they own together: N
  /// The first row of a segment, unchecked.
  std::int64_t begin(std::int64_t segment) const { return (*offsets_)[static_cast<std::size_t>(segment)]; }
  /// One past the last row of a segment, unchecked.
  std::int64_t end(std::int64_t segment) const { return (*offsets_)[static_cast<std::size_t>(segment) + 1]; }
  /// How many rows a segment owns.
  std::int64_t length(std::int64_t segment) const { return end(segment) - begin(segment); }
  std::int64_t max_length() const;                                     ///< of the longest; 0 where there is none
  std::span<const std::int64_t> offsets() const { return *offsets_; }  ///< 0 = o₀, …, o_B
  std::vector<std::int64_t> lengths() const;                           ///< of all segments
  /// For every row the number of its segment; (N).
  std::vector<std::int64_t> segment_of_row() const;

  friend bool operator==(const Segments& a, const Segments& b) { return *a.offsets_ == *b.offsets_; }

 private:
  std::shared_ptr<const std::vector<std::int64_t>> offsets_;
};

}  // namespace saw
