#include "saw/autograd/kernels/glu.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/glu.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

void glu_row(const float* x, std::int64_t columns, float* y) {
  const hn::ScalableTag<float> d;
  const float* gate = x + columns;
  for_row(d, static_cast<std::size_t>(columns),
          [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(x), sigmoid(d, at.load(gate))), y); });
}

void glu_backward_row(const float* x, const float* dy, std::int64_t columns, float* dx) {
  const hn::ScalableTag<float> d;
  const float* gate = x + columns;
  float* dgate = dx + columns;
  const auto one = hn::Set(d, 1.0f);
  for_row(d, static_cast<std::size_t>(columns), [&](auto at) HWY_ATTR {
    const auto s = sigmoid(d, at.load(gate));
    const auto da = hn::Mul(at.load(dy), s);
    at.store(da, dx);
    at.store(hn::Mul(hn::Mul(da, at.load(x)), hn::Sub(one, s)), dgate);
  });
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(glu_row);
HWY_EXPORT(glu_backward_row);

void row_forward(const float* x, std::int64_t columns, float* y) { HWY_DYNAMIC_DISPATCH(glu_row)(x, columns, y); }
void row_forward(const double* x, std::int64_t columns, double* y) {
  for (std::int64_t c = 0; c < columns; ++c) y[c] = x[c] / (1.0 + std::exp(-x[columns + c]));
}

void row_backward(const float* x, const float* dy, std::int64_t columns, float* dx) {
  HWY_DYNAMIC_DISPATCH(glu_backward_row)(x, dy, columns, dx);
}
void row_backward(const double* x, const double* dy, std::int64_t columns, double* dx) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const double s = 1.0 / (1.0 + std::exp(-x[columns + c]));
    dx[c] = dy[c] * s;
    dx[columns + c] = dx[c] * x[c] * (1.0 - s);
  }
}

/// Rows per task.
std::int64_t grain(std::int64_t columns) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(columns, 1));
}

}  // namespace

template <class T>
void glu(const T* x, std::int64_t rows, std::int64_t columns, T* y) {
  parallel_for(0, rows, grain(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) row_forward(x + r * 2 * columns, columns, y + r * columns);
  });
}

template <class T>
void glu_backward(const T* x, const T* dy, std::int64_t rows, std::int64_t columns, T* dx) {
  parallel_for(0, rows, grain(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      row_backward(x + r * 2 * columns, dy + r * columns, columns, dx + r * 2 * columns);
  });
}

template void glu<float>(const float*, std::int64_t, std::int64_t, float*);
template void glu<double>(const double*, std::int64_t, std::int64_t, double*);
template void glu_backward<float>(const float*, const float*, std::int64_t, std::int64_t, float*);
template void glu_backward<double>(const double*, const double*, std::int64_t, std::int64_t, double*);

}  // namespace saw::kernels
#endif
