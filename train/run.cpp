#include "saw/train/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

namespace saw::train {

int run_program(const char* program, const std::function<void()>& body) {
  try {
    body();
    if (std::fflush(stdout) != 0) throw std::runtime_error("standard output cannot be written");
    return 0;
  } catch (const std::exception& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::fflush(stdout);
    fmt::print(stderr, "{}: {}\n", program, text);
    return 1;
  }
}

}  // namespace saw::train
