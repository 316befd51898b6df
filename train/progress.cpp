#include "saw/train/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace saw::train {

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)),
      total_(std::max<std::int64_t>(total, 1)),
      terminal_(isatty(STDERR_FILENO) != 0),
      begin_(std::chrono::steady_clock::now()),
      last_drawn_(begin_) {}

void Progress::advance(std::string_view note) {
  ++done_;
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  // Ten times a second is as fast as anyone reads.
  if (drawn_ && done_ < total_ && now - last_drawn_ < std::chrono::milliseconds(100)) return;
  last_drawn_ = now;
  draw(note);
}

void Progress::draw(std::string_view note) {
  constexpr int width = 24;
  const double fraction = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const int filled = static_cast<int>(fraction * width);
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
  const double elapsed = std::chrono::duration<double>(last_drawn_ - begin_).count();
  const double left = fraction > 0 ? elapsed * (1 - fraction) / fraction : 0;
  fmt::print(stderr, "\r\x1b[K{} {} {:3.0f} %  {} left  {}", label_, bar, fraction * 100, format_duration(left), note);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

}  // namespace saw::train
