#pragma once

#include <string>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/tape/tensor.h"
#include "support/errors.h"

// What tests of tensors share: comparisons, numbers of threads, and other memory layouts for the same values.

namespace test {

// set_num_threads for a scope.
class Threads {
 public:
  explicit Threads(int threads) : saved_(saw::num_threads()) { saw::set_num_threads(threads); }
  ~Threads() { saw::set_num_threads(saved_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int saved_;
};

// Both undefined, or equal in dtype, shape and the bits of every element.
bool same_bits(const saw::Tensor& a, const saw::Tensor& b);
bool same_bits(const saw::TensorList& a, const saw::TensorList& b);

// Distance from 1 to the next number of a floating dtype.
double epsilon(saw::DType dtype);

// The largest magnitude among the finite elements; 0 where there is none.
double magnitude(const saw::Tensor& x);

// "" when shapes are equal and |got − expected| ≤ allowed everywhere (NaN beside NaN and infinity beside the same
// infinity are equal; bools and integers must be equal), else where and how they differ. Dtypes may differ.
std::string difference(const saw::Tensor& got, const saw::Tensor& expected, double allowed);
// The same with |got − expected| ≤ absolute + relative · |expected|, for tensors of one dtype without NaN.
std::string difference(const saw::Tensor& got, const saw::Tensor& expected, double relative, double absolute);

// The same values as x on the tape, in other layouts. What lies between the elements is NaN (an impossible index for
// integers), so that reading it shows.
saw::Tensor transposed(const saw::Tensor& x);  // the last two axes lie the other way round
saw::Tensor sliced(const saw::Tensor& x);      // every second element, from the second on
saw::Tensor row_sliced(const saw::Tensor& x);  // every second row, from the second on; rows are contiguous

// A copy with its own memory and no history, contiguous; undefined stays undefined.
saw::Tensor copy_of(const saw::Tensor& x);

// Bytes of this process in physical memory.
std::size_t resident_bytes();

// True in builds with AddressSanitizer, whose quarantine and shadow memory distort resident memory and time.
constexpr bool sanitized() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return false;
#endif
}

}  // namespace test
