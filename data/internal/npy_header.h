#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "saw/autograd/base/shape.h"
#include "saw/data/internal/stored_type.h"

namespace saw {
namespace data {

/// What stands before the elements of a .npy array.
struct NpyHeader {
  StoredType type = StoredType::float32;
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
  std::uint64_t bytes = 0;  ///< of the elements
};

/// The header's Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }. `where` begins every message:
/// a path, perhaps with the name of an array. Throws Error(io).
NpyHeader parse_npy_header(std::string_view dict, const std::string& where);

/// Everything before the elements, in version 1 of the format.
std::string write_npy_header(const Shape& shape, DType dtype);

}  // namespace data
}  // namespace saw
