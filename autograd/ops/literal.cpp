#include "saw/autograd/ops/literal.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/convert.h"

namespace saw {
namespace {

template <class From>
Tensor copied(std::span<const From> values, const Shape* shape, std::optional<DType> dtype) {
  const Tensor y = Tensor::empty(shape != nullptr ? *shape : Shape{static_cast<std::int64_t>(values.size())},
                                 dtype.value_or(dtype_of<From>()));
  if (y.numel() != static_cast<std::int64_t>(values.size()))
    fail(ErrorKind::shape, "tensor: the values do not fill the shape; got {} values for {}; expected {}", values.size(),
         y.shape(), y.numel());
  dispatch_all(y.dtype(), [&]<class T>() {
    std::transform(values.begin(), values.end(), y.mutable_data<T>(),
                   [](From value) { return convert_element<T>(value); });
  });
  return y;
}

/// What the braces say before any element is made.
struct Outline {
  Shape shape;
  DType dtype = boolean;
  bool any = false;
};

void widen(Outline& outline, DType dtype) {
  const auto width = [](DType kind) { return kind == boolean ? 0 : kind == int64 ? 1 : 2; };
  if (!outline.any || width(dtype) > width(outline.dtype)) outline.dtype = dtype;
  outline.any = true;
}

void measure(std::initializer_list<Literal> list, std::size_t depth, Outline& outline) {
  const auto size = static_cast<std::int64_t>(list.size());
  if (depth == outline.shape.size()) outline.shape.push_back(size);
  if (outline.shape[depth] != size)
    fail(ErrorKind::shape, "tensor: rows of different lengths; got {} beside {}; expected equal ones", size,
         outline.shape[depth]);
  for (const Literal& element : list) {
    if (element.is_list() != list.begin()->is_list())
      fail(ErrorKind::shape, "tensor: numbers beside lists; expected lists of one depth everywhere");
    if (element.is_list())
      measure(element.list(), depth + 1, outline);
    else
      widen(outline, element.number().dtype());
  }
}

/// Whether every innermost list lies as deep as the first.
void check_depth(std::initializer_list<Literal> list, std::size_t depth, std::size_t rank) {
  const bool innermost = list.size() == 0 || !list.begin()->is_list();
  if (innermost && depth != rank)
    fail(ErrorKind::shape, "tensor: lists of different depths; got {} beside {}; expected one depth", depth, rank);
  if (!innermost)
    for (const Literal& element : list) check_depth(element.list(), depth + 1, rank);
}

template <class T>
T* write(std::initializer_list<Literal> list, T* to) {
  for (const Literal& element : list) {
    if (element.is_list()) {
      to = write(element.list(), to);
    } else {
      const Number& number = element.number();
      // An integer that is wanted as one does not pass through a double.
      *to++ = number.dtype() == int64 && std::is_same_v<T, std::int64_t> ? number.element<T>("tensor")
                                                                         : convert_element<T>(number.as_double());
    }
  }
  return to;
}

}  // namespace

Tensor tensor(std::initializer_list<Literal> values, std::optional<DType> dtype) {
  Outline outline;
  measure(values, 0, outline);
  check_depth(values, 1, outline.shape.size());
  const DType own = outline.any ? outline.dtype : float32;
  const Tensor y = Tensor::empty(outline.shape, dtype.value_or(own));
  dispatch_all(y.dtype(), [&]<class T>() { write(values, y.mutable_data<T>()); });
  return y;
}

namespace detail {

Tensor copy_of_values(std::span<const float> values, const Shape* shape, std::optional<DType> dtype) {
  return copied(values, shape, dtype);
}
Tensor copy_of_values(std::span<const double> values, const Shape* shape, std::optional<DType> dtype) {
  return copied(values, shape, dtype);
}
Tensor copy_of_values(std::span<const std::int64_t> values, const Shape* shape, std::optional<DType> dtype) {
  return copied(values, shape, dtype);
}
Tensor copy_of_values(std::span<const bool> values, const Shape* shape, std::optional<DType> dtype) {
  return copied(values, shape, dtype);
}

}  // namespace detail
}  // namespace saw
