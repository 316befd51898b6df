#pragma once

// For sources, not for users: what an elementwise kernel gets, and how it is called whatever its op and its target are.

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace saw::kernels {

/// n elements of up to three operands and of the result, which may be one of the operands. An operand either has an
/// element of its own for each of them, or repeats its first.
template <class T>
struct ElementwiseRow {
  static constexpr std::size_t most_operands = 3;
  std::array<const T*, most_operands> in{};
  std::array<bool, most_operands> repeats{};
  T* out = nullptr;
  std::size_t n = 0;
};

/// Runs one formula of the op over a row. The op comes as its bytes: each target has a type of its own for it, with the
/// same members.
template <class T>
using RowFunction = void (*)(const void* op, const ElementwiseRow<T>& row);

/// One formula for all dtypes; `integers` is null for ops over floating elements only.
struct RowFunctions {
  RowFunction<float> floats = nullptr;
  RowFunction<double> doubles = nullptr;
  RowFunction<std::int64_t> integers = nullptr;

  template <class T>
  RowFunction<T> get() const {
    if constexpr (std::is_same_v<T, float>)
      return floats;
    else if constexpr (std::is_same_v<T, double>)
      return doubles;
    else
      return integers;
  }
};

struct UnaryKernels {
  RowFunctions value;     ///< of x
  RowFunctions gradient;  ///< of g and what was saved
};

struct BinaryKernels {
  RowFunctions value;                   ///< of a, b
  RowFunctions gradient_a, gradient_b;  ///< of g, a, b
};

}  // namespace saw::kernels
