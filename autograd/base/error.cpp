#include "saw/autograd/base/error.h"

namespace saw {

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
