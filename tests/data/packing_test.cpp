#include "saw/data/packing.h"

#include <doctest/doctest.h>

#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/literal.h"
#include "support/errors.h"

using namespace saw;
using Numbers = std::vector<std::int64_t>;

TEST_CASE("packing: ids") {
  const std::vector<Numbers> sentences{{1, 2, 3}, {}, {4}};
  const data::Packed some = data::pack_ids(sentences, Numbers{2, 0, 2});
  CHECK(some.rows.to_vector<std::int64_t>() == Numbers{4, 1, 2, 3, 4});
  CHECK(some.rows.dtype() == int64);
  CHECK(some.segments == Segments::from_lengths({1, 3, 1}));
  const data::Packed all = data::pack_ids(sentences, {.begin = 8, .end = 9, .longest = 2});
  CHECK(all.rows.to_vector<std::int64_t>() == Numbers{8, 1, 2, 9, 8, 9, 8, 4, 9});
  CHECK(all.segments == Segments::from_lengths({4, 2, 3}));
  const data::Packed none = data::pack_ids(sentences, Numbers{});
  CHECK(none.rows.shape() == Shape{0});
  CHECK(none.segments.count() == 0);
  CHECK(test::error_text(ErrorKind::index, [&] { data::pack_ids(sentences, Numbers{3}); }) ==
        "pack_ids: number of an example; got 3; expected 0 to 2");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::pack_ids(sentences, {.longest = -1}); }) ==
        "pack_ids: longest; got -1; expected at least 0");
}

TEST_CASE("packing: rows") {
  const TensorList pieces{tensor({{1.0, 2.0}}), zeros({0, 2}), tensor({{3.0, 4.0}, {5.0, 6.0}})};
  const data::Packed packed = data::pack_rows(pieces, Numbers{2, 1, 0});
  CHECK(packed.rows.shape() == Shape{3, 2});
  CHECK(packed.rows.to_vector<float>() == std::vector<float>{3, 4, 5, 6, 1, 2});
  CHECK(packed.segments == Segments::from_lengths({2, 0, 1}));
  CHECK(data::pack_rows(pieces).rows.to_vector<float>() == std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::vector<std::vector<float>> flat{{1, 2, 3, 4}, {5, 6}};
  const data::Packed from_vectors = data::pack_rows(flat, 2, Numbers{1, 0});
  CHECK(from_vectors.rows.to_vector<float>() == std::vector<float>{5, 6, 1, 2, 3, 4});
  CHECK(from_vectors.segments == Segments::from_lengths({1, 2}));
  CHECK(test::error_text(ErrorKind::shape, [&] { data::pack_rows(flat, 4, Numbers{1}); }) ==
        "pack_rows: example 1; got 2 numbers; expected whole rows of 4");
  const TensorList odd{zeros({1, 2}), zeros({1, 3}), zeros({1, 2}, int64), zeros({})};
  CHECK(test::error_text(ErrorKind::shape, [&] {
          data::pack_rows(odd, Numbers{0, 1});
        }) == "pack_rows: example 1; got (1, 3); expected (1, 2) as example 0 has");
  CHECK(test::error_text(ErrorKind::dtype, [&] {
          data::pack_rows(odd, Numbers{0, 2});
        }) == "pack_rows: example 2; got int64; expected float32 as example 0 has");
  CHECK(test::error_text(ErrorKind::shape, [&] {
          data::pack_rows(odd, Numbers{3});
        }).starts_with("pack_rows: example 3"));
  test::error_text(ErrorKind::argument, [&] { data::pack_rows(odd, Numbers{}); });
}

TEST_CASE("packing: labels and targets") {
  const Numbers labels{3, 1, 2};
  CHECK(data::pack_labels(labels, Numbers{1, 1, 0}).to_vector<std::int64_t>() == Numbers{1, 1, 3});
  const Tensor targets = data::pack_targets(std::vector<double>{0.5, 2}, Numbers{1, 0});
  CHECK(targets.dtype() == float32);
  CHECK(targets.to_vector<float>() == std::vector<float>{2, 0.5F});
  CHECK(test::error_text(ErrorKind::index, [&] { data::pack_labels(labels, Numbers{-1}); }) ==
        "pack_labels: number of an example; got -1; expected 0 to 2");
}
