#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A bar with the time that is left, redrawn in place on a terminal's standard error; silent elsewhere, where a log
/// wants only the line that follows.
///
///   Progress progress("epoch 3/8", batches.size());
///   for (…) progress.advance(fmt::format("loss {:.3f}", loss));
///   progress.finish();    // removes the bar
class Progress {
 public:
  Progress(std::string label, std::int64_t total);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more done; `note` stands behind the bar.
  void advance(std::string_view note = {});
  void finish();

 private:
  void draw(std::string_view note);

  std::string label_;
  std::int64_t total_, done_ = 0;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point begin_, last_drawn_;
};

/// Seconds since it was made.
class Stopwatch {
 public:
  Stopwatch() : begin_(std::chrono::steady_clock::now()) {}
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_;
};

/// "45 s", "3 min 20 s", "2 h 5 min".
std::string format_duration(double seconds);

}  // namespace train
}  // namespace saw
