// Indexing at sizes that are split over threads, the padding row, and gradients of repeated indices.

#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/embedding.h"

#include <doctest/doctest.h>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Shape;
using saw::Tensor;
using saw::TensorList;

/// Runs f with several numbers of threads; all results must have the same bits. Returns them once.
template <class F>
TensorList same_for_all_threads(const F& f) {
  TensorList first;
  for (const int threads : {1, 2, 3, 7}) {
    const test::Threads scope(threads);
    const TensorList results = f();
    if (threads == 1) first = results;
    CHECK(test::same_bits(results, first));
  }
  return first;
}

TEST_CASE("index: scattering into few rows adds in the order of the index, whatever the number of threads") {
  saw::Generator generator(3);
  const std::int64_t count = 5000, width = 77;
  const Tensor index = saw::randint(0, 40, {count}, generator);
  const Tensor source = saw::randn({count, width}, generator), x = saw::randn({40, width}, generator);

  std::vector<float> expected = x.to_vector<float>();
  const std::vector<float> added = source.to_vector<float>();
  const std::vector<std::int64_t> at = index.to_vector<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t c = 0; c < width; ++c)
      expected[static_cast<std::size_t>(at[static_cast<std::size_t>(i)] * width + c)] +=
          added[static_cast<std::size_t>(i * width + c)];

  const Tensor by_slices = same_for_all_threads([&] { return TensorList{saw::index_add(x, 0, index, source)}; })[0];
  CHECK(by_slices.to_vector<float>() == expected);
  const Tensor wide = saw::expand(saw::unsqueeze(index, 1), {count, width});
  const Tensor by_elements = same_for_all_threads([&] { return TensorList{saw::scatter_add(x, 0, wide, source)}; })[0];
  CHECK(by_elements.to_vector<float>() == expected);

  // the same along the other axis
  const Tensor turned = same_for_all_threads(
      [&] { return TensorList{saw::index_add(saw::transpose(x, 0, 1), 1, index, saw::transpose(source, 0, 1))}; })[0];
  CHECK(saw::transpose(turned, 0, 1).to_vector<float>() == expected);
}

TEST_CASE("index: what gather and index_select take at sizes that are split") {
  saw::Generator generator(4);
  const Tensor x = saw::randn({300, 64}, generator);
  const Tensor rows = saw::randint(0, 300, {2000}, generator);
  const Tensor wide = saw::expand(saw::unsqueeze(rows, 1), {2000, 64});
  const TensorList taken = same_for_all_threads([&] {
    return TensorList{saw::index_select(x, 0, rows), saw::gather(x, 0, wide), saw::embedding(x, rows)};
  });
  CHECK(test::same_bits(taken[0], taken[1]));
  CHECK(test::same_bits(taken[0], taken[2]));
  for (const std::int64_t i : {0, 999, 1999}) {
    const auto row = static_cast<std::int64_t>(saw::select(rows, 0, i).item());
    CHECK(saw::select(taken[0], 0, i).to_vector<float>() == saw::select(x, 0, row).to_vector<float>());
  }
}

TEST_CASE("embedding: rows of the padding index give no gradient, at the first order and at the second") {
  const Tensor table = saw::randn({4, 3}, saw::float64);
  table.set_requires_grad(true);
  const Tensor index = saw::tensor({{0, 2}, {2, 1}}, saw::int64);
  const Tensor weight = saw::randn({2, 2, 3}, saw::float64);
  weight.set_requires_grad(true);

  const Tensor y = saw::embedding(table, index, 1);
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(saw::reshape(y, {4, 3}).is_contiguous());
  const Tensor once = saw::grad({y}, {table}, {.grad_outputs = {weight.detach()}})[0];
  const Tensor again =
      saw::grad({saw::embedding(table, index, 1)}, {table}, {.grad_outputs = {weight}, .create_graph = true})[0];
  CHECK(test::difference(again, once, 1e-15) == "");
  CHECK(saw::select(once, 0, 1).to_vector<double>() == std::vector<double>(3, 0.0));
  CHECK(saw::select(once, 0, 3).to_vector<double>() == std::vector<double>(3, 0.0));
  const std::vector<double> w = weight.to_vector<double>(), twice = saw::select(once, 0, 2).to_vector<double>();
  for (std::size_t c = 0; c < 3; ++c) CHECK(twice[c] == w[3 + c] + w[6 + c]);

  // The gradient of that gradient: 1 for every weight that reached the table, 0 for the padding row's.
  const Tensor second = saw::grad({again}, {weight}, {.grad_outputs = {saw::ones({4, 3}, saw::float64)}})[0];
  CHECK(second.to_vector<double>() == std::vector<double>{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0});
}

TEST_CASE("embedding: without a padding index every row gets its gradient") {
  const Tensor table = saw::zeros({3, 2});
  table.set_requires_grad(true);
  saw::embedding(table, saw::tensor({0, 0, 2}, saw::int64)).backward(saw::ones({3, 2}));
  CHECK(table.grad().to_vector<float>() == std::vector<float>{2, 2, 0, 0, 1, 1});
}

TEST_CASE("index: an index that is changed before backward is noticed") {
  const Tensor x = saw::randn({3, 2});
  x.set_requires_grad(true);
  const Tensor index = saw::tensor({0, 1}, saw::int64);
  const Tensor y = saw::index_select(x, 0, index);
  index.fill_(2);
  CHECK(test::error_text([&] { y.backward(saw::ones({2, 2})); }).find("index_select") != std::string::npos);
}

}  // namespace
