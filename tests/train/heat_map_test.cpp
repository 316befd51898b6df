// Pictures of matrices: what the files say. (Whether they look right is for eyes.)

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/creation.h"
#include "saw/train/heat_map.h"
#include "saw/train/internal/png.h"
#include "support/files.h"

using namespace saw;

TEST_CASE("a PNG begins as one and is as large as asked for") {
  const std::string png = train::encode_png(3, 2, std::vector<std::uint8_t>(18, 200));
  REQUIRE(png.size() > 24);
  CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  CHECK(png[19] == 3);
  CHECK(png[23] == 2);
}

TEST_CASE("a heat map names its cells and survives odd values") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory.path() / "map.svg").string();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  train::save_heat_map(path, tensor({{1, nan}, {3, 4}}),
                       {.title = "a < b & c", .rows = {.names = {"one", "two"}}, .columns = {.label = "seconds"}});
  const std::string svg = test::read_file(path);
  CHECK(svg.find("a &lt; b &amp; c") != std::string::npos);
  CHECK(svg.find(">two</text>") != std::string::npos);
  CHECK(svg.find(">seconds</text>") != std::string::npos);
  CHECK(svg.find("data:image/png;base64,") != std::string::npos);
  CHECK(svg.find("</svg>\n") == svg.size() - 7);
  train::save_heat_map(path, zeros({1, 1}));  // one value: no range
  train::save_heat_map(path, full({2, 300}, nan));
}

TEST_CASE("tiers below a heat map: a box for neighbours that are equal, a red line for what is not as in the first") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory.path() / "map.svg").string();
  const auto count = [&](const std::string& part) {
    const std::string svg = test::read_file(path);
    int found = 0;
    for (std::size_t at = svg.find(part); at != std::string::npos; at = svg.find(part, at + 1)) ++found;
    return found;
  };
  train::save_heat_map(path, zeros({2, 6}));
  const int without = count("<rect");
  train::save_heat_map(path, zeros({2, 6}),
                       {.tiers = {{.label = "said", .cells = {"a", "a", "b", "b", "", "<"}},
                                  {.label = "heard", .cells = {"a", "b", "b", "", "", "d"}}}});
  CHECK(count("<rect") == without + 3 + 3 + 3);  // boxes of each, and three lines
  CHECK(count("fill=\"#d00\"") == 3);
  CHECK(count(">said</text>") == 1);
  CHECK(count(">heard</text>") == 1);
  CHECK(count(">a</text>") == 2);
  CHECK(count(">&lt;</text>") == 1);
  // One text, one colour.
  CHECK(count("fill=\"hsl(0,") == 2);
  CHECK_THROWS_AS(train::save_heat_map(path, zeros({2, 6}), {.tiers = {{.cells = {"a"}}}}), Error);
}

TEST_CASE("a heat map that cannot be drawn or written") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory.path() / "map.svg").string();
  CHECK_THROWS_AS(train::save_heat_map(path, zeros({3})), Error);
  CHECK_THROWS_AS(train::save_heat_map(path, zeros({0, 3})), Error);
  CHECK_THROWS_AS(train::save_heat_map(path, zeros({2, 2}), {.rows = {.names = {"one"}}}), Error);
  CHECK_THROWS_AS(train::save_heat_map((directory.path() / "none" / "map.svg").string(), zeros({2, 2})), Error);
}
