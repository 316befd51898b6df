#include "saw/autograd/base/error.h"

#include "saw/autograd/base/module_scope.h"

namespace saw {
namespace {

/// An error that passes on the text of another keeps the place that stands there: it is the same or further inside.
std::string with_place(const std::string& message) {
  const std::string path = current_module_path();
  const std::string place = "; in " + path;
  return path.empty() || message.find(place) != std::string::npos ? message : message + place;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& message) : std::runtime_error(with_place(message)), kind_(kind) {}

const char* to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::argument:
      return "argument";
    case ErrorKind::shape:
      return "shape";
    case ErrorKind::dtype:
      return "dtype";
    case ErrorKind::index:
      return "index";
    case ErrorKind::autograd:
      return "autograd";
    case ErrorKind::io:
      return "io";
    case ErrorKind::memory:
      return "memory";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace saw
