#include "saw/autograd/kernels/index.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "saw/autograd/base/parallel.h"

namespace saw::kernels {
namespace {

constexpr std::int64_t grain = 1 << 15;     // elements per chunk
constexpr std::int64_t line_elements = 16;  // columns that two threads never share: a cache line of floats

/// Where a lane (one run along the axis) begins in the three arrays.
struct Lane {
  std::int64_t table, index, values;
};

/// Calls f(lanes) for chunks of lanes. Two lanes never meet in one element of the table.
template <class F>
void for_lanes(const IndexedWalk& walk, const F& f) {
  Shape others = walk.shape;
  others.erase(walk.axis);
  Strides table = walk.table, index = walk.index, values = walk.values;
  for (Strides* strides : {&table, &index, &values}) strides->erase(walk.axis);
  const std::int64_t length = std::max<std::int64_t>(walk.shape[walk.axis], 1);
  parallel_for(0, others.numel(), std::max<std::int64_t>(1, grain / 4 / length), [&](std::int64_t b, std::int64_t e) {
    std::vector<Lane> lanes;
    lanes.reserve(static_cast<std::size_t>(e - b));
    for (std::int64_t number = b; number < e; ++number) {
      Lane lane{0, 0, 0};
      std::int64_t rest = number;
      for (std::size_t axis = others.size(); axis-- > 0;) {
        const std::int64_t position = rest % others[axis];
        rest /= others[axis];
        lane.table += position * table[axis];
        lane.index += position * index[axis];
        lane.values += position * values[axis];
      }
      lanes.push_back(lane);
    }
    f(lanes);
  });
}

template <class T>
void gather_typed(const IndexedWalk& walk, const T* table, const std::int64_t* index, T* values) {
  const std::int64_t stride = walk.table[walk.axis], index_stride = walk.index[walk.axis];
  const std::int64_t value_stride = walk.values[walk.axis];
  for_lanes(walk, [&](const std::vector<Lane>& lanes) {
    for (std::int64_t i = 0; i < walk.shape[walk.axis]; ++i)
      for (const Lane& lane : lanes)
        values[lane.values + i * value_stride] = table[lane.table + index[lane.index + i * index_stride] * stride];
  });
}

template <class T>
void take_typed(const T* source, std::int64_t outer, std::int64_t size, std::int64_t inner, const std::int64_t* index,
                std::int64_t count, T* destination) {
  parallel_for(0, outer * count, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(inner, 1)),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t row = b; row < e; ++row) {
                   const T* from = source + (row / count * size + index[row % count]) * inner;
                   T* to = destination + row * inner;
                   if (inner == 1)
                     *to = *from;
                   else
                     std::memcpy(to, from, static_cast<std::size_t>(inner) * sizeof(T));
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
  dispatch_bytes(element_bytes,
                 [&]<class T>() { gather_typed(walk, static_cast<const T*>(table), index, static_cast<T*>(values)); });
}

template <class T>
void scatter_elements(const IndexedWalk& walk, T* table, const std::int64_t* index, const T* values) {
  const std::int64_t stride = walk.table[walk.axis], index_stride = walk.index[walk.axis];
  const std::int64_t value_stride = walk.values[walk.axis];
  for_lanes(walk, [&](const std::vector<Lane>& lanes) {
    for (std::int64_t i = 0; i < walk.shape[walk.axis]; ++i)
      for (const Lane& lane : lanes)
        table[lane.table + index[lane.index + i * index_stride] * stride] += values[lane.values + i * value_stride];
  });
}

template void add_slices(float*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const float*, std::int64_t);
template void add_slices(double*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const double*, std::int64_t);
template void add_slices(std::int64_t*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                         const std::int64_t*, std::int64_t);
template void scatter_elements(const IndexedWalk&, float*, const std::int64_t*, const float*);
template void scatter_elements(const IndexedWalk&, double*, const std::int64_t*, const double*);
template void scatter_elements(const IndexedWalk&, std::int64_t*, const std::int64_t*, const std::int64_t*);

}  // namespace saw::kernels
