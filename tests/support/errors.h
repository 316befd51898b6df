#pragma once

#include <functional>
#include <string>

#include "saw/autograd/base/error.h"

namespace test {

// The text of what `call` throws, or "nothing was thrown".
std::string error_text(const std::function<void()>& call);

// The text of the saw::Error of that kind that `call` throws; fails the test case where it throws none or another.
std::string error_text(saw::ErrorKind kind, const std::function<void()>& call);

// The kind of the saw::Error that `call` throws; ends the test case where it throws none.
saw::ErrorKind kind_of(const std::function<void()>& call);

}  // namespace test
