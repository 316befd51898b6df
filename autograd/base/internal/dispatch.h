#pragma once

// For sources, not for users: the one switch from a DType to a C++ type.
//
//   dispatch_floating("exp", x.dtype(), [&]<class T>() { kernel(x.data<T>(), …); });

#include <cstdint>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/internal/check.h"

namespace saw {

/// Calls f.operator()<T>() for float32 and float64; other dtypes throw in the name of `op`.
template <class F>
decltype(auto) dispatch_floating(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    default:
      fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op,
           to_string(dtype));
  }
}

/// Calls f.operator()<T>() for float32, float64 and int64; bool throws in the name of `op`.
template <class F>
decltype(auto) dispatch_numeric(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::int64:
      return f.template operator()<std::int64_t>();
    default:
      fail(ErrorKind::dtype, "{}: needs numbers; got bool; expected float32, float64 or int64; convert with to()", op);
  }
}

/// Calls f.operator()<T>() for every dtype.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::int64:
      return f.template operator()<std::int64_t>();
    default:
      return f.template operator()<bool>();
  }
}

}  // namespace saw
