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
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// out[c] = op over r of x[r·stride + c], every column in the same order; combined with what lies in `out` unless
/// `first`. Four vectors at a time, so that whole cache lines are read.
template <class D, class T, class V, class Op>
void fold_columns(D d, const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, V neutral, bool first,
                  T* out, const Op& op) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) {
    auto s0 = neutral, s1 = neutral, s2 = neutral, s3 = neutral;
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * stride + c;
      s0 = op(s0, hn::LoadU(d, row));
      s1 = op(s1, hn::LoadU(d, row + lanes));
      s2 = op(s2, hn::LoadU(d, row + 2 * lanes));
      s3 = op(s3, hn::LoadU(d, row + 3 * lanes));
    }
    if (!first) {
      s0 = op(s0, hn::LoadU(d, out + c));
      s1 = op(s1, hn::LoadU(d, out + c + lanes));
      s2 = op(s2, hn::LoadU(d, out + c + 2 * lanes));
      s3 = op(s3, hn::LoadU(d, out + c + 3 * lanes));
    }
    hn::StoreU(s0, d, out + c);
    hn::StoreU(s1, d, out + c + lanes);
    hn::StoreU(s2, d, out + c + 2 * lanes);
    hn::StoreU(s3, d, out + c + 3 * lanes);
  }
  for_row(d, static_cast<std::size_t>(columns - c), [&](auto at) HWY_ATTR {
    auto s = neutral;
    for (std::int64_t r = 0; r < rows; ++r) s = op(s, at.load(x + r * stride + c));
    if (!first) s = op(s, at.load(out + c));
    at.store(s, out + c);
  });
}

template <class T>
struct FloatSum {
  static T row(const T* x, std::int64_t size) {
    const hn::ScalableTag<T> d;
    return static_cast<T>(sum_row(d, static_cast<std::size_t>(size), [x](auto at) HWY_ATTR { return at.load(x); }));
  }
  /// Rows are added in groups of 64 that are then added up.
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    constexpr std::int64_t group = 64;
    const hn::ScalableTag<T> d;
    for (std::int64_t begin = 0; begin < rows || begin == 0; begin += group)
      fold_columns(d, x + begin * stride, std::min(group, rows - begin), stride, columns, hn::Zero(d), begin == 0, out,
                   [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
  }
};

template <class T>
struct FloatProduct {
  static T row(const T* x, std::int64_t size) {
    const hn::ScalableTag<T> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const auto one = hn::Set(d, T{1});
    auto p0 = one, p1 = one, p2 = one, p3 = one;
    std::int64_t i = 0;
    for (; i + 4 * lanes <= size; i += 4 * lanes) {
      p0 = hn::Mul(p0, hn::LoadU(d, x + i));
      p1 = hn::Mul(p1, hn::LoadU(d, x + i + lanes));
      p2 = hn::Mul(p2, hn::LoadU(d, x + i + 2 * lanes));
      p3 = hn::Mul(p3, hn::LoadU(d, x + i + 3 * lanes));
    }
    for_row(d, static_cast<std::size_t>(size - i),
            [&](auto at) HWY_ATTR { p0 = hn::Mul(p0, at.keep(at.load(x + i), one)); });
    HWY_ALIGN T parts[hn::MaxLanes(d)];
    hn::Store(hn::Mul(hn::Mul(p0, p1), hn::Mul(p2, p3)), d, parts);
    T product = parts[0];
    for (std::int64_t lane = 1; lane < lanes; ++lane) product *= parts[lane];
    return product;
  }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    const hn::ScalableTag<T> d;
    fold_columns(d, x, rows, stride, columns, hn::Set(d, T{1}), true, out,
                 [](auto a, auto b) HWY_ATTR { return hn::Mul(a, b); });
  }
};

/// The largest element; NaN wins.
template <class T>
struct FloatLargest {
  static T row(const T* x, std::int64_t size) {
    const hn::ScalableTag<T> d;
    return max_row(d, static_cast<std::size_t>(size), -std::numeric_limits<T>::infinity(),
                   [=](auto at) HWY_ATTR { return at.load(x); });
  }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    const hn::ScalableTag<T> d;
    fold_columns(d, x, rows, stride, columns, hn::Set(d, -std::numeric_limits<T>::infinity()), true, out,
                 [](auto best, auto v)
                     HWY_ATTR { return hn::IfThenElse(hn::Or(hn::Gt(v, best), hn::IsNaN(v)), v, best); });
  }
};

template <class T>
struct FloatSmallest {
  static T row(const T* x, std::int64_t size) {
    const hn::ScalableTag<T> d;
    return -max_row(d, static_cast<std::size_t>(size), -std::numeric_limits<T>::infinity(),
                    [=](auto at) HWY_ATTR { return hn::Neg(at.load(x)); });
  }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    const hn::ScalableTag<T> d;
    fold_columns(d, x, rows, stride, columns, hn::Set(d, std::numeric_limits<T>::infinity()), true, out,
                 [](auto best, auto v)
                     HWY_ATTR { return hn::IfThenElse(hn::Or(hn::Lt(v, best), hn::IsNaN(v)), v, best); });
  }
};

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

constexpr std::int64_t chunk_elements = 32768;

// How elements are combined: `row` reduces contiguous memory, `columns` reduces the rows of a matrix element by
// element.

/// Integers and conditions: a neutral element and a step; eight chains let the compiler use vectors in `row` too.
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

using Integer = std::int64_t;

// Unsigned: wraps around as integers do elsewhere, without undefined behaviour.
struct AddIntegers {
  static constexpr Integer neutral = 0;
  static Integer apply(Integer a, Integer b) {
    return static_cast<Integer>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
};
struct MultiplyIntegers {
  static constexpr Integer neutral = 1;
  static Integer apply(Integer a, Integer b) {
    return static_cast<Integer>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};
struct LargerInteger {
  static constexpr Integer neutral = std::numeric_limits<Integer>::lowest();
  static Integer apply(Integer a, Integer b) { return std::max(a, b); }
};
struct SmallerInteger {
  static constexpr Integer neutral = std::numeric_limits<Integer>::max();
  static Integer apply(Integer a, Integer b) { return std::min(a, b); }
};
struct Or {
  static constexpr bool neutral = false;
  static bool apply(bool a, bool b) { return a | b; }
};
struct And {
  static constexpr bool neutral = true;
  static bool apply(bool a, bool b) { return a & b; }
};

template <class T>
struct Sum {
  static T row(const T* x, std::int64_t size) { return SAW_FOR_TARGET(FloatSum<T>::row)(x, size); }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    SAW_FOR_TARGET(FloatSum<T>::columns)(x, rows, stride, columns, out);
  }
};
template <class T>
struct Product {
  static T row(const T* x, std::int64_t size) { return SAW_FOR_TARGET(FloatProduct<T>::row)(x, size); }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    SAW_FOR_TARGET(FloatProduct<T>::columns)(x, rows, stride, columns, out);
  }
};
template <class T>
struct Largest {
  static T row(const T* x, std::int64_t size) { return SAW_FOR_TARGET(FloatLargest<T>::row)(x, size); }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    SAW_FOR_TARGET(FloatLargest<T>::columns)(x, rows, stride, columns, out);
  }
};
template <class T>
struct Smallest {
  static T row(const T* x, std::int64_t size) { return SAW_FOR_TARGET(FloatSmallest<T>::row)(x, size); }
  static void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* out) {
    SAW_FOR_TARGET(FloatSmallest<T>::columns)(x, rows, stride, columns, out);
  }
};
template <>
struct Sum<Integer> : Plain<Integer, AddIntegers> {};
template <>
struct Product<Integer> : Plain<Integer, MultiplyIntegers> {};
template <>
struct Largest<Integer> : Plain<Integer, LargerInteger> {};
template <>
struct Smallest<Integer> : Plain<Integer, SmallerInteger> {};

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

/// dx[s] = before · Π of the other elements of the line, by prefix and suffix products: no division, so zeros need no
/// special case. The line is cut into segments whose chains of products run side by side.
template <class T>
void prod_backward_line(const T* x, std::int64_t size, double before, T* dx) {
  constexpr std::int64_t segments = 8;
  const std::int64_t length = size / segments;
  double totals[segments], prefix[segments], suffix[segments];
  std::fill_n(totals, segments, 1.0);
  for (std::int64_t s = 0; s < length; ++s)
    for (std::int64_t g = 0; g < segments; ++g) {
      dx[g * length + s] = static_cast<T>(totals[g]);
      totals[g] *= static_cast<double>(x[g * length + s]);
    }
  double rest = before;  // of what follows the segments
  for (std::int64_t g = 0; g < segments; ++g) {
    prefix[g] = rest;
    rest *= totals[g];
  }
  for (std::int64_t s = segments * length; s < size; ++s) {
    dx[s] = static_cast<T>(rest);
    rest *= static_cast<double>(x[s]);
  }
  double behind = 1;
  for (std::int64_t s = size; s-- > segments * length;) {
    dx[s] = static_cast<T>(static_cast<double>(dx[s]) * behind);
    behind *= static_cast<double>(x[s]);
  }
  for (std::int64_t g = segments; g-- > 0;) {
    suffix[g] = prefix[g] * behind;
    behind *= totals[g];
  }
  for (std::int64_t s = length; s-- > 0;)
    for (std::int64_t g = 0; g < segments; ++g) {
      T& target = dx[g * length + s];
      target = static_cast<T>(static_cast<double>(target) * suffix[g]);
      suffix[g] *= static_cast<double>(x[g * length + s]);
    }
}

template <class T>
void prod_backward_rows(const T* x, const T* dy, std::int64_t outer, std::int64_t size, T* dx) {
  const std::int64_t chunks = (size + chunk_elements - 1) / chunk_elements;
  Scratch<double> products(static_cast<std::size_t>(chunks > 1 ? outer * chunks : 0));
  double* product = products.data();
  const auto length = [=](std::int64_t chunk) { return std::min(chunk_elements, size - chunk * chunk_elements); };
  if (chunks > 1) {
    parallel_for(0, outer * chunks, 1, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const T* from = x + task / chunks * size + task % chunks * chunk_elements;
        double parts[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        for (std::int64_t s = 0; s < length(task % chunks); ++s) parts[s % 8] *= static_cast<double>(from[s]);
        for (int p = 1; p < 8; ++p) parts[0] *= parts[p];
        product[task] = parts[0];
      }
    });
    // What each chunk's elements are multiplied by: dy and all other chunks.
    for (std::int64_t o = 0; o < outer; ++o) {
      Scratch<double> others(static_cast<std::size_t>(chunks));
      prod_backward_line(product + o * chunks, chunks, static_cast<double>(dy[o]), others.data());
      std::copy_n(others.data(), chunks, product + o * chunks);
    }
  }
  parallel_for(0, outer * chunks, std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(size, 1)),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t first = task / chunks * size + task % chunks * chunk_elements;
                   prod_backward_line(x + first, length(task % chunks),
                                      chunks > 1 ? product[task] : static_cast<double>(dy[task]), dx + first);
                 }
               });
}

/// Neighbouring lines side by side.
template <class T>
void prod_backward_columns(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx) {
  constexpr std::int64_t panel = 64;
  const std::int64_t panels = (inner + panel - 1) / panel;
  parallel_for(0, outer * panels, std::max<std::int64_t>(1, chunk_elements / (size * std::min(panel, inner))),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t o = task / panels, column = task % panels * panel;
                   const std::int64_t width = std::min(panel, inner - column);
                   double product[panel];
                   const std::int64_t first = o * size * inner + column;
                   for (std::int64_t c = 0; c < width; ++c)
                     product[c] = static_cast<double>(dy[o * inner + column + c]);
                   for (std::int64_t s = 0; s < size; ++s)
                     for (std::int64_t c = 0, i = first + s * inner; c < width; ++c) {
                       dx[i + c] = static_cast<T>(product[c]);
                       product[c] *= static_cast<double>(x[i + c]);
                     }
                   std::fill_n(product, width, 1.0);
                   for (std::int64_t s = size; s-- > 0;)
                     for (std::int64_t c = 0, i = first + s * inner; c < width; ++c) {
                       dx[i + c] = static_cast<T>(static_cast<double>(dx[i + c]) * product[c]);
                       product[c] *= static_cast<double>(x[i + c]);
                     }
                 }
               });
}

}  // namespace

template <class T>
void sum(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  reduce<Sum<T>>(x, outer, size, inner, out);
}

template <class T>
void prod(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  reduce<Product<T>>(x, outer, size, inner, out);
}

template <class T>
void amax(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  reduce<Largest<T>>(x, outer, size, inner, out);
}

template <class T>
void amin(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  reduce<Smallest<T>>(x, outer, size, inner, out);
}

void any(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out) {
  reduce<Plain<bool, Or>>(x, outer, size, inner, out);
}
void all(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out) {
  reduce<Plain<bool, And>>(x, outer, size, inner, out);
}

template <class T>
void prod_backward(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx) {
  if (outer == 0 || size == 0 || inner == 0) return;
  if (inner == 1)
    prod_backward_rows(x, dy, outer, size, dx);
  else
    prod_backward_columns(x, dy, outer, size, inner, dx);
}

#define SAW_INSTANTIATE(T)                                                       \
  template void sum<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*);  \
  template void prod<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*); \
  template void amax<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*); \
  template void amin<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
SAW_INSTANTIATE(std::int64_t)
#undef SAW_INSTANTIATE
template void prod_backward<float>(const float*, const float*, std::int64_t, std::int64_t, std::int64_t, float*);
template void prod_backward<double>(const double*, const double*, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace saw::kernels
#endif
