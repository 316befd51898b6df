#include "saw/nn/linear_discriminant.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

TEST_CASE("linear discriminant: finds directions that vary little within a class") {
  // Two features with correlated noise; classes differ across the noise's direction by less than it varies along it.
  Generator generator(2);
  const RandomStream stream(generator);
  std::vector<double> values;
  std::vector<std::int64_t> labels;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const double along = 5.0 * stream.normal(2 * i),
                 across = 0.2 * stream.normal(2 * i + 1) + (i % 2 == 0 ? 0.5 : -0.5);
    values.insert(values.end(), {along + across, along - across});
    labels.push_back(static_cast<std::int64_t>(i % 2));
  }
  const Tensor x = tensor(values, {200, 2}), classes = tensor(labels);
  nn::LinearDiscriminant discriminant(2, 2);
  CHECK(test::difference(discriminant.forward(x.to(float32)), full({200, 2}, std::log(0.5)), 1e-6) == "");
  discriminant.fit(x, classes);
  const Tensor y = discriminant.forward(x.to(float32));
  CHECK(mean(to(equal(argmax(y), classes), float64)).item() > 0.97);
  CHECK(std::abs(exp(y.slice(0, 0, 1)).sum().item() - 1.0) < 1e-5);
  // Saved with the model, as buffers.
  nn::LinearDiscriminant other(2, 2);
  other.load_state_dict(discriminant.state_dict());
  CHECK(test::same_bits(other.forward(x.to(float32)), y));
  CHECK(discriminant.parameters().empty());
}

TEST_CASE("linear discriminant: in one dimension, by hand") {
  // Class means ±1 around 3, and within a class a variance of 4/2 · 1.001 + 1e-6.
  nn::LinearDiscriminant discriminant(1, 2);
  discriminant.fit(tensor(std::vector<double>{1, 3, 3, 5}, {4, 1}), tensor(std::vector<std::int64_t>{0, 0, 1, 1}));
  const double weight = 1.0 / (2.0 * 1.001 + 1e-6), score = 2.0 * weight * (4.5 - 3.0);
  const Tensor y = discriminant.forward(full({1, 1}, 4.5));
  CHECK(std::abs(y.select(1, 1).item() + std::log1p(std::exp(-score))) < 1e-6);
  CHECK(std::abs(y.select(1, 0).item() + std::log1p(std::exp(score))) < 1e-6);
}

TEST_CASE("linear discriminant: what does not fit changes nothing") {
  CHECK(test::kind_of([] { nn::LinearDiscriminant(0, 2); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { nn::LinearDiscriminant(2, 0); }) == ErrorKind::argument);
  nn::LinearDiscriminant discriminant(2, 2);
  const Tensor two = tensor(std::vector<std::int64_t>{0, 1});
  CHECK(test::kind_of([&] { discriminant.fit(zeros({2, 3}), two); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { discriminant.fit(zeros({0, 2}), zeros({0}, int64)); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { discriminant.fit(zeros({3, 2}), two); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] {
          discriminant.fit(zeros({2, 2}), tensor(std::vector<std::int64_t>{0, 2}));
        }) == ErrorKind::index);
  CHECK(test::same_bits(discriminant.forward(ones({1, 2})), nn::LinearDiscriminant(2, 2).forward(ones({1, 2}))));
  // A class without a row is possible, and all rows alike.
  discriminant.fit(ones({2, 2}), tensor(std::vector<std::int64_t>{1, 1}));
  CHECK(std::isfinite(discriminant.forward(ones({1, 2})).sum().item()));
}
