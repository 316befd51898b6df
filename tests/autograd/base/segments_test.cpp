#include "saw/autograd/base/segments.h"

#include <doctest/doctest.h>

#include <limits>

#include "saw/autograd/base/error.h"
#include "saw/autograd/tape/format.h"
#include "support/tensors.h"

namespace {

using saw::Segments;
using test::error_text;
using Integers = std::vector<std::int64_t>;

TEST_CASE("segments: from lengths") {
  const auto segments = Segments::from_lengths({3, 0, 5, 1});
  CHECK(segments.count() == 4);
  CHECK(segments.rows() == 9);
  CHECK(segments.begin(2) == 3);
  CHECK(segments.end(2) == 8);
  CHECK(segments.length(1) == 0);
  CHECK(segments.max_length() == 5);
  CHECK(segments.lengths() == Integers{3, 0, 5, 1});
  CHECK(Integers(segments.offsets().begin(), segments.offsets().end()) == Integers{0, 3, 3, 8, 9});
  CHECK(segments.segment_of_row() == Integers{0, 0, 0, 2, 2, 2, 2, 2, 3});
  CHECK(segments == Segments(Integers{0, 3, 3, 8, 9}));
  CHECK_FALSE(segments == Segments::from_lengths({3, 5, 1}));
  const Integers lengths{2, 2};
  CHECK(Segments::from_lengths(lengths).rows() == 4);
}

TEST_CASE("segments: none, and one") {
  const Segments none;
  CHECK(none.count() == 0);
  CHECK(none.rows() == 0);
  CHECK(none.max_length() == 0);
  CHECK(none.lengths().empty());
  CHECK(none.segment_of_row().empty());
  CHECK(none == Segments::from_lengths(Integers{}));
  const auto single = Segments::single(7);
  CHECK(single.count() == 1);
  CHECK(single.rows() == 7);
  CHECK(Segments::single(0).count() == 1);
}

TEST_CASE("segments: mistakes") {
  CHECK(error_text([] { Segments(Integers{}); }) == "Segments: offsets must begin with 0; got none");
  CHECK(error_text([] { Segments(Integers{1, 2}); }) == "Segments: offsets must begin with 0; got 1");
  CHECK(error_text([] {
          Segments(Integers{0, 4, 3});
        }) == "Segments: offsets must not decrease; got 3 after 4 at position 2");
  CHECK(error_text([] {
          Segments::from_lengths({2, -1});
        }) == "Segments: a length must not be negative; got -1 at position 1");
}

TEST_CASE("segments: more rows than can be counted") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(test::error_text([&] {
          saw::Segments::from_lengths({most, 1});
        }) == "Segments: more rows than can be counted; got length 1 at position 1 after 9223372036854775807 rows");
}

TEST_CASE("segments: copies share") {
  const auto a = Segments::from_lengths({1, 2});
  const Segments b = a;
  CHECK(a.offsets().data() == b.offsets().data());
}

TEST_CASE("segments: printing") {
  CHECK(saw::to_string(Segments::from_lengths({3, 0, 5})) == "Segments(lengths 3, 0, 5; rows 8)");
  CHECK(saw::to_string(Segments::from_lengths(Integers(1000, 1))).size() < 200);
}

}  // namespace
