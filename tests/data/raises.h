#pragma once

#include <doctest/doctest.h>

#include <string>

#include "saw/autograd/base/error.h"

namespace test {

// The text of the saw::Error of that kind that `f` throws; fails the test case where it throws none or another.
template <class F>
std::string raised(saw::ErrorKind kind, F&& f) {
  try {
    f();
  } catch (const saw::Error& error) {
    CHECK(std::string(saw::to_string(error.kind())) == saw::to_string(kind));
    return error.what();
  }
  FAIL_CHECK("no error was thrown");
  return "";
}

}  // namespace test
