#include "saw/train/signals.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "saw/train/program.h"

using saw::train::Signals;
using saw::train::Stopped;

namespace {

// The status of a child that runs f and then exits with 7.
int status_of(const std::function<void()>& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);  // the test framework has a handler
    f();
    ::_exit(7);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

int handled = 0;
void count(int) { ++handled; }

}  // namespace

TEST_CASE("signals: they are kept, and the handlers that were there come back") {
  handled = 0;
  const auto before = std::signal(SIGTERM, count);
  {
    const Signals signals;
    CHECK(signals.received() == 0);
    std::raise(SIGTERM);
    CHECK(signals.received() == SIGTERM);
    {
      const Signals inner;
      CHECK(inner.received() == SIGTERM);  // of the process, not of the object
    }
    std::raise(SIGHUP);
    CHECK(signals.received() == SIGTERM);  // the first one
    CHECK(handled == 0);
  }
  std::raise(SIGTERM);
  CHECK(handled == 1);
  std::signal(SIGTERM, before);
  const Signals later;
  CHECK(later.received() == 0);
}

TEST_CASE("signals: what was ignored stays ignored") {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const Signals signals;
    std::raise(SIGHUP);
    CHECK(signals.received() == 0);
  }
  const bool was_ignored = std::signal(SIGHUP, before) == SIG_IGN;
  CHECK(was_ignored);
}

TEST_CASE("signals: a second SIGINT ends the process at once") {
  const int once = status_of([] {
    const Signals signals;
    std::raise(SIGINT);
  });
  CHECK(WIFEXITED(once));
  CHECK(WEXITSTATUS(once) == 7);
  const int twice = status_of([] {
    const Signals signals;
    std::raise(SIGINT);
    std::raise(SIGINT);
  });
  CHECK(WEXITSTATUS(twice) == 130);
  const int after_term = status_of([] {
    const Signals signals;
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    std::raise(SIGINT);
  });
  CHECK(WEXITSTATUS(after_term) == 130);
  const int gone = status_of([] {
    { const Signals signals; }
    std::raise(SIGINT);
  });
  CHECK(WIFSIGNALED(gone));
}

TEST_CASE("signals: Stopped has the conventional status, and a program's status is that") {
  CHECK(Stopped(SIGINT).exit_status() == 130);
  CHECK(Stopped(SIGTERM).exit_status() == 143);
  CHECK(std::string(Stopped(SIGTERM).what()) == "stopped by SIGTERM");
  CHECK(saw::train::run_program("program", [] { throw Stopped(SIGTERM); }) == 143);
  std::signal(SIGXFSZ, SIG_DFL);
}
