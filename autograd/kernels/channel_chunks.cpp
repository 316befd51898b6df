#include "saw/autograd/kernels/channel_chunks.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/channel_chunks.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

// Columns that are walked down side by side: what is kept for each fits into the registers, 32 of them or 16.
#if HWY_TARGET == HWY_AVX3
constexpr int column_vectors = 4;
#else
constexpr int column_vectors = 2;
#endif

/// `size` vectors of channels side by side from channel i on; with `part`, only `count` lanes of the only one exist.
template <class D, int vectors, bool part>
struct Columns {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  static constexpr int size = vectors;
  std::size_t i;
  std::size_t count;

  HWY_INLINE V load(const T* row, int v) const {
    if constexpr (part) return load_part(D(), row + i, count);
    return hn::LoadU(D(), row + i + static_cast<std::size_t>(v) * hn::Lanes(D()));
  }
  HWY_INLINE void store(V x, T* row, int v) const {
    if constexpr (part)
      store_part(D(), x, row + i, count);
    else
      hn::StoreU(x, D(), row + i + static_cast<std::size_t>(v) * hn::Lanes(D()));
  }
};

/// Calls f(columns) until all channels have been met.
template <class D, class F>
HWY_INLINE void for_columns(D d, std::int64_t channels, F f) {
  const std::size_t lanes = hn::Lanes(d), size = static_cast<std::size_t>(channels);
  std::size_t i = 0;
  for (; i + column_vectors * lanes <= size; i += column_vectors * lanes) f(Columns<D, column_vectors, false>{i, 0});
  for (; i + lanes <= size; i += lanes) f(Columns<D, 1, false>{i, 0});
  if (i < size) f(Columns<D, 1, true>{i, size - i});
}

template <class T>
void moments_down_columns(const RowChunk<T>& chunk, const Moments<T>& moments) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto share = hn::Set(d, static_cast<T>(1.0 / static_cast<double>(chunk.rows)));
  for_columns(d, chunk.channels, [&](auto at) HWY_ATTR {
    V centre[at.size], sum[at.size], squares[at.size];
    for (int v = 0; v < at.size; ++v) {
      centre[v] = at.load(chunk.x, v);
      sum[v] = squares[v] = hn::Zero(d);
    }
    const T* x = chunk.x;
    for (std::int64_t r = 0; r < chunk.rows; ++r, x += chunk.channels)
      for (int v = 0; v < at.size; ++v) sum[v] = hn::Add(sum[v], hn::Sub(at.load(x, v), centre[v]));
    for (int v = 0; v < at.size; ++v) {
      centre[v] = hn::MulAdd(sum[v], share, centre[v]);
      sum[v] = hn::Zero(d);
    }
    x = chunk.x;
    for (std::int64_t r = 0; r < chunk.rows; ++r, x += chunk.channels)
      for (int v = 0; v < at.size; ++v) {
        const V distance = hn::Sub(at.load(x, v), centre[v]);
        sum[v] = hn::Add(sum[v], distance);
        squares[v] = hn::MulAdd(distance, distance, squares[v]);
      }
    for (int v = 0; v < at.size; ++v) {
      at.store(centre[v], moments.centre, v);
      at.store(sum[v], moments.sum, v);
      at.store(squares[v], moments.squares, v);
    }
  });
}

template <class T>
void normalise_down_columns(const RowChunk<T>& chunk, const Normalisation<T>& n, T* result) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  for_columns(d, chunk.channels, [&](auto at) HWY_ATTR {
    V mean[at.size], low[at.size], scale[at.size], offset[at.size];
    for (int v = 0; v < at.size; ++v) {
      mean[v] = at.load(n.mean, v);
      low[v] = at.load(n.mean_low, v);
      scale[v] = at.load(n.scale, v);
      offset[v] = at.load(n.offset, v);
    }
    const T* x = chunk.x;
    T* y = result;
    for (std::int64_t r = 0; r < chunk.rows; ++r, x += chunk.channels, y += chunk.channels)
      for (int v = 0; v < at.size; ++v)
        at.store(hn::MulAdd(hn::Sub(hn::Sub(at.load(x, v), mean[v]), low[v]), scale[v], offset[v]), y, v);
  });
}

template <class T>
void gradient_sums_down_columns(const RowChunk<T>& chunk, const GradientSums<T>& g) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  for_columns(d, chunk.channels, [&](auto at) HWY_ATTR {
    V mean[at.size], low[at.size], sum[at.size], products[at.size];
    for (int v = 0; v < at.size; ++v) {
      mean[v] = at.load(g.mean, v);
      low[v] = at.load(g.mean_low, v);
      sum[v] = products[v] = hn::Zero(d);
    }
    const T* x = chunk.x;
    const T* dy = chunk.dy;
    for (std::int64_t r = 0; r < chunk.rows; ++r, x += chunk.channels, dy += chunk.channels)
      for (int v = 0; v < at.size; ++v) {
        const V upstream = at.load(dy, v);
        sum[v] = hn::Add(sum[v], upstream);
        products[v] = hn::MulAdd(upstream, hn::Sub(hn::Sub(at.load(x, v), mean[v]), low[v]), products[v]);
      }
    for (int v = 0; v < at.size; ++v) {
      at.store(sum[v], g.dy, v);
      at.store(hn::Mul(products[v], at.load(g.rstd, v)), g.dy_x, v);
    }
  });
}

template <class T>
void input_gradient_down_columns(const RowChunk<T>& chunk, const InputGradient<T>& g, T* result) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  for_columns(d, chunk.channels, [&](auto at) HWY_ATTR {
    const T* dy = chunk.dy;
    T* dx = result;
    V scale[at.size];
    for (int v = 0; v < at.size; ++v) scale[v] = at.load(g.scale, v);
    if (g.slope == nullptr) {
      for (std::int64_t r = 0; r < chunk.rows; ++r, dy += chunk.channels, dx += chunk.channels)
        for (int v = 0; v < at.size; ++v) at.store(hn::Mul(at.load(dy, v), scale[v]), dx, v);
      return;
    }
    V mean[at.size], low[at.size], offset[at.size], slope[at.size];
    for (int v = 0; v < at.size; ++v) {
      mean[v] = at.load(g.mean, v);
      low[v] = at.load(g.mean_low, v);
      offset[v] = at.load(g.offset, v);
      slope[v] = at.load(g.slope, v);
    }
    const T* x = chunk.x;
    for (std::int64_t r = 0; r < chunk.rows; ++r, x += chunk.channels, dy += chunk.channels, dx += chunk.channels)
      for (int v = 0; v < at.size; ++v) {
        const V distance = hn::Sub(hn::Sub(at.load(x, v), mean[v]), low[v]);
        at.store(hn::NegMulAdd(distance, slope[v], hn::MulSub(at.load(dy, v), scale[v], offset[v])), dx, v);
      }
  });
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {

template <class T>
void sum_moments(const RowChunk<T>& chunk, const Moments<T>& moments) {
  SAW_FOR_TARGET(moments_down_columns<T>)(chunk, moments);
}

template <class T>
void normalise(const RowChunk<T>& chunk, const Normalisation<T>& numbers, T* y) {
  SAW_FOR_TARGET(normalise_down_columns<T>)(chunk, numbers, y);
}

template <class T>
void sum_gradients(const RowChunk<T>& chunk, const GradientSums<T>& sums) {
  SAW_FOR_TARGET(gradient_sums_down_columns<T>)(chunk, sums);
}

template <class T>
void input_gradient(const RowChunk<T>& chunk, const InputGradient<T>& numbers, T* dx) {
  SAW_FOR_TARGET(input_gradient_down_columns<T>)(chunk, numbers, dx);
}

#define SAW_INSTANTIATE(T)                                                  \
  template void sum_moments(const RowChunk<T>&, const Moments<T>&);         \
  template void normalise(const RowChunk<T>&, const Normalisation<T>&, T*); \
  template void sum_gradients(const RowChunk<T>&, const GradientSums<T>&);  \
  template void input_gradient(const RowChunk<T>&, const InputGradient<T>&, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
