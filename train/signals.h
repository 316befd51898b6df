#pragma once

#include <exception>
#include <string>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process; they are kept, for the program to look at where
/// it can stop in good order. A second signal that is a SIGINT ends the process at once, with status 130.
///
///   const train::Signals signals;
///   while (…) {
///     …                                             // a step
///     if (signals.received()) { save(); throw train::Stopped(signals.received()); }
///   }
///
/// A signal that was ignored before stays ignored: what runs under nohup goes on. Handlers belong to the process, so
/// all objects see the same signal; the destructor of the last one puts the handlers back that were there before.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// The number of the first signal that came, or 0.
  int received() const noexcept;
};

/// "SIGINT", "SIGTERM", …
std::string signal_name(int signal);

/// Ends a program from inside because of a signal, after what had to be saved is saved. run_program() turns it into the
/// conventional exit status, 128 + signal: 130 for SIGINT, 143 for SIGTERM.
class Stopped : public std::exception {
 public:
  explicit Stopped(int signal) : signal_(signal), text_("stopped by " + signal_name(signal)) {}
  int signal() const noexcept { return signal_; }             ///< SIGINT, SIGTERM
  int exit_status() const noexcept { return 128 + signal_; }  ///< 128 + signal
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  int signal_;
  std::string text_;
};

}  // namespace train
}  // namespace saw
