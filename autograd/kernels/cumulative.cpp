#include "saw/autograd/kernels/cumulative.h"

#include <algorithm>
#include <type_traits>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

namespace saw::kernels {
namespace {

constexpr std::int64_t chunk_elements = 32768;
constexpr std::int64_t panel = 32;  // lines that run side by side

/// Rounding of float32 would build up along the axis; unsigned integers may overflow.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

/// Calls f(first, step, lines, gap): `lines` lines, `gap` apart, of which the first begins at `first` and has its
/// elements `step` apart.
template <class F>
void for_panels(std::int64_t outer, std::int64_t size, std::int64_t inner, const F& f) {
  if (outer == 0 || size == 0 || inner == 0) return;
  // Lines of one element's distance are a few at a time: each is a chain whose links wait for one another.
  const std::int64_t width = inner == 1 ? 4 : panel, lines = inner == 1 ? outer : inner;
  const std::int64_t panels = (lines + width - 1) / width, blocks = inner == 1 ? 1 : outer;
  parallel_for(0, blocks * panels, std::max<std::int64_t>(1, chunk_elements / (size * std::min(width, lines))),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t first = task % panels * width, count = std::min(width, lines - first);
                   if (inner == 1)
                     f(first * size, std::int64_t{1}, count, size);
                   else
                     f(task / panels * size * inner + first, inner, count, std::int64_t{1});
                 }
               });
}

/// Calls f with the number of lines as a constant where it is that of most panels, which lets the compiler keep the
/// chains in registers.
template <class F>
void with_lines(std::int64_t lines, const F& f) {
  if (lines == panel)
    f(std::integral_constant<std::int64_t, panel>());
  else if (lines == 4)
    f(std::integral_constant<std::int64_t, 4>());
  else
    f(lines);
}

template <class T, class Step>
void scan(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool reverse, Wide<T> start, T* out,
          const Step& step) {
  for_panels(outer, size, inner, [&](std::int64_t first, std::int64_t stride, std::int64_t lines, std::int64_t gap) {
    with_lines(lines, [&](auto count) {
      Wide<T> total[panel];
      std::fill_n(total, panel, start);
      const std::int64_t move = reverse ? -stride : stride;
      std::int64_t i = reverse ? first + (size - 1) * stride : first;
      if (gap == 1) {
        for (std::int64_t s = 0; s < size; ++s, i += move)
          for (std::int64_t line = 0; line < count; ++line) {
            total[line] = step(total[line], static_cast<Wide<T>>(x[i + line]));
            out[i + line] = static_cast<T>(total[line]);
          }
      } else {
        for (std::int64_t s = 0; s < size; ++s, i += move)
          for (std::int64_t line = 0; line < count; ++line) {
            total[line] = step(total[line], static_cast<Wide<T>>(x[i + line * gap]));
            out[i + line * gap] = static_cast<T>(total[line]);
          }
      }
    });
  });
}

/// One line in chunks: their sums, then every chunk from the sum of those before it.
template <class T>
void long_cumsum(const T* x, std::int64_t size, bool reverse, T* out) {
  const std::int64_t chunks = (size + chunk_elements - 1) / chunk_elements;
  Scratch<Wide<T>> starts(static_cast<std::size_t>(chunks));
  const auto walk = [&](std::int64_t chunk, Wide<T> total, bool write) {
    const std::int64_t begin = chunk * chunk_elements, end = std::min(size, begin + chunk_elements);
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t i = reverse ? size - 1 - s : s;
      total += static_cast<Wide<T>>(x[i]);
      if (write) out[i] = static_cast<T>(total);
    }
    return total;
  };
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) starts.data()[chunk] = walk(chunk, 0, false);
  });
  Wide<T> total = 0;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const Wide<T> own = starts[static_cast<std::size_t>(chunk)];
    starts[static_cast<std::size_t>(chunk)] = total;
    total += own;
  }
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) walk(chunk, starts.data()[chunk], true);
  });
}

}  // namespace

template <class T>
void cumsum(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool reverse, T* out) {
  if (outer == 1 && inner == 1 && size > 4 * chunk_elements) return long_cumsum(x, size, reverse, out);
  scan(x, outer, size, inner, reverse, Wide<T>{0}, out, [](Wide<T> a, Wide<T> b) { return a + b; });
}

template <class T>
void cumprod(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
  scan(x, outer, size, inner, false, Wide<T>{1}, out, [](Wide<T> a, Wide<T> b) { return a * b; });
}

template <class T>
void cumprod_backward(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx) {
  for_panels(outer, size, inner, [&](std::int64_t first, std::int64_t stride, std::int64_t lines, std::int64_t gap) {
    for (std::int64_t line = 0; line < lines; ++line) {
      const std::int64_t begin = first + line * gap;
      double rest = 0, next = 0;
      for (std::int64_t s = size; s-- > 0;) {
        const std::int64_t i = begin + s * stride;
        rest = static_cast<double>(dy[i]) + next * rest;
        next = static_cast<double>(x[i]);
        dx[i] = static_cast<T>(rest);
      }
      double before = 1;
      for (std::int64_t s = 0, i = begin; s < size; ++s, i += stride) {
        dx[i] = static_cast<T>(static_cast<double>(dx[i]) * before);
        before *= static_cast<double>(x[i]);
      }
    }
  });
}

template <class T>
void cumulative_extreme(bool largest, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values,
                        std::int64_t* places) {
  for_panels(outer, size, inner, [&](std::int64_t first, std::int64_t stride, std::int64_t lines, std::int64_t gap) {
    T best[panel];
    std::int64_t place[panel];
    for (std::int64_t s = 0, i = first; s < size; ++s, i += stride)
      for (std::int64_t line = 0; line < lines; ++line) {
        const T value = x[i + line * gap];
        const bool better = s == 0 || value != value ||
                            (best[line] == best[line] && (largest ? value >= best[line] : value <= best[line]));
        if (better) {
          best[line] = value;
          place[line] = s;
        }
        values[i + line * gap] = best[line];
        places[i + line * gap] = place[line];
      }
  });
}

#define SAW_INSTANTIATE(T)                                                               \
  template void cumsum<T>(const T*, std::int64_t, std::int64_t, std::int64_t, bool, T*); \
  template void cumprod<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*);      \
  template void cumulative_extreme<T>(bool, const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
SAW_INSTANTIATE(std::int64_t)
#undef SAW_INSTANTIATE
template void cumprod_backward<float>(const float*, const float*, std::int64_t, std::int64_t, std::int64_t, float*);
template void cumprod_backward<double>(const double*, const double*, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace saw::kernels
