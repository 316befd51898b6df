#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace test {

struct Outcome {
  int status;
  std::string output;  // standard output and error
};

// Runs a command line as a person would.
inline Outcome run_command(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome{};
  char buffer[4096];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    outcome.output.append(buffer, count);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

// Starts a command that goes on with what lies in its folder again and again, and sends it a signal each time a little
// later, until it comes to its end. `seconds` is what it takes undisturbed: nobody knows how fast the machine is.
// Returns how often the signal came first.
inline int run_and_stop(const std::string& signal, const std::string& command, double seconds) {
  for (int attempt = 1;; ++attempt) {
    REQUIRE(attempt < 150);
    const std::string limit = std::to_string(0.06 * seconds * attempt);
    if (run_command("timeout -s " + signal + " " + limit + " " + command).status == 0) return attempt - 1;
  }
}

}  // namespace test
