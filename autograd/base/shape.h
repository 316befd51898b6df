#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {

/// A short list of sizes (or strides, or axes), kept inline: no tensor has more than max_rank dimensions,
/// so that making a view or a result asks nothing of the heap.
class Shape {
 public:
  static constexpr std::size_t max_rank = 8;  ///< dimensions that a tensor has at most
  using value_type = std::int64_t;

  constexpr Shape() = default;
  /// From sizes in braces. Throws Error(argument) for more than max_rank.
  Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// From a vector. Throws Error(argument) for more than max_rank entries.
  Shape(const std::vector<std::int64_t>& sizes) : Shape(std::span(sizes)) {}
  /// Throws Error(argument) for more than max_rank entries.
  explicit Shape(std::span<const std::int64_t> sizes);
  /// `rank` entries of value `fill`.
  static Shape filled(std::size_t rank, std::int64_t fill);

  std::size_t size() const { return rank_; }                          ///< how many entries: the rank
  bool empty() const { return rank_ == 0; }                           ///< rank 0, as a scalar's
  std::int64_t operator[](std::size_t i) const { return sizes_[i]; }  ///< entry i, unchecked
  std::int64_t& operator[](std::size_t i) { return sizes_[i]; }       ///< entry i, to be changed
  std::int64_t back() const { return sizes_[rank_ - 1]; }             ///< the last entry, unchecked
  std::int64_t& back() { return sizes_[rank_ - 1]; }                  ///< the last entry, to be changed
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }
  std::int64_t* begin() { return sizes_.data(); }
  std::int64_t* end() { return sizes_.data() + rank_; }

  void push_back(std::int64_t size);                     ///< at the end; throws Error(argument) beyond max_rank
  void insert(std::size_t position, std::int64_t size);  ///< before `position`; throws Error(argument) beyond max_rank
  void erase(std::size_t position);                      ///< the entry at `position`, unchecked

  /// The product of all entries; 1 for rank 0.
  std::int64_t numel() const;

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < a.rank_; ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }

 private:
  std::array<std::int64_t, max_rank> sizes_{};
  std::size_t rank_ = 0;
};

/// Strides in elements; stride 0 repeats an element along an axis (expand).
using Strides = Shape;

/// "(2, 3)", "()" for a scalar, "(4,)" for one dimension.
std::string to_string(const Shape& shape);

/// The row-major strides of a contiguous tensor.
Strides contiguous_strides(const Shape& shape);

/// NumPy broadcasting of two shapes: aligned at the last axis, a size of 1 stretches.
/// Throws Error(shape) in the name of `op` where they do not fit.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

/// An axis counted from the front: -1 is the last of `rank`. Throws Error(argument) in the name of `op`.
std::size_t normalize_axis(const char* op, std::int64_t axis, std::size_t rank);

}  // namespace saw
