#include "saw/autograd/kernels/vector_math.h"

#include <cassert>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/vector_math.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/functions-inl.h"
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace {

template <class T>
void axpy_row(T a, const T* x, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, a);
  for_row(d, n, [&](auto at) HWY_ATTR { at.store(hn::MulAdd(factor, at.load(x), at.load(y)), y); });
}

template <class T>
void scale_row(T factor, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto slope = hn::Set(d, factor);
  for_row(d, n, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(y), slope), y); });
}

template <class T>
void fill_row(T value, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto v = hn::Set(d, value);
  for_row(d, n, [&](auto at) HWY_ATTR { at.store(v, y); });
}

template <class T>
void exponentials_row(T* y, std::size_t n) {
  for_row(hn::ScalableTag<T>(), n, [&](auto at) HWY_ATTR { at.store(exp(Vec<T>(at.load(y))).raw, y); });
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "saw/autograd/kernels/targets.h"

namespace saw::kernels {

template <class T>
void axpy(T a, std::span<const std::type_identity_t<T>> x, std::span<std::type_identity_t<T>> y) {
  assert(x.size() == y.size());
  SAW_FOR_TARGET(axpy_row<T>)(a, x.data(), y.data(), y.size());
}

template <class T>
void scale(T factor, std::span<std::type_identity_t<T>> y) {
  SAW_FOR_TARGET(scale_row<T>)(factor, y.data(), y.size());
}

template <class T>
void fill(T value, std::span<std::type_identity_t<T>> y) {
  SAW_FOR_TARGET(fill_row<T>)(value, y.data(), y.size());
}

template <class T>
void exponentials(std::span<T> y) {
  SAW_FOR_TARGET(exponentials_row<T>)(y.data(), y.size());
}

template void axpy<float>(float, std::span<const float>, std::span<float>);
template void axpy<double>(double, std::span<const double>, std::span<double>);
template void scale<float>(float, std::span<float>);
template void scale<double>(double, std::span<double>);
template void fill<float>(float, std::span<float>);
template void fill<double>(double, std::span<double>);

template void exponentials<float>(std::span<float>);
template void exponentials<double>(std::span<double>);

const char* simd_target() { return SAW_FOR_TARGET(target_name)(); }

}  // namespace saw::kernels

#endif  // HWY_ONCE
