#include "saw/train/program.h"

#include <doctest/doctest.h>

#include <string>

#include "support/files.h"
#include "train/child_process.h"

using saw::train::printable;
using test::contains;
using test::run_shell;

TEST_CASE("printable: one line without control characters, whatever comes in") {
  CHECK(printable("Gr\u00fc\u00dfe, \u4e16\u754c") == "Gr\u00fc\u00dfe, \u4e16\u754c");
  CHECK(printable("a\nb\tc\r") == "a b c ");
  CHECK(printable("\x1b[31mred\x7f") == "\\x1b[31mred\\x7f");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b"
                  "1m\xc2\xa0") == "\\xc2\\x9b1m\xc2\xa0");  // CSI as one character; a space that is none
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("").empty());
}

TEST_CASE("printable: long texts keep their beginning and their end, in whole characters") {
  const std::string text = printable("file: " + std::string(50000000, 'x') + " the end", 100);
  CHECK(text.size() < 150);
  CHECK(text.rfind("file: xxx", 0) == 0);
  CHECK(contains(text, "bytes) … "));
  CHECK(text.substr(text.size() - 9) == "x the end");
  std::string umlauts;
  for (int i = 0; i < 1000; ++i) umlauts += "\u00fc";
  for (std::size_t longest = 1; longest < 30; ++longest) CHECK(!contains(printable(umlauts, longest), "\\x"));
  CHECK(printable("four", 4) == "four");
}

TEST_CASE("run_program: an error is one line and status 1, also where there is nowhere to write it") {
  const std::string child = SAW_RUN_CHILD " --steps";
  const auto shown = run_shell(child + " 2>&1");
  CHECK(shown.status == 1);
  CHECK(shown.output == "run_child: no value for --steps\n");
  for (const char* where : {" 2>&-", " 2>/dev/full", " >&- 2>&-", " >/dev/full 2>/dev/full", " <&- >&- 2>&-"}) {
    CAPTURE(where);
    CHECK(run_shell(child + where).status == 1);
  }
}

TEST_CASE("run_program: with standard output closed no text lands in a file of the program's") {
  const test::TemporaryDirectory directory;
  const std::string metrics = (directory / "metrics").string();
  const auto ended = run_shell(SAW_RUN_CHILD " --steps 7 --metrics " + metrics + " 0<&- >&- 2>&-");
  CHECK(ended.status == 0);
  CHECK(test::read_file(metrics + ".0") == "1\n2\n");  // the third one fails, by design
}

TEST_CASE("run_program: output that cannot be written is an error at the end, not in the middle") {
  const auto full = run_shell(SAW_RUN_CHILD " --steps 3 2>&1 >/dev/full");
  CHECK(full.status == 1);
  CHECK(contains(full.output, "run_child: "));
}
