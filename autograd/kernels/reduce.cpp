#include "saw/autograd/kernels/reduce.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/reduce.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

template <class T>
double sum_contiguous(const T* x, std::int64_t size) {
  const hn::ScalableTag<T> d;
  return sum_row(d, static_cast<std::size_t>(size), [x](auto at) HWY_ATTR { return at.load(x); });
}

/// out[c] = Σᵣ x[r·stride + c]. Rows are added in groups of 64 that are then added up, every column in the same order.
template <class T>
void sum_columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
  constexpr std::int64_t group = 64;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t begin = 0; begin < rows || begin == 0; begin += group) {
    const std::int64_t end = std::min(begin + group, rows);
    const bool first = begin == 0;
    std::int64_t c = 0;
    for (; c + 4 * lanes <= columns; c += 4 * lanes) {
      auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
      for (std::int64_t r = begin; r < end; ++r) {
        const T* row = x + r * stride + c;
        s0 = hn::Add(s0, hn::LoadU(d, row));
        s1 = hn::Add(s1, hn::LoadU(d, row + lanes));
        s2 = hn::Add(s2, hn::LoadU(d, row + 2 * lanes));
        s3 = hn::Add(s3, hn::LoadU(d, row + 3 * lanes));
      }
      if (!first) {
        s0 = hn::Add(s0, hn::LoadU(d, out + c));
        s1 = hn::Add(s1, hn::LoadU(d, out + c + lanes));
        s2 = hn::Add(s2, hn::LoadU(d, out + c + 2 * lanes));
        s3 = hn::Add(s3, hn::LoadU(d, out + c + 3 * lanes));
      }
      hn::StoreU(s0, d, out + c);
      hn::StoreU(s1, d, out + c + lanes);
      hn::StoreU(s2, d, out + c + 2 * lanes);
      hn::StoreU(s3, d, out + c + 3 * lanes);
    }
    const auto rest = [&](auto at) HWY_ATTR {
      auto s = hn::Zero(d);
      for (std::int64_t r = begin; r < end; ++r) s = hn::Add(s, at.load(x + r * stride));
      if (!first) s = hn::Add(s, at.load(out));
      at.store(s, out);
    };
    for (; c + lanes <= columns; c += lanes) rest(Whole<hn::ScalableTag<T>>{static_cast<std::size_t>(c)});
    if (c < columns) rest(Part<hn::ScalableTag<T>>{static_cast<std::size_t>(c), static_cast<std::size_t>(columns - c)});
  }
}

/// The largest element (of −x, negated, it is the smallest); NaN wins.
template <bool negate, class T>
T max_contiguous(const T* x, std::int64_t size) {
  const hn::ScalableTag<T> d;
  const T largest =
      max_row(d, static_cast<std::size_t>(size), -std::numeric_limits<T>::infinity(), [=](auto at) HWY_ATTR {
        const auto v = at.load(x);
        return negate ? hn::Neg(v) : v;
      });
  return negate ? -largest : largest;
}

template <bool negate, class T>
void max_columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
  const hn::ScalableTag<T> d;
  const T infinity = std::numeric_limits<T>::infinity();
  for_row(d, static_cast<std::size_t>(columns), [&](auto at) HWY_ATTR {
    auto best = hn::Set(d, negate ? infinity : -infinity);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto v = at.load(x + r * stride);
      const auto better = negate ? hn::Lt(v, best) : hn::Gt(v, best);
      best = hn::IfThenElse(hn::Or(better, hn::IsNaN(v)), v, best);
    }
    at.store(best, out);
  });
}

double sum_contiguous_float(const float* x, std::int64_t size) { return sum_contiguous(x, size); }
double sum_contiguous_double(const double* x, std::int64_t size) { return sum_contiguous(x, size); }
void sum_columns_float(const float* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, float* out) {
  sum_columns(x, rows, stride, columns, out);
}
void sum_columns_double(const double* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, double* out) {
  sum_columns(x, rows, stride, columns, out);
}

#define SAW_EXTREMES(T)                                                                                    \
  T max_contiguous_##T(const T* x, std::int64_t size) { return max_contiguous<false>(x, size); }           \
  T min_contiguous_##T(const T* x, std::int64_t size) { return max_contiguous<true>(x, size); }            \
  void max_columns_##T(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) { \
    max_columns<false>(x, rows, stride, columns, out);                                                     \
  }                                                                                                        \
  void min_columns_##T(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) { \
    max_columns<true>(x, rows, stride, columns, out);                                                      \
  }
SAW_EXTREMES(float)
SAW_EXTREMES(double)
#undef SAW_EXTREMES

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(sum_contiguous_float);
HWY_EXPORT(sum_contiguous_double);
HWY_EXPORT(sum_columns_float);
HWY_EXPORT(sum_columns_double);
HWY_EXPORT(max_contiguous_float);
HWY_EXPORT(max_contiguous_double);
HWY_EXPORT(max_columns_float);
HWY_EXPORT(max_columns_double);
HWY_EXPORT(min_contiguous_float);
HWY_EXPORT(min_contiguous_double);
HWY_EXPORT(min_columns_float);
HWY_EXPORT(min_columns_double);

constexpr std::int64_t chunk_elements = 32768;

// How elements are combined: `row` reduces contiguous memory, `columns` reduces the rows of a matrix element by
// element.

template <class T>
struct Sum {
  static T row(const T* x, std::int64_t size) {
    if constexpr (std::is_same_v<T, float>) {
      return static_cast<T>(HWY_DYNAMIC_DISPATCH(sum_contiguous_float)(x, size));
    } else if constexpr (std::is_same_v<T, double>) {
      return HWY_DYNAMIC_DISPATCH(sum_contiguous_double)(x, size);
    } else {
      std::uint64_t total = 0;  // unsigned: wraps around as integers do elsewhere, without undefined behaviour
      for (std::int64_t s = 0; s < size; ++s) total += static_cast<std::uint64_t>(x[s]);
      return static_cast<T>(total);
    }
  }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(sum_columns_float)(x, rows, stride, columns, out);
    } else if constexpr (std::is_same_v<T, double>) {
      HWY_DYNAMIC_DISPATCH(sum_columns_double)(x, rows, stride, columns, out);
    } else {
      std::fill_n(out, columns, T{0});
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
          out[c] = static_cast<T>(static_cast<std::uint64_t>(out[c]) + static_cast<std::uint64_t>(x[r * stride + c]));
    }
  }
};

/// The others are a neutral element and a step; eight chains let the compiler use vectors in `row` too.
template <class T, class Step>
struct Plain {
  static T row(const T* x, std::int64_t size) {
    constexpr std::int64_t chains = 8;
    T part[chains];
    std::fill_n(part, chains, Step::neutral);
    std::int64_t s = 0;
    for (; s + chains <= size; s += chains)
      for (std::int64_t c = 0; c < chains; ++c) part[c] = Step::apply(part[c], x[s + c]);
    for (; s < size; ++s) part[0] = Step::apply(part[0], x[s]);
    for (std::int64_t c = 1; c < chains; ++c) part[0] = Step::apply(part[0], part[c]);
    return part[0];
  }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    std::fill_n(out, columns, Step::neutral);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) out[c] = Step::apply(out[c], x[r * stride + c]);
  }
};

template <class T>
struct Multiply {
  static constexpr T neutral = 1;
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, std::int64_t>)
      return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else
      return a * b;
  }
};
template <class T>
struct LargestStep {
  static constexpr T neutral = std::numeric_limits<T>::lowest();
  static T apply(T a, T b) { return std::max(a, b); }
};
template <class T>
struct SmallestStep {
  static constexpr T neutral = std::numeric_limits<T>::max();
  static T apply(T a, T b) { return std::min(a, b); }
};
struct Or {
  static constexpr bool neutral = false;
  static bool apply(bool a, bool b) { return a | b; }
};
struct And {
  static constexpr bool neutral = true;
  static bool apply(bool a, bool b) { return a & b; }
};

/// inner == 1: every output is one contiguous run.
template <class Combine, class T>
void reduce_rows(const T* x, std::int64_t outer, std::int64_t size, T* out) {
  const std::int64_t chunks = (size + chunk_elements - 1) / chunk_elements;
  if (chunks <= 1) {
    parallel_for(0, outer, std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(size, 4)),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t o = begin; o < end; ++o) out[o] = Combine::row(x + o * size, size);
                 });
    return;
  }
  Scratch<T> parts(static_cast<std::size_t>(outer * chunks));
  T* part = parts.data();
  parallel_for(0, outer * chunks, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t o = task / chunks, first = task % chunks * chunk_elements;
      part[task] = Combine::row(x + o * size + first, std::min(chunk_elements, size - first));
    }
  });
  for (std::int64_t o = 0; o < outer; ++o) out[o] = Combine::row(part + o * chunks, chunks);
}

/// inner > 1: rows of a matrix are combined element by element. The columns are split into panels that stay in the
/// nearest cache, the rows into chunks.
template <class Combine, class T>
void reduce_columns(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  constexpr std::int64_t panel = 1024;
  const std::int64_t panels = (inner + panel - 1) / panel;
  const std::int64_t rows = std::max<std::int64_t>(64, chunk_elements / std::min(inner, panel));
  const std::int64_t chunks = std::max<std::int64_t>(1, (size + rows - 1) / rows);
  const std::int64_t task_elements = std::max<std::int64_t>(1, std::min(size, rows) * std::min(inner, panel));
  Scratch<T> parts(chunks > 1 ? static_cast<std::size_t>(outer * chunks * inner) : 0);
  T* target = chunks > 1 ? parts.data() : out;
  parallel_for(
      0, outer * chunks * panels, std::max<std::int64_t>(1, chunk_elements / task_elements),
      [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t column = task % panels * panel, chunk = task / panels % chunks, o = task / panels / chunks;
          Combine::columns(x + (o * size + chunk * rows) * inner + column, std::min(rows, size - chunk * rows), inner,
                           std::min(panel, inner - column), target + (o * chunks + chunk) * inner + column);
        }
      });
  if (chunks > 1) reduce_columns<Combine>(target, outer, chunks, inner, out);
}

template <class Combine, class T>
void reduce(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  if (outer == 0 || inner == 0) return;
  if (inner == 1)
    reduce_rows<Combine>(x, outer, size, out);
  else
    reduce_columns<Combine>(x, outer, size, inner, out);
}

template <class T>
struct Largest : Plain<T, LargestStep<T>> {};
template <>
struct Largest<float> {
  static float row(const float* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(max_contiguous_float)(x, size); }
  static void columns(const float* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, float* out) {
    HWY_DYNAMIC_DISPATCH(max_columns_float)(x, rows, stride, columns, out);
  }
};
template <>
struct Largest<double> {
  static double row(const double* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(max_contiguous_double)(x, size); }
  static void columns(const double* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, double* out) {
    HWY_DYNAMIC_DISPATCH(max_columns_double)(x, rows, stride, columns, out);
  }
};

template <class T>
struct Smallest : Plain<T, SmallestStep<T>> {};
template <>
struct Smallest<float> {
  static float row(const float* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(min_contiguous_float)(x, size); }
  static void columns(const float* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, float* out) {
    HWY_DYNAMIC_DISPATCH(min_columns_float)(x, rows, stride, columns, out);
  }
};
template <>
struct Smallest<double> {
  static double row(const double* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(min_contiguous_double)(x, size); }
  static void columns(const double* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, double* out) {
    HWY_DYNAMIC_DISPATCH(min_columns_double)(x, rows, stride, columns, out);
  }
};

/// With prefix products P and suffix products S, dx[s] = dy · P[s] · S[s]: no division, so zeros need no special case.
template <class T>
void prod_backward_any(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx) {
  parallel_for(0, outer * inner, std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(size, 1)),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t first = task / inner * size * inner + task % inner;
                   T product = dy[task];
                   for (std::int64_t s = 0; s < size; ++s) {
                     dx[first + s * inner] = product;
                     product *= x[first + s * inner];
                   }
                   product = 1;
                   for (std::int64_t s = size; s-- > 0;) {
                     dx[first + s * inner] *= product;
                     product *= x[first + s * inner];
                   }
                 }
               });
}

}  // namespace

void sum(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out) {
  reduce<Sum<float>>(x, outer, size, inner, out);
}
void sum(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out) {
  reduce<Sum<double>>(x, outer, size, inner, out);
}
void sum(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out) {
  reduce<Sum<std::int64_t>>(x, outer, size, inner, out);
}

void prod(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out) {
  reduce<Plain<float, Multiply<float>>>(x, outer, size, inner, out);
}
void prod(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out) {
  reduce<Plain<double, Multiply<double>>>(x, outer, size, inner, out);
}
void prod(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out) {
  reduce<Plain<std::int64_t, Multiply<std::int64_t>>>(x, outer, size, inner, out);
}

void amax(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out) {
  reduce<Largest<float>>(x, outer, size, inner, out);
}
void amax(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out) {
  reduce<Largest<double>>(x, outer, size, inner, out);
}
void amax(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out) {
  reduce<Largest<std::int64_t>>(x, outer, size, inner, out);
}
void amin(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out) {
  reduce<Smallest<float>>(x, outer, size, inner, out);
}
void amin(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out) {
  reduce<Smallest<double>>(x, outer, size, inner, out);
}
void amin(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out) {
  reduce<Smallest<std::int64_t>>(x, outer, size, inner, out);
}

void any(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out) {
  reduce<Plain<bool, Or>>(x, outer, size, inner, out);
}
void all(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out) {
  reduce<Plain<bool, And>>(x, outer, size, inner, out);
}

void prod_backward(const float* x, const float* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                   float* dx) {
  prod_backward_any(x, dy, outer, size, inner, dx);
}
void prod_backward(const double* x, const double* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                   double* dx) {
  prod_backward_any(x, dy, outer, size, inner, dx);
}

}  // namespace saw::kernels
#endif
