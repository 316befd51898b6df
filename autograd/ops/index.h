#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Indices are int64 tensors; an index outside 0 … size − 1 throws Error(index) with its place and value.
// Scattering adds in a fixed order, so results do not depend on the number of threads.

/// result[i][j] = x[index[i][j]][j] along axis 0, likewise for other axes; x and index have equal rank, and index fits
/// in x elsewhere.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);
/// x with source added at index along an axis (the reverse of gather): result[index[i][j]][j] += source[i][j].
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source);
/// x with the elements of source put at index along an axis: result[index[i][j]][j] = source[i][j]. Where an index
/// appears more than once the last one stays, and it alone gets the gradient. index and source have equal shapes.
Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source);
/// The same with one number at all places.
Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, double value);

/// What scatter_reduce makes of the elements that meet in one place.
enum class ScatterReduction {
  sum,   ///< their sum
  prod,  ///< their product
  mean,  ///< their mean
  amax,  ///< the largest; NaN wins
  amin,  ///< the smallest; NaN wins
};

/// x with the elements of source combined at index along an axis; `include_self` says whether what x holds there takes
/// part. Places that no index names keep x. mean is for floating dtypes; ties of amax and amin share the gradient; the
/// gradient of prod is exact where factors are 0 too (its own derivative takes zeros for constants).
Tensor scatter_reduce(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source,
                      ScatterReduction reduction, bool include_self = true);

/// Rows (or other slices) of x in the order of a 1-dimensional index; repeats allowed.
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index);
/// x with slices of `source` added: result[index[i]] += source[i] along the axis.
Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source);
/// The elements of x where the mask holds, in row-major order, as one dimension; mask has x's shape.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace saw
