#include "saw/train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "saw/data/utf8.h"

namespace saw::train {
namespace {

int terminal_width() {
  struct winsize size {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Characters, not bytes; text from outside must not move the cursor.
std::string printable(std::string_view text, std::size_t most) {
  std::string result;
  std::size_t count = 0;
  for (const char32_t c : data::decode_utf8(text)) {
    if (count++ == most) break;
    result += c < 0x20 || (c >= 0x7F && c < 0xA0) ? std::string("?") : data::encode_utf8(c);
  }
  return result;
}

std::size_t length(std::string_view text) { return data::decode_utf8(text).size(); }

}  // namespace

Progress::Progress(std::string label, std::int64_t total, const ProgressOptions& options)
    : label_(std::move(label)),
      unit_(options.unit),
      total_(std::max<std::int64_t>(total, 1)),
      first_(options.done),
      done_(options.done),
      terminal_(isatty(STDERR_FILENO) != 0),
      begin_(std::chrono::steady_clock::now()),
      last_drawn_(begin_) {}

void Progress::advance(std::string_view note, std::int64_t units) {
  ++done_;
  units_ += units;
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  // Ten times a second is as fast as anyone reads.
  if (drawn_ && done_ < total_ && now - last_drawn_ < std::chrono::milliseconds(100)) return;
  last_drawn_ = now;
  draw(note);
}

void Progress::draw(std::string_view note) {
  const ProgressState state{
      label_, done_, total_,           first_, std::chrono::duration<double>(last_drawn_ - begin_).count(),
      units_, unit_, std::string(note)};
  fmt::print(stderr, "\r\x1b[K{}", progress_line(state, terminal_width() - 1));
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string progress_line(const ProgressState& state, int width) {
  constexpr int bar_width = 24;
  const auto share = [&](std::int64_t part) {
    return std::clamp(static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(state.total, 1)), 0.0,
                      1.0);
  };
  const double fraction = share(state.done), measured = fraction - share(state.first);
  std::string bar;
  const int filled = static_cast<int>(fraction * bar_width);
  for (int i = 0; i < bar_width; ++i) bar += i < filled ? "█" : "░";

  const auto room = static_cast<std::size_t>(std::max(width, 0));
  std::string line = printable(state.label, room);
  std::size_t used = length(line);
  const auto add = [&](const std::string& part, const char* before) {
    const std::size_t more = length(before) + length(part);
    if (part.empty() || used + more > room) return;
    line += before + part;
    used += more;
  };
  const std::string percent = fmt::format("{:3.0f} %", std::floor(fraction * 100));
  if (used + 1 + bar_width + 1 + percent.size() <= room) add(bar, " ");
  add(percent, " ");
  if (measured > 0) add(format_duration(state.seconds * (1 - fraction) / measured) + " left", "  ");
  if (!state.unit.empty() && state.seconds > 0)
    add(fmt::format("{:.0f} {}/s", static_cast<double>(state.units) / state.seconds, state.unit), "  ");
  // Of the note a piece will do, but not a few letters.
  if (used + 10 <= room) add(printable(state.note, room - used - 2), "  ");
  return line;
}

EvaluationLine& EvaluationLine::add(std::string_view name, std::string_view value) {
  text_ += fmt::format("{}{}{}{}", text_.empty() ? "" : "  ", name, name.empty() || value.empty() ? "" : " ", value);
  return *this;
}

EvaluationLine& EvaluationLine::count(std::string_view name, std::int64_t number, std::int64_t total) {
  return add(name, fmt::format("{:{}}", number, std::to_string(total).size()));
}

EvaluationLine& EvaluationLine::number(std::string_view name, double number) {
  const double size = std::abs(number);
  if (std::isnan(number)) return add(name, "NaN");
  return add(name,
             size != 0 && (size < 1e-3 || size >= 1e6) ? fmt::format("{:.3e}", number) : fmt::format("{:.4f}", number));
}

EvaluationLine& EvaluationLine::percent(std::string_view name, double fraction) {
  return add(name, std::isnan(fraction) ? "NaN" : fmt::format("{:.2f} %", 100 * fraction));
}

EvaluationLine& EvaluationLine::rate(double per_second, std::string_view unit) {
  return add("", fmt::format("{:.0f} {}/s", per_second, unit));
}

EvaluationLine& EvaluationLine::duration(std::string_view name, double seconds) {
  return add(name, format_duration(seconds));
}

EvaluationLine& EvaluationLine::mark(std::string_view word, bool holds) { return holds ? add(word, "") : *this; }

std::string format_duration(double seconds) {
  if (!(seconds < 1e15)) return "?";  // NaN and infinity, too
  const auto whole = static_cast<std::int64_t>(std::max(seconds, 0.0) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 24 * 3600) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / (24 * 3600), whole / 3600 % 24);
}

}  // namespace saw::train
