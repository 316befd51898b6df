#include "saw/autograd/kernels/index.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "saw/autograd/base/parallel.h"

namespace saw::kernels {
namespace {

constexpr std::int64_t grain = 1 << 15;     // elements per chunk
constexpr std::int64_t line_elements = 16;  // columns that two threads never share: a cache line of floats

/// Where the three arrays of a walk stand.
struct Place {
  std::int64_t table = 0, index = 0, values = 0;
};

/// The place at row-major number `number` of the axes of `shape` before `axes`, the walk's own axis not counting for
/// the table.
Place place_of(const IndexedWalk& walk, std::size_t axes, std::int64_t number) {
  Place place;
  for (std::size_t axis = axes; axis-- > 0;) {
    const std::int64_t position = number % walk.shape[axis];
    number /= walk.shape[axis];
    if (axis != walk.axis) place.table += position * walk.table[axis];
    place.index += position * walk.index[axis];
    place.values += position * walk.values[axis];
  }
  return place;
}

/// f(table element, value) along `count` elements of the last axis of a walk.
template <class T, class V, class F>
void along_last(const IndexedWalk& walk, const Place& place, std::int64_t count, T* table, const std::int64_t* index,
                V* values, const F& f) {
  const std::size_t last = walk.shape.size() - 1;
  const std::int64_t stride = walk.table[walk.axis], index_step = walk.index[last], value_step = walk.values[last];
  const std::int64_t table_step = walk.axis == last ? 0 : walk.table[last];
  T* t = table + place.table;
  const std::int64_t* at = index + place.index;
  V* v = values + place.values;
  if (index_step == 1 && value_step == 1 && stride == 1 && table_step == 0) {
    for (std::int64_t i = 0; i < count; ++i) f(t[at[i]], v[i]);
  } else if (index_step == 1 && value_step == 1 && table_step == 1) {
    for (std::int64_t i = 0; i < count; ++i) f(t[at[i] * stride + i], v[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) f(t[at[i * index_step] * stride + i * table_step], v[i * value_step]);
  }
}

/// Calls f(table element, value) for every element of the walk, in any order and on all threads.
template <class T, class V, class F>
void walk_freely(const IndexedWalk& walk, T* table, const std::int64_t* index, V* values, const F& f) {
  const std::size_t last = walk.shape.size() - 1;
  const std::int64_t count = walk.shape[last];
  if (walk.shape.numel() == 0) return;
  // A row is at least one cache line of the table to be waited for, however short it is.
  const std::int64_t elements = std::max<std::int64_t>(count, line_elements);
  parallel_for(0, walk.shape.numel() / count, std::max<std::int64_t>(1, grain / 2 / elements),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t row = b; row < e; ++row)
                   along_last(walk, place_of(walk, last, row), count, table, index, values, f);
               });
}

/// The same, but positions along the walk's axis are met in ascending order: they may enter one element of the table.
template <class T, class V, class F>
void walk_in_order(const IndexedWalk& walk, T* table, const std::int64_t* index, V* values, const F& f) {
  const std::size_t last = walk.shape.size() - 1;
  // Along the last axis order is kept anyway: two rows never meet.
  if (walk.axis == last) return walk_freely(walk, table, index, values, f);
  if (walk.shape.numel() == 0) return;
  // Every unit owns some columns of the last axis at one position of the axes outside; the split may follow the number
  // of threads because no sum depends on it.
  IndexedWalk outside = walk;
  outside.shape[walk.axis] = outside.shape[last] = 1;
  const std::int64_t columns = walk.shape[last], length = walk.shape[walk.axis], units = outside.shape.numel();
  const std::int64_t pieces = units == 1 && columns * length >= grain ? num_threads() : 1;
  const std::int64_t share = (columns + pieces - 1) / pieces;
  const std::int64_t width = std::min(columns, (share + line_elements - 1) / line_elements * line_elements);
  const std::int64_t blocks = (columns + width - 1) / width;
  const std::int64_t chunk = std::max<std::int64_t>(1, grain / 2 / (width * length));
  parallel_for(0, units * blocks, chunk, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t unit = b; unit < e; ++unit) {
      const std::int64_t first = unit % blocks * width;
      Place place = place_of(outside, last, unit / blocks);
      place.table += first * walk.table[last];
      place.index += first * walk.index[last];
      place.values += first * walk.values[last];
      for (std::int64_t i = 0; i < length; ++i) {
        along_last(walk, place, std::min(width, columns - first), table, index, values, f);
        place.index += walk.index[walk.axis];
        place.values += walk.values[walk.axis];
      }
    }
  });
}

/// Slices that are taken one after the other from places that ascend or descend by one.
struct Run {
  std::int64_t first, last;  ///< of the slices taken, [first, last)
  bool descends;
};

/// The index in runs, or nothing where they are too short to be worth it (a flip is one run, a roll two).
std::vector<Run> runs_of(const std::int64_t* index, std::int64_t count) {
  std::vector<Run> runs;
  for (std::int64_t i = 0; i < count;) {
    if (static_cast<std::int64_t>(runs.size()) * 16 > count) return {};
    std::int64_t end = i + 1;
    const std::int64_t step = end < count ? index[end] - index[i] : 0;
    if (step == 1 || step == -1)
      while (end < count && index[end] - index[end - 1] == step) ++end;
    runs.push_back({i, end, step == -1});
    i = end;
  }
  return runs;
}

/// Slices [first, last) of one block, each a single element.
template <class T>
void take_elements(const T* elements, const std::int64_t* index, std::int64_t first, std::int64_t last,
                   const std::vector<Run>& runs, T* to) {
  if (runs.empty()) {
    for (std::int64_t i = first; i < last; ++i) *to++ = elements[index[i]];
    return;
  }
  for (const Run& run : runs) {
    const std::int64_t begin = std::max(run.first, first), end = std::min(run.last, last);
    if (begin >= end) continue;
    if (run.descends) {
      const T* from = elements + index[begin];
      for (std::int64_t i = 0; i < end - begin; ++i) to[i] = from[-i];
    } else {
      std::memcpy(to, elements + index[begin], static_cast<std::size_t>(end - begin) * sizeof(T));
    }
    to += end - begin;
  }
}

template <class T>
void take_typed(const T* source, std::int64_t outer, std::int64_t size, std::int64_t inner, const std::int64_t* index,
                std::int64_t count, T* destination) {
  const std::vector<Run> runs = inner == 1 && outer > 1 ? runs_of(index, count) : std::vector<Run>{};
  parallel_for(0, outer * count, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(inner, 1)),
               [&](std::int64_t b, std::int64_t e) {
                 while (b < e) {
                   const std::int64_t first = b % count, last = std::min(count, first + e - b);
                   const T* slices = source + b / count * size * inner;
                   T* to = destination + b * inner;
                   b += last - first;
                   if (inner == 1) {
                     take_elements(slices, index, first, last, runs, to);
                   } else {
                     for (std::int64_t i = first; i < last; ++i, to += inner)
                       std::memcpy(to, slices + index[i] * inner, static_cast<std::size_t>(inner) * sizeof(T));
                   }
                 }
               });
}

/// Calls f.operator()<T>() with an unsigned type of that many bytes: elements that only move need no other.
template <class F>
void dispatch_bytes(std::size_t bytes, const F& f) {
  if (bytes == 1)
    f.template operator()<std::uint8_t>();
  else if (bytes == 4)
    f.template operator()<std::uint32_t>();
  else
    f.template operator()<std::uint64_t>();
}

}  // namespace

void take_slices(std::size_t element_bytes, const void* source, std::int64_t outer, std::int64_t size,
                 std::int64_t inner, const std::int64_t* index, std::int64_t count, void* destination) {
  if (inner == 0) return;
  dispatch_bytes(element_bytes, [&]<class T>() {
    take_typed(static_cast<const T*>(source), outer, size, inner, index, count, static_cast<T*>(destination));
  });
}

template <class T>
void add_slices(T* destination, std::int64_t outer, std::int64_t size, std::int64_t inner, const std::int64_t* index,
                std::int64_t count, const T* source, std::int64_t skip) {
  if (inner == 0 || count == 0) return;
  // Every unit owns some columns and adds all slices to them in order: nothing to sort, nothing to merge, and the split
  // may follow the number of threads because no sum depends on it.
  const std::int64_t pieces = inner * count >= 2 * grain ? num_threads() : 1;
  const std::int64_t share = (inner + pieces - 1) / pieces;
  const std::int64_t width = std::min(inner, (share + line_elements - 1) / line_elements * line_elements);
  const std::int64_t blocks = (inner + width - 1) / width;
  const std::int64_t chunk = std::max<std::int64_t>(1, grain / (width * count));
  parallel_for(0, outer * blocks, chunk, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t unit = b; unit < e; ++unit) {
      const std::int64_t o = unit / blocks, first = unit % blocks * width;
      const std::int64_t columns = std::min(width, inner - first);
      for (std::int64_t i = 0; i < count; ++i) {
        if (index[i] == skip) continue;
        T* to = destination + (o * size + index[i]) * inner + first;
        const T* from = source + (o * count + i) * inner + first;
        for (std::int64_t c = 0; c < columns; ++c) to[c] += from[c];
      }
    }
  });
}

void gather_elements(std::size_t element_bytes, const IndexedWalk& walk, const void* table, const std::int64_t* index,
                     void* values) {
  dispatch_bytes(element_bytes, [&]<class T>() {
    walk_freely(walk, static_cast<const T*>(table), index, static_cast<T*>(values),
                [](const T& there, T& value) { value = there; });
  });
}

void place_elements(std::size_t element_bytes, const IndexedWalk& walk, void* table, const std::int64_t* index,
                    const void* values) {
  dispatch_bytes(element_bytes, [&]<class T>() {
    walk_in_order(walk, static_cast<T*>(table), index, static_cast<const T*>(values),
                  [](T& there, const T& value) { there = value; });
  });
}

template <class T>
void scatter_elements(Combine combine, const IndexedWalk& walk, T* table, const std::int64_t* index, const T* values) {
  // x ≠ x is how a NaN tells itself apart, in integers never.
  switch (combine) {
    case Combine::add:
      return walk_in_order(walk, table, index, values, [](T& there, const T& value) { there += value; });
    case Combine::multiply:
      return walk_in_order(walk, table, index, values, [](T& there, const T& value) { there *= value; });
    case Combine::largest:
      return walk_in_order(walk, table, index, values, [](T& there, const T& value) {
        if (value > there || value != value) there = value;
      });
    case Combine::smallest:
      return walk_in_order(walk, table, index, values, [](T& there, const T& value) {
        if (value < there || value != value) there = value;
      });
  }
}

template void add_slices(float*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const float*, std::int64_t);
template void add_slices(double*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const double*, std::int64_t);
template void add_slices(std::int64_t*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const std::int64_t*, std::int64_t);
template void scatter_elements(Combine, const IndexedWalk&, float*, const std::int64_t*, const float*);
template void scatter_elements(Combine, const IndexedWalk&, double*, const std::int64_t*, const double*);
template void scatter_elements(Combine, const IndexedWalk&, std::int64_t*, const std::int64_t*, const std::int64_t*);

}  // namespace saw::kernels
