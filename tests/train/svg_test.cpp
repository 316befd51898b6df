// Ticks and texts of pictures.

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "saw/train/internal/readable.h"
#include "saw/train/internal/svg.h"

using namespace saw;

namespace {

std::string labels(double low, double high, double count, bool thousands = false) {
  std::string all;
  for (const train::NumberTick& tick : train::number_ticks(low, high, count, thousands)) all += tick.text + " ";
  return all;
}

}  // namespace

TEST_CASE("ticks are round, and all with as many decimals") {
  CHECK(labels(0, 1, 5) == "0 0.2 0.4 0.6 0.8 1.0 ");
  CHECK(labels(0.81, 1.003, 5) == "0.85 0.90 0.95 1.00 ");
  CHECK(labels(-3, 3, 4) == "-2 0 2 ");
  CHECK(labels(0, 2e-3, 5) == "0 0.0005 0.001 0.0015 0.002 ");
  CHECK(labels(0, 12000, 6, true) == "0 2k 4k 6k 8k 10k 12k ");
  CHECK(labels(0, 5e6, 5, true) == "0 1M 2M 3M 4M 5M ");
  CHECK(labels(1, 3, 6, true) == "1 2 3 ");  // there is no half step
  CHECK(labels(2, 2, 5) == "2 ");
  CHECK(labels(-1.7e308, 1.7e308, 5).size() < 100);  // their distance is beyond all numbers
}

TEST_CASE("markup and widths of texts") {
  CHECK(train::escape_markup("a<b>&\"c'\n\t") == "a&lt;b&gt;&amp;&quot;c&#39;\n\t");
  CHECK(train::escape_markup("\x1b\x7f\xff") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(train::display_width("naïve") == 5);
  CHECK(train::display_width("鋸子") == 4);
  CHECK(train::display_width("e\u0301") == 1);
  CHECK(train::shortened("carpenter", 9) == "carpenter");
  CHECK(train::shortened("carpenters", 9) == "carpente…");
  CHECK(train::shortened("鋸子鋸子", 6) == "鋸子…");
}

TEST_CASE("numbers, times and bytes for people") {
  CHECK(train::readable_count(1282193) == "1,282,193");
  CHECK(train::readable_count(-1000) == "-1,000");
  CHECK(train::readable_count(999) == "999");
  CHECK(train::readable_seconds(12.34e-6) == "12.3 µs");
  CHECK(train::readable_seconds(0.0456) == "45.6 ms");
  CHECK(train::readable_seconds(123.4) == "123 s");
  CHECK(train::readable_bytes(512) == "512 bytes");
  CHECK(train::readable_bytes(5.0 * 1024 * 1024) == "5.0 MiB");
  CHECK(train::readable_number(0.53124) == "0.5312");
  CHECK(train::readable_number(10806.4) == "10,806");
  CHECK(train::readable_number(-std::numeric_limits<double>::infinity()) == "−∞");
  CHECK(train::readable_number(1.5e-9) == "1.5e-09");
}
