#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// The gradient of a table (V, …) of which a backward touched few rows: those rows alone. All others are 0.
struct SparseGradient {
  Tensor indices = {};                             ///< (U) int64, ascending, each once
  Tensor rows = {};                                ///< (U, …)
  bool defined() const { return rows.defined(); }  ///< whether there is anything
};

/// What this leaf has collected row by row, beside or instead of grad(); undefined where there is nothing. Where a
/// dense gradient has arrived as well, the rows are added to it first, and the result is undefined. zero_grad() forgets
/// it.
SparseGradient sparse_grad(const Tensor& leaf);

/// Adds to what this leaf has collected: `rows` (U, …) for the rows `indices` (U), in any order, also repeated. Throws
/// Error(shape) where they do not fit the leaf, Error(index) for a row that is not there.
void add_sparse_grad(const Tensor& leaf, const Tensor& indices, const Tensor& rows);

/// Different values in ascending order, and where each of the given ones is among them.
struct Distinct {
  Tensor values;     ///< (U) int64
  Tensor positions;  ///< int64, of the shape given
};
/// The different values of an int64 tensor of any shape: values[positions[i]] = x[i].
Distinct distinct(const Tensor& x);

}  // namespace saw
