// What the bar and the lines of evaluations say. (Whether a terminal shows them well is for eyes.)

#include <doctest/doctest.h>

#include <limits>

#include "saw/data/utf8.h"
#include "saw/train/progress.h"

using namespace saw;
using train::EvaluationLine;
using train::format_duration;
using train::progress_line;

TEST_CASE("a bar with what is left, rate and note") {
  train::ProgressState state{.label = "epoch 3/8",
                             .done = 50,
                             .total = 200,
                             .seconds = 10,
                             .units = 5000,
                             .unit = "words",
                             .note = "loss 0.5"};
  CHECK(progress_line(state, 100) == "epoch 3/8 ██████░░░░░░░░░░░░░░░░░░  25 %  30 s left  500 words/s  loss 0.5");
  CHECK(progress_line(state, 20) == "epoch 3/8  25 %");
  CHECK(progress_line(state, 4) == "epoc");
  CHECK(progress_line(state, 0).empty());
  CHECK(progress_line(state, -1).empty());
  for (int width = 0; width < 100; ++width)
    CHECK(data::decode_utf8(progress_line(state, width)).size() <= static_cast<std::size_t>(width));

  // A resumed run: the 40 of an earlier one cost no time here.
  state.first = 40;
  CHECK(progress_line(state, 100).find("  2 min 30 s left  ") != std::string::npos);
  state.done = 40;
  CHECK(progress_line(state, 100).find("left") == std::string::npos);  // nobody knows yet
  state.done = 200;
  CHECK(progress_line(state, 100).find("████████████████████████ 100 %  0 s left") != std::string::npos);
  state.done = 300;
  CHECK(progress_line(state, 100).find(" 100 %") != std::string::npos);
  state.done = 199;
  CHECK(progress_line(state, 100).find(" 99 %") != std::string::npos);  // 100 % is when all is done
  state.note = "\x1b[31m\nred\xff";
  CHECK(progress_line(state, 100).find("  ?[31m?red\xEF\xBF\xBD") != std::string::npos);
}

TEST_CASE("one line for an evaluation") {
  CHECK(EvaluationLine()
            .count("epoch", 8, 30)
            .number("loss", 0.33781)
            .percent("dev", 0.98612)
            .rate(10853.4, "words")
            .mark("best")
            .mark("worst", false)
            .text() == "epoch  8  loss 0.3378  dev 98.61 %  10853 words/s  best");
  CHECK(EvaluationLine().number("rate", 2e-5).number("zero", 0).text() == "rate 2.000e-05  zero 0.0000");
  CHECK(EvaluationLine().number("loss", std::numeric_limits<double>::quiet_NaN()).text() == "loss NaN");
  CHECK(EvaluationLine().percent("dev", -std::numeric_limits<double>::quiet_NaN()).text() == "dev NaN");
  CHECK(EvaluationLine().duration("in", 75).text() == "in 1 min 15 s");
}

TEST_CASE("durations in words") {
  CHECK(format_duration(0.2) == "0 s");
  CHECK(format_duration(59.6) == "1 min 0 s");
  CHECK(format_duration(3600 * 2 + 60 * 5) == "2 h 5 min");
  CHECK(format_duration(3600 * 76) == "3 d 4 h");
  CHECK(format_duration(-1) == "0 s");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "?");
  CHECK(format_duration(std::numeric_limits<double>::quiet_NaN()) == "?");
}
