#include "support/errors.h"

#include <doctest/doctest.h>

#include <exception>

namespace test {

std::string error_text(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string error_text(saw::ErrorKind kind, const std::function<void()>& call) {
  try {
    call();
  } catch (const saw::Error& error) {
    CHECK(std::string(saw::to_string(error.kind())) == saw::to_string(kind));
    return error.what();
  }
  FAIL_CHECK("no error was thrown");
  return "nothing was thrown";
}

saw::ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const saw::Error& error) {
    return error.kind();
  }
  FAIL("nothing was thrown");
  return saw::ErrorKind::internal;
}

}  // namespace test
