#include "saw/data/text_streams.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;
using data::TextBlock;
using data::TextStreams;
using Numbers = std::vector<std::int64_t>;

namespace {

Numbers counted(std::int64_t count) {
  Numbers text(static_cast<std::size_t>(count));
  std::iota(text.begin(), text.end(), 100);
  return text;
}

bool same(const TextBlock& a, const TextBlock& b) {
  return test::same_bits(a.inputs, b.inputs) && test::same_bits(a.targets, b.targets) && a.segments == b.segments &&
         a.first == b.first;
}

}  // namespace

TEST_CASE("text streams: each stream goes on where it ended, and every row is an input once") {
  for (const std::int64_t rows : {9, 10, 47, 48, 49, 50, 51}) {
    for (const std::int64_t steps : {1, 3, 4, 100}) {
      CAPTURE(rows);
      CAPTURE(steps);
      TextStreams streams(counted(rows), {.streams = 4, .steps = steps});
      for (int epoch = 0; epoch < 2; ++epoch) {
        std::map<std::int64_t, Numbers> read;
        for (std::int64_t block_number = 0; block_number < streams.steps(); ++block_number) {
          const TextBlock block = streams.next();
          CHECK(block.first == (block_number == 0));
          REQUIRE(block.segments.count() == 4);
          const Numbers inputs = block.inputs.to_vector<std::int64_t>(),
                        targets = block.targets.to_vector<std::int64_t>();
          for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(targets[i] == inputs[i] + 1);
          for (std::int64_t b = 0; b < 4; ++b) {
            CHECK(block.segments.length(b) <= steps);
            if (block_number + 1 < streams.steps()) CHECK(block.segments.length(b) == steps);
            read[b].insert(read[b].end(), inputs.begin() + block.segments.begin(b),
                           inputs.begin() + block.segments.end(b));
          }
        }
        Numbers together;
        for (const auto& [stream, inputs] : read) together.insert(together.end(), inputs.begin(), inputs.end());
        CHECK((together == counted(rows - 1)));  // in this order: streams are contiguous
        CHECK(streams.position().epoch == epoch + 1);
        CHECK(streams.position().batch == 0);
      }
    }
  }
}

TEST_CASE("text streams: ranks have their part of the streams") {
  TextStreams whole(counted(60), {.streams = 5, .steps = 4});
  TextStreams first(counted(60), {.streams = 5, .steps = 4, .rank = 0, .ranks = 2});
  TextStreams second(counted(60), {.streams = 5, .steps = 4, .rank = 1, .ranks = 2});
  CHECK(first.streams() == 2);
  CHECK(second.streams() == 3);
  for (std::int64_t i = 0; i < whole.steps(); ++i) {
    Numbers together = first.next().inputs.to_vector<std::int64_t>();
    const Numbers rest = second.next().inputs.to_vector<std::int64_t>();
    together.insert(together.end(), rest.begin(), rest.end());
    CHECK((together == whole.next().inputs.to_vector<std::int64_t>()));
  }
}

TEST_CASE("text streams: a position that is restored gives exactly the next block") {
  TextStreams whole(counted(100), {.streams = 3, .steps = 5});
  std::vector<TextBlock> all;
  std::vector<data::BatchPosition> positions;
  for (int i = 0; i < 20; ++i) {
    positions.push_back(whole.position());
    all.push_back(whole.next());
  }
  for (const std::size_t stop : {0, 1, 6, 7, 13}) {
    TextStreams again(counted(100), {.streams = 3, .steps = 5});
    again.restore(data::parse_batch_position(to_string(positions[stop])));
    for (std::size_t i = stop; i < 20; ++i) CHECK(same(again.next(), all[i]));
  }
  TextStreams other(counted(101), {.streams = 3, .steps = 5});
  CHECK(test::error_text(ErrorKind::argument, [&] {
          other.restore(positions[1]);
        }).starts_with("text_streams: the position belongs to other data or options"));
}

TEST_CASE("text streams: errors") {
  const auto raised = [](std::int64_t rows, const data::TextStreamOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { TextStreams streams(counted(rows), options); });
  };
  CHECK(raised(10, {.streams = 0}) == "text_streams: streams; got 0; expected at least 1");
  CHECK(raised(10, {.steps = 0}) == "text_streams: steps; got 0; expected at least 1");
  CHECK(raised(10, {.streams = 2, .rank = 3, .ranks = 3}) == "text_streams: rank; got 3; expected 0 to 2");
  CHECK(raised(10, {.streams = 2, .rank = 2, .ranks = 3}) ==
        "text_streams: streams, one for each rank; got 2; expected at least 3");
  CHECK(raised(4, {.streams = 4}) ==
        "text_streams: rows of the text, one for each stream and one more; got 4; expected at least 5");
}
