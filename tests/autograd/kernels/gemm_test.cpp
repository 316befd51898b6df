// Matrix products against three loops in double, and that a row's bits do not depend on the rows beside it.

#include "saw/autograd/kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "support/tensors.h"

using namespace saw;

namespace {

struct Size {
  std::int64_t m, n, k;
};

/// `rows` rows of which only `columns` elements count, the leading dimension is larger; random, with NaN between.
template <class T>
std::vector<T> matrix(std::int64_t rows, std::int64_t columns, std::int64_t leading, std::uint64_t seed) {
  Generator generator(seed);
  const auto values = to(randn({rows, columns}, generator), float64).to_vector<double>();
  std::vector<T> result(static_cast<std::size_t>(rows * leading), std::numeric_limits<T>::quiet_NaN());
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(i * leading + j)] =
          static_cast<T>(values[static_cast<std::size_t>(i * columns + j)]);
  return result;
}

template <class T>
void check_product(const Size& size, bool ta, bool tb, bool accumulate, bool parallel) {
  const std::int64_t m = size.m, n = size.n, k = size.k;
  const std::int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 5, ldc = n + 2;
  const auto a = ta ? matrix<T>(k, m, lda, 1) : matrix<T>(m, k, lda, 1);
  const auto b = tb ? matrix<T>(n, k, ldb, 2) : matrix<T>(k, n, ldb, 2);
  const auto before = matrix<T>(m, n, ldc, 3);
  auto c = before;
  if (!accumulate)  // C is not read
    std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());
  if (parallel)
    kernels::gemm_parallel(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc, accumulate);
  else
    kernels::gemm(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc, accumulate);
  double worst = 0;
  bool kept = true;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < ldc; ++j) {
      const auto at = static_cast<std::size_t>(i * ldc + j);
      if (j >= n) {
        kept = kept && std::isnan(c[at]);
        continue;
      }
      double sum = accumulate ? static_cast<double>(before[at]) : 0.0, size_of_terms = std::fabs(sum);
      for (std::int64_t p = 0; p < k; ++p) {
        const double term = static_cast<double>(a[static_cast<std::size_t>(ta ? p * lda + i : i * lda + p)]) *
                            static_cast<double>(b[static_cast<std::size_t>(tb ? j * ldb + p : p * ldb + j)]);
        sum += term;
        size_of_terms += std::fabs(term);
      }
      // Each of k multiply-adds rounds once, the sum with C once more; two roundings where there is no fused one.
      const double allowed =
          static_cast<double>(2 * (k + 1)) * static_cast<double>(std::numeric_limits<T>::epsilon()) / 2 * size_of_terms;
      const double error = std::fabs(static_cast<double>(c[at]) - sum);
      worst = std::max(worst, error == 0 ? 0 : error / allowed);
      if (std::isnan(error)) worst = std::numeric_limits<double>::infinity();
    }
  INFO("m ", m, " n ", n, " k ", k, " transposed ", ta, tb, " accumulate ", accumulate, " parallel ", parallel);
  CHECK(worst <= 1.0);
  CHECK(kept);
}

}  // namespace

TEST_CASE_TEMPLATE("gemm: every layout at sizes around its tiles", T, float, double) {
  std::vector<Size> sizes;
  for (const std::int64_t m : {1, 2, 7, 8, 9, 31, 65})
    for (const std::int64_t n : {1, 2, 15, 16, 17, 49, 97})
      for (const std::int64_t k : {0, 1, 5, 67}) sizes.push_back({m, n, k});
  for (const Size& size : {Size{1, 300, 600}, Size{300, 1, 600}, Size{3, 5, 1025}, Size{200, 170, 300},
                           Size{700, 33, 90}, Size{20, 700, 257}, Size{700, 5, 300}, Size{0, 5, 3}, Size{5, 0, 3}})
    sizes.push_back(size);
  for (const Size& size : sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const bool accumulate : {false, true})
          check_product<T>(size, ta, tb, accumulate, (size.m + size.n + size.k) % 2 == 0);
}

TEST_CASE("linear and matmul: a row has the same bits in batches of every size") {
  for (const DType dtype : {float32, float64})
    for (const std::int64_t k : {1, 40, 192, 300})
      for (const std::int64_t n : {1, 2, 17, 64, 192, 330}) {
        Generator generator(static_cast<std::uint64_t>(1000 * k + n));
        const Tensor x = randn({200, k}, generator, dtype), weight = randn({n, k}, generator, dtype);
        const Tensor bias = randn({n}, generator, dtype), turned = contiguous(transpose(weight, 0, 1));
        const Tensor all = linear(x, weight, bias), product = matmul(x, turned);
        for (std::int64_t rows = 1; rows <= 200; rows += test::sanitized() ? 13 : 1) {
          // the first and the last rows, so that each row lies at many places of a batch
          for (const std::int64_t begin : {std::int64_t{0}, 200 - rows}) {
            const Tensor part = slice(x, 0, begin, begin + rows);
            const bool same = test::same_bits(linear(part, weight, bias), slice(all, 0, begin, begin + rows)) &&
                              test::same_bits(matmul(part, turned), slice(product, 0, begin, begin + rows));
            if (!same) FAIL_CHECK("rows ", rows, " from ", begin, ", k ", k, ", n ", n);
          }
        }
      }
}
