#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

Tensor zeros(const Shape& shape, DType dtype = float32);
Tensor ones(const Shape& shape, DType dtype = float32);
Tensor full(const Shape& shape, double value, DType dtype = float32);
Tensor zeros_like(const Tensor& like);
Tensor ones_like(const Tensor& like);
Tensor full_like(const Tensor& like, double value);
/// A 0-dimensional tensor.
Tensor scalar(double value, DType dtype = float32);
/// Ones on the diagonal of a (rows, columns) matrix; columns < 0 means square.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = float32);
/// begin, begin + step, … below end. Throws Error(argument) for step 0 or a step that leads away from end.
Tensor arange(double begin, double end, double step = 1.0, DType dtype = float32);
/// 0, 1, …, count − 1 as int64.
Tensor arange(std::int64_t count);
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
/// A random order of 0 … count − 1 as int64.
Tensor randperm(std::int64_t count);
Tensor randperm(std::int64_t count, Generator& generator);

/// (…) int64 class numbers to (…, classes) with a 1 at each. Throws Error(index) for a number out of range.
Tensor one_hot(const Tensor& classes, std::int64_t count, DType dtype = float32);

/// Copies of C++ values; the shape of the second form must have as many elements.
Tensor tensor(const std::vector<float>& values);
Tensor tensor(const std::vector<double>& values);
Tensor tensor(const std::vector<std::int64_t>& values);
Tensor tensor(const std::vector<bool>& values);
Tensor tensor(std::initializer_list<double> values, DType dtype = float32);
Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, DType dtype = float32);
Tensor tensor(const std::vector<float>& values, const Shape& shape);
Tensor tensor(const std::vector<double>& values, const Shape& shape);
Tensor tensor(const std::vector<std::int64_t>& values, const Shape& shape);

/// A tensor over memory that someone else owns, without a copy; `release` runs when the last view of it is gone.
Tensor from_borrowed(void* memory, const Shape& shape, DType dtype, std::function<void()> release = {});

}  // namespace saw
