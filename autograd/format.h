#pragma once

#include <fmt/core.h>

#include <iosfwd>
#include <string>

#include "saw/autograd/dtype.h"
#include "saw/autograd/shape.h"

namespace [[gnu::visibility("default")]] saw {

class Tensor;
class Segments;

/// A readable picture of a tensor: values in brackets row by row, long axes shortened in the middle, then
/// shape and dtype, and the op that made it where it has history.
std::string to_string(const Tensor& tensor);

/// "Segments(lengths 3, 0, 5; rows 8)", shortened in the middle.
std::string to_string(const Segments& segments);

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor);
std::ostream& operator<<(std::ostream& stream, const Segments& segments);
std::ostream& operator<<(std::ostream& stream, const Shape& shape);
std::ostream& operator<<(std::ostream& stream, DType dtype);

}  // namespace saw

template <>
struct [[gnu::visibility("default")]] fmt::formatter<saw::Shape>
    : fmt::formatter<std::string>{template <class Context> auto format(const saw::Shape& shape, Context& context)
                                      const {return fmt::formatter<std::string>::format(saw::to_string(shape), context);
}
}
;

template <>
struct [[gnu::visibility("default")]] fmt::formatter<saw::Tensor>
    : fmt::formatter<std::string>{
          template <class Context> auto format(const saw::Tensor& tensor, Context& context)
              const {return fmt::formatter<std::string>::format(saw::to_string(tensor), context);
}
}
;

template <>
struct [[gnu::visibility("default")]] fmt::formatter<saw::Segments>
    : fmt::formatter<std::string>{
          template <class Context> auto format(const saw::Segments& segments, Context& context)
              const {return fmt::formatter<std::string>::format(saw::to_string(segments), context);
}
}
;

template <>
struct [[gnu::visibility("default")]] fmt::formatter<saw::DType>
    : fmt::formatter<const char*>{template <class Context> auto format(saw::DType dtype, Context& context)
                                      const {return fmt::formatter<const char*>::format(saw::to_string(dtype), context);
}
}
;
