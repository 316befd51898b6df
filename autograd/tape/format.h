#pragma once

// Texts of tensors, for messages, for fmt and for streams.

#include <iosfwd>
#include <string>

#include "saw/autograd/base/format.h"

namespace [[gnu::visibility("default")]] saw {

class Indexed;
class Tensor;

/// A readable picture of a tensor: values in brackets row by row, long axes shortened in the middle, then
/// shape and dtype, and the op that made it where it has history.
std::string to_string(const Tensor& tensor);

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor);

}  // namespace saw

template <>
struct fmt::formatter<saw::Tensor> : saw::detail::TextFormatter<saw::Tensor> {};
template <>
struct fmt::formatter<saw::Indexed> : saw::detail::TextFormatter<saw::Indexed> {};
