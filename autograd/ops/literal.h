#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

#include "saw/autograd/base/number.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Tensors that are copies of C++ values; the element type follows theirs:
//
//   tensor({1, 2})              int64        tensor({1.0, 2.0})             float32
//   tensor({true, false})       bool         tensor({{1, 2}, {3, 4.5}})     float32, shape (2, 2)
//   tensor(std::vector{1, 2})   int64        tensor(std::vector{1.0, 2.0})  float64
//
// Written out in braces, a floating number is a float32: a literal has no other spelling that people use. A container
// says its type, so one of doubles becomes float64. Among numbers in braces the widest kind wins: bool, integer,
// floating. A dtype that is given is taken instead; numbers are then converted as by to().

/// A number, or numbers in braces to any depth: what an argument of tensor({…}) is made of.
class Literal {
 public:
  /// One number.
  template <Arithmetic T>
  Literal(T number) : number_(number) {}
  /// A list in braces, of which only the braces' own life is borrowed.
  Literal(std::initializer_list<Literal> list) : list_(list) {}

  bool is_list() const { return !number_; }                      ///< false for a number
  const Number& number() const { return *number_; }              ///< unless it is a list
  std::initializer_list<Literal> list() const { return list_; }  ///< empty for a number

 private:
  std::optional<Number> number_;
  std::initializer_list<Literal> list_;  // lives as long as the call of tensor() that it is written in
};

/// Numbers in braces, nested to any rank that a tensor has. Throws Error(shape) for rows of different lengths.
Tensor tensor(std::initializer_list<Literal> values, std::optional<DType> dtype = {});

namespace detail {

Tensor copy_of_values(std::span<const float> values, const Shape* shape, std::optional<DType> dtype);
Tensor copy_of_values(std::span<const double> values, const Shape* shape, std::optional<DType> dtype);
Tensor copy_of_values(std::span<const std::int64_t> values, const Shape* shape, std::optional<DType> dtype);
Tensor copy_of_values(std::span<const bool> values, const Shape* shape, std::optional<DType> dtype);

/// The element type that takes the values of T.
template <Arithmetic T>
using ElementOf = std::conditional_t<std::is_same_v<T, bool> || std::is_floating_point_v<T>, T, std::int64_t>;

/// Copies of any range of numbers, in an element type of tensors.
template <class Container>
Tensor copy_of_range(const Container& values, const Shape* shape, std::optional<DType> dtype) {
  using T = std::ranges::range_value_t<Container>;
  using Element = ElementOf<T>;
  if constexpr (std::ranges::contiguous_range<const Container> && std::is_same_v<T, Element>) {
    return copy_of_values(std::span<const T>(std::ranges::data(values), std::ranges::size(values)), shape, dtype);
  } else {
    const auto count = static_cast<std::size_t>(std::ranges::distance(values));
    const std::unique_ptr<Element[]> copy(new Element[count]);
    std::size_t i = 0;
    for (const T value : values) copy[i++] = Number(value).template element<Element>("tensor");
    return copy_of_values(std::span<const Element>(copy.get(), count), shape, dtype);
  }
}

/// std::vector, std::array, std::span and the like of any number type; std::vector<bool> too.
template <class Container>
concept NumberRange = std::ranges::sized_range<const Container> && std::ranges::random_access_range<const Container> &&
    Arithmetic<std::ranges::range_value_t<Container>>;

}  // namespace detail

/// One dimension, or the given shape, which must have as many elements (Error(shape)).
template <detail::NumberRange Container>
Tensor tensor(const Container& values) {
  return detail::copy_of_range(values, nullptr, {});
}
template <detail::NumberRange Container, std::same_as<DType> Type>  // a template, so that {} is a shape
Tensor tensor(const Container& values, Type dtype) {
  return detail::copy_of_range(values, nullptr, dtype);
}
template <detail::NumberRange Container>
Tensor tensor(const Container& values, const Shape& shape, std::optional<DType> dtype = {}) {
  return detail::copy_of_range(values, &shape, dtype);
}

}  // namespace saw
