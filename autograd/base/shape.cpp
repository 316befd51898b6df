#include "saw/autograd/base/shape.h"

#include <algorithm>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/internal/check.h"

namespace saw {

const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::boolean:
      return "bool";
  }
  return "unknown";
}

Shape::Shape(std::span<const std::int64_t> sizes) : rank_(sizes.size()) {
  if (rank_ > max_rank)
    fail(ErrorKind::argument, "shape: too many dimensions; got {}; expected at most {}", sizes.size(), max_rank);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

Shape Shape::filled(std::size_t rank, std::int64_t fill) {
  Shape shape;
  for (std::size_t i = 0; i < rank; ++i) shape.push_back(fill);
  return shape;
}

void Shape::push_back(std::int64_t size) { insert(rank_, size); }

void Shape::insert(std::size_t position, std::int64_t size) {
  if (rank_ == max_rank)
    fail(ErrorKind::argument, "shape: too many dimensions; got {}; expected at most {}", rank_ + 1, max_rank);
  for (std::size_t i = rank_; i > position; --i) sizes_[i] = sizes_[i - 1];
  sizes_[position] = size;
  ++rank_;
}

void Shape::erase(std::size_t position) {
  for (std::size_t i = position; i + 1 < rank_; ++i) sizes_[i] = sizes_[i + 1];
  --rank_;
  sizes_[rank_] = 0;
}

std::int64_t Shape::numel() const {
  std::int64_t product = 1;
  for (const std::int64_t size : *this) product *= size;
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  if (shape.size() == 1) text += ",";
  return text + ")";
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = shape;
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  Shape result = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  for (std::size_t i = 1; i <= shorter.size(); ++i) {
    std::int64_t& size = result[result.size() - i];
    const std::int64_t other = shorter[shorter.size() - i];
    if (size == other || other == 1) continue;
    if (size != 1)
      fail(ErrorKind::shape,
           "{}: shapes do not broadcast; got {} and {}; expected equal sizes, or 1, counted from the last axis", op, a,
           b);
    size = other;
  }
  return result;
}

std::size_t normalize_axis(const char* op, std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank)
    fail(ErrorKind::argument, "{}: axis out of range; got {} for {} dimension(s); expected {} … {}", op, axis, rank,
         -signed_rank, signed_rank - 1);
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace saw
