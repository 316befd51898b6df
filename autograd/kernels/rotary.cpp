#include "saw/autograd/kernels/rotary.h"

#include <algorithm>
#include <cstddef>

#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/rotary.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

template <class T>
void rotate_neighbours(const T* x, const T* cosines, const T* sines, std::size_t width, T* y) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t i = 0; i < width; i += 2) {
    y[i] = x[i] * cosines[i] + x[i + 1] * sines[i];
    y[i + 1] = x[i + 1] * cosines[i + 1] + x[i] * sines[i + 1];
  }
#else
  const hn::ScalableTag<T> d;
  for_row(d, width, [&](auto at) HWY_ATTR {
    const auto own = at.load(x);
    at.store(hn::MulAdd(hn::Reverse2(d, own), at.load(sines), hn::Mul(own, at.load(cosines))), y);
  });
#endif
}

template <class T>
void rotate_halves(const T* x, const T* cosines, const T* sines, std::size_t width, T* y) {
  const hn::ScalableTag<T> d;
  const std::size_t half = width / 2;
  for_row(d, half, [&](auto at) HWY_ATTR {
    const auto first = at.load(x), second = at.load(x + half);
    at.store(hn::MulAdd(second, at.load(sines), hn::Mul(first, at.load(cosines))), y);
    at.store(hn::MulAdd(first, at.load(sines + half), hn::Mul(second, at.load(cosines + half))), y + half);
  });
}

template <class T>
void rotary_rows(const RotaryProblem<T>& problem, std::int64_t begin, std::int64_t end, T* y) {
  const auto width = static_cast<std::size_t>(problem.width);
  for (std::int64_t row = begin; row < end; ++row) {
    const T* cosines = problem.cosines + problem.turn[row] * problem.width;
    const T* sines = problem.sines + problem.turn[row] * problem.width;
    for (std::int64_t head = 0; head < problem.heads; ++head) {
      const T* x = problem.x.data + row * problem.x.row + head * problem.x.head;
      T* to = y + (row * problem.heads + head) * problem.width;
      if (problem.interleaved)
        rotate_neighbours(x, cosines, sines, width, to);
      else
        rotate_halves(x, cosines, sines, width, to);
    }
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {

template <class T>
void rotary_forward(const RotaryProblem<T>& problem, T* y) {
  const std::int64_t columns = std::max<std::int64_t>(1, problem.heads * problem.width);
  parallel_for(0, problem.rows, std::max<std::int64_t>(1, 32768 / columns), [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(rotary_rows<T>)(problem, begin, end, y);
  });
}

template void rotary_forward(const RotaryProblem<float>&, float*);
template void rotary_forward(const RotaryProblem<double>&, double*);

}  // namespace saw::kernels
#endif
