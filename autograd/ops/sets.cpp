#include "saw/autograd/ops/sets.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo nonzero_info{"nonzero", "the positions i with x[i] ≠ 0", false};
const OpInfo bincount_info{"bincount", "y[n] = how many elements of x are n", false};
const OpInfo unique_info{"unique", "the different elements of x, ascending", false};
const OpInfo searchsorted_info{"searchsorted", "how many elements of sorted lie below each value", false};

/// a < b, with NaN above all numbers.
template <class T>
bool below(T a, T b) {
  return a < b || (b != b && a == a);
}

/// How many of the first elements of an ascending sequence lie below `value` (or, right, not above it).
template <class T>
std::int64_t place_in(const T* sorted, std::int64_t count, T value, bool right) {
  const T* place = right ? std::upper_bound(sorted, sorted + count, value, below<T>)
                         : std::lower_bound(sorted, sorted + count, value, below<T>);
  return place - sorted;
}

constexpr std::int64_t search_grain = 1024;  // values per chunk; each takes a few dozen comparisons

}  // namespace

Tensor nonzero(const Tensor& x) {
  check_defined("nonzero", x);
  const Tensor source = contiguous(x.detach());
  const Shape& shape = x.shape();
  return dispatch_all(x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) count += in[i] != T{} ? 1 : 0;
    const Tensor positions = Tensor::empty({count, static_cast<std::int64_t>(x.rank())}, int64);
    std::int64_t* out = positions.mutable_data<std::int64_t>();
    Shape at = Shape::filled(x.rank(), 0);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      if (in[i] != T{}) out = std::copy(at.begin(), at.end(), out);
      for (std::size_t axis = x.rank(); axis-- > 0;) {
        if (++at[axis] < shape[axis]) break;
        at[axis] = 0;
      }
    }
    return record_constant(nonzero_info, positions);
  });
}

Tensor bincount(const Tensor& x, std::int64_t minlength) {
  if (x.dtype() != int64) fail(ErrorKind::dtype, "bincount: needs int64 numbers; got {}", x.dtype());
  if (minlength < 0) fail(ErrorKind::argument, "bincount: minlength must not be negative; got {}", minlength);
  const Tensor source = contiguous(x.detach());
  const std::int64_t* in = source.data<std::int64_t>();
  std::int64_t largest = -1;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (in[i] < 0) fail(ErrorKind::argument, "bincount: numbers must not be negative; got {}", in[i]);
    largest = std::max(largest, in[i]);
  }
  // Held to what an array can be before 1 is added to the largest number there is.
  element_count("bincount", {std::max<std::int64_t>(largest, 0)});
  const Tensor counts = zeros({std::max(largest + 1, minlength)}, int64);
  std::int64_t* out = counts.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < x.numel(); ++i) ++out[in[i]];
  return record_constant(bincount_info, counts);
}

Unique unique(const Tensor& x) {
  check_defined("unique", x);
  const Tensor source = contiguous(x.detach());
  const auto size = static_cast<std::size_t>(x.numel());
  Unique result;
  result.inverse = Tensor::empty(x.shape(), int64);
  std::int64_t* inverse = result.inverse.mutable_data<std::int64_t>();
  std::vector<std::int64_t> order(size), counts;
  std::iota(order.begin(), order.end(), std::int64_t{0});
  dispatch_all(x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    std::stable_sort(order.begin(), order.end(), [in](std::int64_t a, std::int64_t b) { return below(in[a], in[b]); });
    std::vector<std::int64_t> firsts;
    for (std::size_t i = 0; i < size; ++i) {
      if (i == 0 || in[order[i]] != in[order[i - 1]]) {
        firsts.push_back(order[i]);
        counts.push_back(0);
      }
      ++counts.back();
      inverse[order[i]] = std::ssize(firsts) - 1;
    }
    result.values = Tensor::empty({std::ssize(firsts)}, x.dtype());
    T* values = result.values.mutable_data<T>();
    for (const std::int64_t first : firsts) *values++ = in[first];
  });
  result.counts = tensor(counts);
  result.values = record_constant(unique_info, result.values);
  return result;
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  if (sorted.dtype() != values.dtype())
    fail(ErrorKind::dtype, "searchsorted: dtypes differ; got {} and {}", sorted.dtype(), values.dtype());
  bool fits = sorted.rank() == 1 || (sorted.rank() > 1 && sorted.rank() == values.rank());
  for (std::size_t axis = 0; axis + 1 < sorted.rank() && fits; ++axis)
    fits = sorted.shape()[axis] == values.shape()[axis];
  if (!fits)
    fail(ErrorKind::shape,
         "searchsorted: the shapes do not fit; got sorted {} and values {}; expected one dimension, or equal sizes "
         "except along the last",
         sorted.shape(), values.shape());
  const Tensor sequence = contiguous(sorted.detach()), wanted = contiguous(values.detach());
  const Tensor result = Tensor::empty(values.shape(), int64);
  const std::int64_t length = sorted.shape().back();
  const std::int64_t per_sequence = sorted.rank() == 1 ? values.numel() : values.shape().back();
  dispatch_numeric("searchsorted", sorted.dtype(), [&]<class T>() {
    const T *from = sequence.data<T>(), *in = wanted.data<T>();
    std::int64_t* out = result.mutable_data<std::int64_t>();
    parallel_for(0, values.numel(), search_grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out[i] = place_in(from + i / per_sequence * length, length, in[i], right);
    });
  });
  return record_constant(searchsorted_info, result);
}

OpList sets_ops() { return {&nonzero_info, &bincount_info, &unique_info, &searchsorted_info}; }

}  // namespace saw
