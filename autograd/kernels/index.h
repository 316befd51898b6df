#pragma once

// For sources, not for users: moving slices by index. Tensors are row-major, seen as (outer, size, inner) around one
// axis; indices are known to be in range.

#include <cstddef>
#include <cstdint>

#include "saw/autograd/base/shape.h"

namespace saw::kernels {

/// destination[o, i, :] = source[o, index[i], :]; destination is (outer, count, inner).
void take_slices(std::size_t element_bytes, const void* source, std::int64_t outer, std::int64_t size,
                 std::int64_t inner, const std::int64_t* index, std::int64_t count, void* destination);

/// destination[o, index[i], :] += source[o, i, :], i ascending for every destination whatever the number of threads;
/// an index equal to `skip` adds nothing. For float, double and std::int64_t.
template <class T>
void add_slices(T* destination, std::int64_t outer, std::int64_t size, std::int64_t inner, const std::int64_t* index,
                std::int64_t count, const T* source, std::int64_t skip = -1);

/// Three arrays walked together along one axis of `shape`: a table that is entered at index, the index itself, and
/// values.
struct IndexedWalk {
  Shape shape;  ///< of index and values
  std::size_t axis;
  Strides table;  ///< strides of the table; its sizes may differ from `shape`
  Strides index;
  Strides values;
};

/// values[… i …] = table[… index[… i …] …].
void gather_elements(std::size_t element_bytes, const IndexedWalk& walk, const void* table, const std::int64_t* index,
                     void* values);

/// What scattering makes of an element that is there already.
enum class Combine { add, multiply, largest, smallest };

/// table[… index[… i …] …] = combine(table[… index[… i …] …], values[… i …]), i ascending for every element of the
/// table, whatever the number of threads. A NaN wins as largest and as smallest. For float, double, std::int64_t.
template <class T>
void scatter_elements(Combine combine, const IndexedWalk& walk, T* table, const std::int64_t* index, const T* values);

/// The same with combine(there, value) = value: the last one stays. Works on elements of any dtype.
void place_elements(std::size_t element_bytes, const IndexedWalk& walk, void* table, const std::int64_t* index,
                    const void* values);

}  // namespace saw::kernels
