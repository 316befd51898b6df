#pragma once

// Starts the program of tests/train/child, and others, as a shell would.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "support/files.h"

namespace test {

struct Ended {
  int status = 0;           // as a shell counts: 128 + signal for a process that a signal ended
  std::string output = {};  // standard output and error
};

/// A process that was started and not yet waited for.
class ChildProcess {
 public:
  ChildProcess(const std::vector<std::string>& command, const std::string& output) : output_(output) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    process_ = ::fork();
    if (process_ == 0) {
      if (::dup2(file, 1) < 0 || ::dup2(file, 2) < 0) ::_exit(127);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(file);
    REQUIRE(process_ > 0);
  }
  void signal(int number) const { ::kill(process_, number); }
  Ended wait() const {
    int status = 0;
    ::waitpid(process_, &status, 0);
    return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), read_file(output_)};
  }

 private:
  std::string output_;
  pid_t process_ = 0;
};

inline Ended run_shell(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ended ended;
  char buffer[4096];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) ended.output.append(buffer, count);
  const int status = ::pclose(pipe);
  ended.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return ended;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace test
