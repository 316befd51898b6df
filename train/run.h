#pragma once

#include <functional>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// Runs a program's body; the exit status for main. A saw::Error (or another exception) becomes one line on standard
/// error that begins with the program's name, and status 1.
int run_program(const char* program, const std::function<void()>& body);

}  // namespace train
}  // namespace saw
