#include "saw/train/signals.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace saw::train {
namespace {

constexpr std::array handled{SIGINT, SIGTERM, SIGHUP};

// A handler reaches nothing but what is static. Lock-free atomics are all that it may touch.
std::atomic<int> first_signal{0};
std::array<struct sigaction, handled.size()> before_us;
static_assert(std::atomic<int>::is_always_lock_free);

std::mutex mutex;  // for what follows, which handlers do not see
int objects = 0;

void keep(int signal) {
  const int saved = errno;
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, signal)) {
    if (signal == SIGINT) ::_exit(128 + SIGINT);
  } else if (signal == SIGINT) {
    constexpr char note[] = "\nfinishing the step; once more ends at once\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, note, sizeof note - 1);
  }
  errno = saved;
}

}  // namespace

Signals::Signals() {
  const std::lock_guard lock(mutex);
  if (objects++ > 0) return;
  first_signal = 0;
  struct sigaction action {};
  action.sa_handler = keep;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < handled.size(); ++i) {
    ::sigaction(handled[i], nullptr, &before_us[i]);
    if (before_us[i].sa_handler != SIG_IGN) ::sigaction(handled[i], &action, nullptr);
  }
}

Signals::~Signals() {
  const std::lock_guard lock(mutex);
  if (--objects > 0) return;
  for (std::size_t i = 0; i < handled.size(); ++i) ::sigaction(handled[i], &before_us[i], nullptr);
}

int Signals::received() const noexcept { return first_signal; }

std::string signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "signal " + std::to_string(signal);
  }
}

}  // namespace saw::train
