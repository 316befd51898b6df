#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

Tensor zeros(const Shape& shape, DType dtype = float32);  ///< all elements 0
Tensor ones(const Shape& shape, DType dtype = float32);   ///< all elements 1
/// All elements `value`, converted as by to().
Tensor full(const Shape& shape, double value, DType dtype = float32);
/// As another tensor in shape and, unless one is given, dtype. What they make is contiguous and has no history.
Tensor zeros_like(const Tensor& like, std::optional<DType> dtype = {});
Tensor ones_like(const Tensor& like, std::optional<DType> dtype = {});  ///< zeros_like with 1
/// zeros_like with `value`.
Tensor full_like(const Tensor& like, double value, std::optional<DType> dtype = {});
/// Uninitialised memory: every element is to be written.
Tensor empty_like(const Tensor& like, std::optional<DType> dtype = {});
/// A 0-dimensional tensor.
Tensor scalar(double value, DType dtype = float32);
/// Ones on the diagonal of a (rows, columns) matrix; columns < 0 means square.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = float32);
/// begin, begin + step, … below end, in floating numbers. Throws Error(argument) for step 0 or a step that leads away
/// from end.
Tensor arange(double begin, double end, double step = 1.0, DType dtype = float32);
/// 0, 1, … below end, in floating numbers.
Tensor arange(double end);

namespace detail {
Tensor arange_of_integers(std::int64_t begin, std::int64_t end, std::int64_t step, DType dtype);
Tensor arange_of_integers(std::int64_t count);
}  // namespace detail

/// Of integers: int64 unless a dtype is given.
template <std::integral Begin, std::integral End, std::integral Step = int>
Tensor arange(Begin begin, End end, Step step = 1, DType dtype = int64) {
  return detail::arange_of_integers(begin, end, step, dtype);
}
/// 0, 1, …, count − 1 as int64.
template <std::integral Count>
Tensor arange(Count count) {
  return detail::arange_of_integers(count);
}
/// `count` numbers from first to last, both included.
Tensor linspace(double first, double last, std::int64_t count, DType dtype = float32);

/// Uniform in [0, 1); from the thread's default generator or a given one. Every draw is a function of (seed, stream,
/// index).
Tensor rand(const Shape& shape, DType dtype = float32);
Tensor rand(const Shape& shape, Generator& generator, DType dtype = float32);
/// Standard normal.
Tensor randn(const Shape& shape, DType dtype = float32);
Tensor randn(const Shape& shape, Generator& generator, DType dtype = float32);
/// int64 in [low, high). Throws Error(argument) for an empty range.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape);
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator);
/// Draws in the shape and dtype of another tensor, or in a given dtype; floating for rand and randn.
Tensor rand_like(const Tensor& like, std::optional<DType> dtype = {});
Tensor rand_like(const Tensor& like, Generator& generator, std::optional<DType> dtype = {});
/// Standard normal, as rand_like.
Tensor randn_like(const Tensor& like, std::optional<DType> dtype = {});
Tensor randn_like(const Tensor& like, Generator& generator, std::optional<DType> dtype = {});
/// Integers in [low, high), in the dtype of another tensor (which is not bool) or in a given one.
Tensor randint_like(const Tensor& like, std::int64_t low, std::int64_t high, std::optional<DType> dtype = {});
Tensor randint_like(const Tensor& like, std::int64_t low, std::int64_t high, Generator& generator,
                    std::optional<DType> dtype = {});
/// A random order of 0 … count − 1 as int64.
Tensor randperm(std::int64_t count);
Tensor randperm(std::int64_t count, Generator& generator);

/// (…) int64 class numbers to (…, classes) with a 1 at each. Throws Error(index) for a number out of range.
Tensor one_hot(const Tensor& classes, std::int64_t count, DType dtype = float32);

/// A tensor over memory that someone else owns, without a copy; `release` runs when the last view of it is gone.
Tensor from_borrowed(void* memory, const Shape& shape, DType dtype, std::function<void()> release = {});

}  // namespace saw
