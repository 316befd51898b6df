#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// What a Progress begins with and counts.
struct ProgressOptions {
  std::int64_t done = 0;  ///< what an earlier run has done already; not part of the rate
  std::string unit = {};  ///< of advance(): "words" shows "10853 words/s"
};

/// A bar with the time that is left, redrawn in place on a terminal's standard error; silent elsewhere, where a log
/// wants only the line that follows. It never is wider than the terminal.
///
///   Progress progress("epoch 3/8", batches.size(), {.unit = "words"});
///   for (…) progress.advance(fmt::format("loss {:.3f}", loss), words_of_batch);
///   progress.finish();    // removes the bar
///
///   epoch 3/8 ███████████▏░░░░░░░░░░░░  47 %  12 s left  10853 words/s  loss 0.338
class Progress {
 public:
  Progress(std::string label, std::int64_t total, const ProgressOptions& options = {});
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more done, which has so many units; `note` stands behind the bar.
  void advance(std::string_view note = {}, std::int64_t units = 0);
  void finish();  ///< takes the bar away; also done at the end of its life

 private:
  void draw(std::string_view note);

  std::string label_, unit_;
  std::int64_t total_, first_, done_;
  std::int64_t units_ = 0;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point begin_, last_drawn_;
};

/// What a Progress draws.
struct ProgressState {
  std::string label = {};            ///< before the bar
  std::int64_t done = 0, total = 1;  ///< so many of so many
  std::int64_t first = 0;            ///< where the measured time began
  double seconds = 0.0;              ///< since then
  std::int64_t units = 0;            ///< since then
  std::string unit = {};             ///< what is counted a second: "words"
  std::string note = {};             ///< behind the bar
};

/// The line of a bar, at most `width` characters wide: what does not fit is left out from the right, the bar last.
std::string progress_line(const ProgressState& state, int width);

/// One line for an evaluation, of parts that are there in this order:
///
///   EvaluationLine().count("epoch", 28, 30).number("loss", 0.3378).percent("dev", 0.9861).rate(10853, "words").mark(
///       "best", improved).text()
///
///   epoch 28  loss 0.3378  dev 98.61 %  10853 words/s  best
class EvaluationLine {
 public:
  /// A number that counts up to `total`, by whose digits it is padded.
  EvaluationLine& count(std::string_view name, std::int64_t number, std::int64_t total = 0);
  /// Four decimals; small numbers with an exponent. NaN is shown as such.
  EvaluationLine& number(std::string_view name, double number);
  /// A fraction of 1 with two decimals: "98.61 %".
  EvaluationLine& percent(std::string_view name, double fraction);
  /// Units a second.
  EvaluationLine& rate(double per_second, std::string_view unit);
  /// A time, as format_duration() writes it.
  EvaluationLine& duration(std::string_view name, double seconds);
  /// A word, where `holds`.
  EvaluationLine& mark(std::string_view word, bool holds = true);
  std::string text() const { return text_; }  ///< the line so far

 private:
  EvaluationLine& add(std::string_view name, std::string_view value);

  std::string text_;
};

/// Seconds since it was made.
class Stopwatch {
 public:
  Stopwatch() : begin_(std::chrono::steady_clock::now()) {}
  /// Since then, by a clock that is never set back.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_;
};

/// "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
std::string format_duration(double seconds);

}  // namespace train
}  // namespace saw
