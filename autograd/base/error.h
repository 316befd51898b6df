#pragma once

#include <stdexcept>
#include <string>

namespace [[gnu::visibility("default")]] saw {

/// What went wrong, for code that wants to react to it. People read what().
enum class ErrorKind {
  argument,  ///< a value that the function does not take (a negative probability, an axis out of range)
  shape,     ///< shapes that do not fit together
  dtype,     ///< element types that do not fit together
  index,     ///< an element of an index or target tensor that is out of range
  autograd,  ///< misuse of the tape (a second backward, an in-place change of a saved tensor)
  io,        ///< a file that cannot be read, parsed or written; the text begins with "file:" or "file:line:"
  memory,    ///< the system has no more memory, even after the cache was given back to it
  internal,  ///< a defect of saw itself
};

/// The one exception type of saw. The text has the form
/// `op: what is wrong; got …; expected …; hint`, or `file:line: what is wrong` for files. One that is made inside a
/// module's forward ends with the path of the innermost module: `…; in encoder.layers.3.linear1`.
class Error : public std::runtime_error {
 public:
  /// Adds the path of the module that this thread is in, cleans the text of control characters, and shortens it.
  Error(ErrorKind kind, const std::string& message);
  ErrorKind kind() const noexcept { return kind_; }  ///< for code that reacts to it

 private:
  ErrorKind kind_;
};

/// The name of a kind: "argument", "shape", …
const char* to_string(ErrorKind kind);

}  // namespace saw
