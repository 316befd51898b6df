// Embedding with sparse gradients beside the same with dense ones, and what optimizers make of them.

#include <doctest/doctest.h>

#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/tape/sparse_gradient.h"
#include "saw/nn/embedding.h"
#include "saw/optim/adam.h"
#include "saw/optim/clip.h"
#include "saw/optim/sgd.h"
#include "support/golden.h"

using namespace saw;

namespace {

Tensor numbers(const std::vector<std::int64_t>& values) { return tensor(values); }

/// Two embeddings of equal weights, float64.
struct Pair {
  nn::Embedding dense;
  nn::Embedding sparse;

  explicit Pair(std::int64_t padding_index = -1)
      : dense(6, 3, {.padding_index = padding_index}), sparse(6, 3, {.padding_index = padding_index, .sparse = true}) {
    dense.to(float64);
    sparse.to(float64);
    sparse.load_state_dict(dense.state_dict());
  }
  void backward(const Tensor& ids) {
    for (nn::Embedding* table : {&dense, &sparse}) {
      const Tensor rows = table->forward(ids);
      (rows * rows).sum().backward();
    }
  }
};

/// The gradient as a whole table.
Tensor spread(const SparseGradient& gradient) {
  const Tensor table = zeros({6, 3}, float64);
  const std::vector<std::int64_t> indices = gradient.indices.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < indices.size(); ++i)
    table.select(0, indices[i]).copy_(gradient.rows.select(0, static_cast<std::int64_t>(i)));
  return table;
}

}  // namespace

TEST_CASE("a sparse embedding keeps the rows that were used") {
  Pair pair;
  const Tensor ids = tensor(std::vector<std::int64_t>{4, 1, 4, 4}, {2, 2});
  CHECK(pair.sparse.forward(ids).to_vector<double>() == pair.dense.forward(ids).to_vector<double>());
  pair.backward(ids);
  CHECK_FALSE(pair.sparse.weight.grad().defined());
  const SparseGradient gradient = sparse_grad(pair.sparse.weight);
  REQUIRE(gradient.defined());
  CHECK(gradient.indices.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 4});
  CHECK_EQ(test::difference(spread(gradient), pair.dense.weight.grad(), 1e-14, 0.0), "");

  pair.backward(numbers({0, 4}));  // adds up, as dense gradients do
  CHECK(sparse_grad(pair.sparse.weight).indices.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 4});
  CHECK_EQ(test::difference(spread(sparse_grad(pair.sparse.weight)), pair.dense.weight.grad(), 1e-14, 0.0), "");

  pair.sparse.zero_grad();
  CHECK_FALSE(sparse_grad(pair.sparse.weight).defined());
}

TEST_CASE("the padding row gets no gradient, sparse or dense") {
  Pair pair(4);
  pair.backward(numbers({4, 1, 4}));
  CHECK_EQ(test::difference(spread(sparse_grad(pair.sparse.weight)), pair.dense.weight.grad(), 1e-14, 0.0), "");
  CHECK(test::largest(pair.dense.weight.grad().select(0, 4)) == 0.0);
}

TEST_CASE("rows are added to a dense gradient of the same table") {
  Pair pair;
  pair.backward(numbers({2, 5}));
  (pair.dense.weight * 3.0).sum().backward();
  (pair.sparse.weight * 3.0).sum().backward();  // as a tied output layer would
  CHECK_FALSE(sparse_grad(pair.sparse.weight).defined());
  CHECK_EQ(test::difference(pair.sparse.weight.grad(), pair.dense.weight.grad(), 1e-14, 0.0), "");
}

TEST_CASE("nothing is kept without recording or for a frozen table") {
  Pair pair;
  {
    const NoGradGuard no_grad;
    CHECK_FALSE(pair.sparse.forward(numbers({1})).requires_grad());
  }
  pair.sparse.set_requires_grad(false);
  CHECK_FALSE(pair.sparse.forward(numbers({1})).requires_grad());
}

TEST_CASE("optimizers change the used rows alone") {
  Pair pair;
  const Tensor before = pair.sparse.weight.detach().clone();
  optim::SGD dense(pair.dense.parameters(), {.learning_rate = 0.1});
  optim::SGD sparse(pair.sparse.parameters(), {.learning_rate = 0.1});
  pair.backward(numbers({1, 3, 3}));
  dense.step();
  sparse.step();
  CHECK_EQ(test::difference(pair.sparse.weight, pair.dense.weight, 1e-14, 1e-14), "");
  CHECK(test::largest(pair.sparse.weight.detach() - before) > 0.0);

  // Where every row is used in every step Adam is the dense one; a row that is not used rests.
  Pair other;
  optim::Adam dense_adam(other.dense.parameters(), {.learning_rate = 0.1});
  optim::Adam sparse_adam(other.sparse.parameters(), {.learning_rate = 0.1});
  for (int step = 0; step < 3; ++step) {
    dense_adam.zero_grad();
    sparse_adam.zero_grad();
    other.backward(numbers({5, 4, 3, 2, 1, 0, 0}));
    dense_adam.step();
    sparse_adam.step();
  }
  CHECK_EQ(test::difference(other.sparse.weight, other.dense.weight, 1e-13, 1e-13), "");
  const Tensor row = other.sparse.weight.detach().select(0, 2).clone();
  sparse_adam.zero_grad();
  other.backward(numbers({0}));
  sparse_adam.step();
  CHECK(other.sparse.weight.detach().select(0, 2).to_vector<double>() == row.to_vector<double>());
}

TEST_CASE("clipping sees sparse gradients") {
  Pair pair;
  pair.backward(numbers({1, 3, 3}));
  const double dense = optim::clip_grad_norm(pair.dense.parameters(), 0.5);
  const double sparse = optim::clip_grad_norm(pair.sparse.parameters(), 0.5);
  CHECK(dense > 0.5);
  CHECK(sparse == doctest::Approx(dense).epsilon(1e-12));
  CHECK_EQ(test::difference(spread(sparse_grad(pair.sparse.weight)), pair.dense.weight.grad(), 1e-12, 0.0), "");
}

TEST_CASE("distinct numbers and their places") {
  const Distinct result = distinct(tensor(std::vector<std::int64_t>{7, -2, 7, 3}, {2, 2}));
  CHECK(result.values.to_vector<std::int64_t>() == std::vector<std::int64_t>{-2, 3, 7});
  CHECK(result.positions.to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 0, 2, 1});
  CHECK(result.positions.shape() == Shape{2, 2});
  CHECK(distinct(numbers({})).values.shape() == Shape{0});
  CHECK_THROWS_WITH_AS(distinct(zeros({2})), "distinct: needs int64 numbers; got float32 (2,)", Error);
}
