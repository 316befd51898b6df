#pragma once

// Parts of tensors by index, as in NumPy. Included by tensor.h.
//
//   x[2]                 the third row                           x({}, -1)        the last column
//   x({1, 5})            rows 1 … 4                              x(ellipsis, 0)   the first along the last axis
//   x(Range{.step = 2})  every other row                         x(new_axis)      an axis of size 1 in front
//   x(index)             rows in the order of an int64 tensor    x(mask)          where a bool tensor holds
//   x(rows, columns)     x[rows[i], columns[i]] for index tensors that broadcast
//   x({}, 0) = y;        x(mask) = 0;   x({0, 3}) += 1;          for (Tensor row : x) …

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <span>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// The positions begin, begin + step, … below end of an axis; negative ones count from the end, and what lies outside
/// is cut off. Range{} is the whole axis, Range{.begin = 2} all from 2 on. A negative step throws: use flip.
struct Range {
  std::int64_t begin = 0;                                       ///< the first position
  std::int64_t end = std::numeric_limits<std::int64_t>::max();  ///< one past the last; by default all there are
  std::int64_t step = 1;                                        ///< from one position to the next
};

/// As many whole axes as are left: NumPy's "...".
inline constexpr struct Ellipsis {
} ellipsis{};  ///< as in x(ellipsis, 0)
/// An axis of size 1 where there was none: NumPy's None.
inline constexpr struct NewAxis {
} new_axis{};  ///< as in x(new_axis)

/// What may stand for one axis in x(…). Integers count from the end when negative; int64 tensors (negative elements
/// count from the end too) choose positions, and several broadcast together; a bool tensor of rank k stands for k axes.
class Index {
 public:
  /// What an index is made of.
  enum class Kind {
    integer,  ///< one position, whose axis disappears
    range,    ///< a Range of positions
    rest,     ///< `ellipsis`
    fresh,    ///< `new_axis`
    tensor,   ///< positions or a mask
  };

  /// The whole axis, written x({}, …).
  Index() : kind_(Kind::range) {}
  /// One position.
  template <std::integral T>
  Index(T position) : range_{static_cast<std::int64_t>(position)} {}
  Index(bool) = delete;  // true is no position; a mask is a tensor
  /// The positions of a Range, written x({begin, end}).
  Index(std::int64_t begin, std::int64_t end, std::int64_t step = 1) : kind_(Kind::range), range_{begin, end, step} {}
  /// The positions of a Range.
  Index(const Range& range) : kind_(Kind::range), range_(range) {}
  /// As many whole axes as are left.
  Index(Ellipsis) : kind_(Kind::rest) {}
  /// An axis of size 1.
  Index(NewAxis) : kind_(Kind::fresh) {}
  /// Positions (int64) or a mask (bool).
  Index(const Tensor& tensor) : kind_(Kind::tensor), tensor_(tensor) {}

  Kind kind() const { return kind_; }                     ///< which of the others may be asked
  std::int64_t position() const { return range_.begin; }  ///< of an integer, as given
  const Range& range() const { return range_; }           ///< of a range
  const Tensor& tensor() const { return tensor_; }        ///< of a tensor

 private:
  Kind kind_ = Kind::integer;
  Range range_;
  Tensor tensor_;
};

/// What x(…) gives: the chosen elements as a tensor (a view of x unless a tensor chose them, then a copy), made of
/// recorded ops, so that gradients of every order flow through it. Assigned to as the temporary that it is, it writes
/// into x, under the rules of changes in place (see Tensor::copy_): `x(0) = y` broadcasts y, which has x's dtype, or
/// is a number that fits it. Where an index repeats, the last value stays. A named one is a tensor like any other.
class Indexed : public Tensor {
 public:
  /// x(indices…). Throws Error(argument) for too many indices and for integers out of range, Error(index) for an
  /// element of an index tensor out of range, Error(shape) for masks and index tensors that do not fit, Error(dtype)
  /// for index tensors of floating numbers.
  Indexed(const Tensor& x, std::span<const Index> indices);
  Indexed(const Indexed&) = default;

  const Tensor& operator=(const Tensor& values) && { return assign(values); }
  const Tensor& operator=(const Indexed& values) && { return assign(values); }
  const Tensor& operator=(Number value) && { return assign(value); }
  Indexed& operator=(const Tensor& other) &;
  Indexed& operator=(const Indexed& other) & = default;

  /// Of a temporary, what changes are the chosen elements of x (where an index repeats, the last change alone stays);
  /// of a named one, its own (which may be x's too).
  const Tensor& operator+=(const Tensor& other) &&;
  const Tensor& operator+=(Number number) &&;
  const Tensor& operator+=(const Tensor& other) const& { return add_(other); }
  const Tensor& operator+=(Number number) const& { return add_(number); }
  const Tensor& operator-=(const Tensor& other) &&;
  const Tensor& operator-=(Number number) &&;
  const Tensor& operator-=(const Tensor& other) const& { return sub_(other); }
  const Tensor& operator-=(Number number) const& { return sub_(number); }
  const Tensor& operator*=(const Tensor& other) &&;
  const Tensor& operator*=(Number number) &&;
  const Tensor& operator*=(const Tensor& other) const& { return mul_(other); }
  const Tensor& operator*=(Number number) const& { return mul_(number); }
  const Tensor& operator/=(const Tensor& other) &&;
  const Tensor& operator/=(Number number) &&;
  const Tensor& operator/=(const Tensor& other) const& { return div_(other); }
  const Tensor& operator/=(Number number) const& { return div_(number); }

 private:
  struct Places;

  const Tensor& assign(const Tensor& values) const;
  const Tensor& assign(Number value) const;
  void write(const Tensor& values) const;
  template <class Change>
  const Tensor& update(const Tensor& other, const Change& change) const;

  std::shared_ptr<const Places> places_;  // where the elements came from, when a tensor chose them
};

/// Walks over the first axis; what it points to is a view.
class RowIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Tensor;
  using difference_type = std::ptrdiff_t;
  using pointer = const Tensor*;
  using reference = Tensor;

  RowIterator() = default;
  RowIterator(const Tensor& x, std::int64_t row) : x_(x), row_(row) {}
  Tensor operator*() const { return x_.select(0, row_); }
  RowIterator& operator++() {
    ++row_;
    return *this;
  }
  RowIterator operator++(int) {
    RowIterator before = *this;
    ++row_;
    return before;
  }
  friend bool operator==(const RowIterator& a, const RowIterator& b) { return a.row_ == b.row_; }

 private:
  Tensor x_;
  std::int64_t row_ = 0;
};

}  // namespace saw
