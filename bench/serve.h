#pragma once

// One side of bench/compare: a program that times what it is asked for, so that two libraries can be measured in
// turns within one second. It reads lines from standard input and answers each:
//
//   list                  the names of all cases, one a line, and a line with a full stop
//   <name> <seconds>      the fastest call in so many seconds of trying: "<name> <seconds>"
//
// The peers in bench/peers speak the same.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace saw::bench {

/// Seconds of the fastest call of f: the least mean of batches of calls that last about a millisecond.
inline double fastest_call(const std::function<void()>& f, double budget) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [&](std::int64_t calls) {
    const auto begin = Clock::now();
    for (std::int64_t i = 0; i < calls; ++i) f();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const auto begin = Clock::now();
  f();
  const double once = seconds(1);
  const std::int64_t calls = std::clamp<std::int64_t>(static_cast<std::int64_t>(1e-3 / once), 1, 1000);
  double fastest = once;
  do fastest = std::min(fastest, seconds(calls) / static_cast<double>(calls));
  while (std::chrono::duration<double>(Clock::now() - begin).count() < budget);
  return fastest;
}

/// Answers standard input until it ends. `prepare` makes the call that a name stands for.
inline void serve(const std::vector<std::string>& names,
                  const std::function<std::function<void()>(const std::string& name)>& prepare) {
  std::string line, prepared_name;
  std::function<void()> call;
  while (std::getline(std::cin, line)) {
    if (line == "list") {
      for (const std::string& name : names) fmt::print("{}\n", name);
      fmt::print(".\n");
    } else {
      std::istringstream words(line);
      std::string name;
      double budget = 0.05;
      words >> name >> budget;
      if (name != prepared_name) {
        call = nullptr;  // the tensors of the case before are given back first
        call = prepare(name);
        prepared_name = name;
      }
      fmt::print("{} {:.9e}\n", name, fastest_call(call, budget));
    }
    std::fflush(stdout);
  }
}

}  // namespace saw::bench
