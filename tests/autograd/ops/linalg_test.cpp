// Linear algebra beside PyTorch, and where the registry's small samples do not reach: matrices larger than LAPACK's
// blocks, other layouts of the matrix itself, threads, singular and degenerate matrices.

#include "saw/autograd/ops/linalg.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using saw::TensorList;

constexpr double infinity = std::numeric_limits<double>::infinity();

TensorList outputs_of(const saw::Eigh& e) { return {e.eigenvalues, e.eigenvectors}; }
TensorList outputs_of(const saw::Slogdet& s) { return {s.sign, s.logabsdet}; }

struct Case {
  std::string name;
  std::function<TensorList(const TensorList&)> run;
};

std::vector<Case> golden_cases() {
  const auto solve = [](const TensorList& in) { return TensorList{saw::solve(in[0], in[1])}; };
  std::vector<Case> cases = {
      {"cholesky", [](const TensorList& in) { return TensorList{saw::cholesky(in[0])}; }},
      {"cholesky.upper", [](const TensorList& in) { return TensorList{saw::cholesky(in[0], true)}; }},
      {"solve", solve},
      {"solve.vectors", solve},
      {"solve.vector", solve},
      {"solve.broadcast", solve},
      {"inverse", [](const TensorList& in) { return TensorList{saw::inverse(in[0])}; }},
      {"det", [](const TensorList& in) { return TensorList{saw::det(in[0])}; }},
      {"slogdet", [](const TensorList& in) { return outputs_of(saw::slogdet(in[0])); }},
      {"eigh", [](const TensorList& in) {
         const auto [values, vectors] = saw::eigh(in[0]);
         return TensorList{values, vectors * vectors};
       }}};
  for (const bool upper : {false, true})
    for (const bool left : {false, true})
      for (const bool unit : {false, true})
        cases.push_back(
            {std::string("solve_triangular.") + "ny"[upper] + "ny"[left] + "ny"[unit],
             [=](const TensorList& in) { return TensorList{saw::solve_triangular(in[0], in[1], upper, left, unit)}; }});
  return cases;
}

/// Random, and far enough from singular that 64·n·eps is a fair tolerance.
Tensor regular(const saw::Shape& shape, saw::DType dtype, std::uint64_t seed) {
  saw::Generator generator(seed);
  const Tensor x = saw::randn(shape, generator, dtype);
  return x + saw::eye(shape.back(), -1, dtype) * (3.0 * std::sqrt(static_cast<double>(shape.back())));
}

Tensor t(const Tensor& x) { return x.transpose(-1, -2); }

}  // namespace

TEST_CASE("linalg: values and gradients are PyTorch's") {
  const test::Golden golden("linalg.safetensors");
  for (const Case& c : golden_cases()) {
    CAPTURE(c.name);
    TensorList leaves;
    for (int i = 0; golden.has(c.name + ".input." + std::to_string(i)); ++i)
      leaves.push_back(golden.at(c.name + ".input." + std::to_string(i)).clone().set_requires_grad(true));
    REQUIRE_FALSE(leaves.empty());
    const TensorList outputs = c.run(leaves);
    Tensor total = saw::scalar(0.0, saw::float64);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const std::string number = std::to_string(i);
      const Tensor expected = golden.at(c.name + ".output." + number);
      // The matrices' condition numbers are below 1000.
      CHECK(test::difference(outputs[i], expected, 1e-12 * test::magnitude(expected)) == "");
      if (golden.has(c.name + ".grad_output." + number))
        total = total + saw::sum(outputs[i] * golden.at(c.name + ".grad_output." + number));
    }
    const TensorList gradients = saw::grad({total}, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const Tensor expected = golden.at(c.name + ".grad." + std::to_string(i));
      CHECK(test::difference(gradients[i], expected, 1e-11 * test::magnitude(expected)) == "");
    }
  }
}

TEST_CASE("linalg: large matrices give back what they were made of") {
  const std::int64_t n = 150;  // more than LAPACK's blocks
  for (const saw::DType dtype : {saw::float32, saw::float64}) {
    CAPTURE(dtype);
    const double allowed = 64.0 * static_cast<double>(n) * test::epsilon(dtype);
    const Tensor a = regular({2, n, n}, dtype, 1), one = saw::expand(saw::eye(n, -1, dtype), {2, n, n});
    const Tensor symmetric = saw::matmul(a, t(a)) * (1.0 / static_cast<double>(n));
    const double size = test::magnitude(symmetric);
    const Tensor l = saw::cholesky(symmetric);
    CHECK(test::difference(saw::matmul(l, t(l)), symmetric, allowed * size) == "");
    CHECK(test::same_bits(l, saw::tril(l)));
    CHECK(test::difference(saw::matmul(a, saw::inverse(a)), one, allowed) == "");
    saw::Generator generator(2);
    const Tensor x = saw::randn({2, n, 7}, generator, dtype);
    CHECK(test::difference(saw::solve(a, saw::matmul(a, x)), x, allowed * test::magnitude(x)) == "");
    CHECK(test::difference(saw::solve_triangular(l, saw::matmul(l, x), false), x, allowed * test::magnitude(x)) == "");
    const auto [values, vectors] = saw::eigh(symmetric);
    CHECK(test::difference(saw::matmul(t(vectors), vectors), one, allowed) == "");
    CHECK(test::difference(saw::matmul(vectors * values.unsqueeze(-2), t(vectors)), symmetric, allowed * size) == "");
    const Tensor from_cholesky = saw::sum(saw::log(saw::diagonal(l, 0, -2, -1)), {-1}) * 2.0;
    CHECK(test::difference(saw::slogdet(symmetric).logabsdet, from_cholesky,
                           allowed * test::magnitude(from_cholesky)) == "");
    CHECK(test::same_bits(saw::slogdet(symmetric).sign, saw::ones({2}, dtype)));
  }
}

TEST_CASE("linalg: the layout of the matrix does not matter") {
  saw::Generator generator(5);
  const Tensor a = regular({2, 5, 5}, saw::float64, 3), b = saw::randn({2, 5, 3}, generator, saw::float64);
  const Tensor symmetric = saw::matmul(a, t(a));
  const std::vector<std::function<TensorList(const Tensor&, const Tensor&)>> functions = {
      [](const Tensor& m, const Tensor& r) {
        return TensorList{saw::solve(m, r), saw::inverse(m), saw::det(m)};
      },
      [](const Tensor& m, const Tensor& r) {
        return TensorList{saw::solve_triangular(m, r, true), saw::solve_triangular(m, r, false),
                          saw::solve_triangular(m, t(r), true, false), saw::solve_triangular(m, t(r), false, false)};
      },
      [&](const Tensor& m, const Tensor&) { return outputs_of(saw::slogdet(m)); }};
  for (std::size_t f = 0; f < functions.size(); ++f)
    for (const auto layout : {test::transposed, test::sliced, test::row_sliced}) {
      CAPTURE(f);
      const TensorList got = functions[f](layout(a), layout(b)), expected = functions[f](a, b);
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(test::difference(got[i], expected[i], 1e-13 * test::magnitude(expected[i])) == "");
    }
  for (const auto layout : {test::transposed, test::sliced, test::row_sliced}) {
    CHECK(test::same_bits(saw::cholesky(layout(symmetric)), saw::cholesky(symmetric)));
    CHECK(test::same_bits(outputs_of(saw::eigh(layout(symmetric))), outputs_of(saw::eigh(symmetric))));
  }
}

TEST_CASE("linalg: the same bits for any number of threads, and alone or in a batch") {
  const Tensor a = regular({40, 33, 33}, saw::float32, 4), symmetric = saw::matmul(a, t(a));
  saw::Generator generator(6);
  const Tensor b = saw::randn({40, 33, 5}, generator);
  const auto all = [](const Tensor& m, const Tensor& s, const Tensor& r) {
    const auto [values, vectors] = saw::eigh(s);
    const auto [sign, logabsdet] = saw::slogdet(m);
    return TensorList{
        saw::cholesky(s), saw::solve(m, r), saw::solve_triangular(m, r, true), saw::inverse(m), sign, logabsdet,
        values,           vectors};
  };
  TensorList once;
  {
    const test::Threads one(1);
    once = all(a, symmetric, b);
  }
  for (const int threads : {2, 5}) {
    const test::Threads scope(threads);
    CHECK(test::same_bits(all(a, symmetric, b), once));
  }
  const TensorList alone = all(a.select(0, 17), symmetric.select(0, 17), b.select(0, 17));
  for (std::size_t i = 0; i < alone.size(); ++i) CHECK(test::same_bits(alone[i], once[i].select(0, 17)));
}

TEST_CASE("linalg: only the triangle that is asked for is read") {
  const Tensor a = regular({4, 4}, saw::float64, 7), symmetric = saw::matmul(a, t(a));
  const Tensor nan = saw::full({4, 4}, std::nan(""), saw::float64);
  const Tensor above = saw::greater(saw::triu(saw::ones({4, 4}), 1), 0.0);
  const Tensor lower = saw::where(above, nan, symmetric), upper = saw::where(t(above), nan, symmetric);
  CHECK(test::same_bits(saw::cholesky(lower), saw::cholesky(symmetric)));
  CHECK(test::same_bits(saw::cholesky(upper, true), saw::cholesky(symmetric, true)));
  CHECK(test::same_bits(saw::eigh(lower).eigenvalues, saw::eigh(symmetric).eigenvalues));
  CHECK(test::same_bits(saw::solve_triangular(lower, a, false), saw::solve_triangular(symmetric, a, false)));
  CHECK(test::same_bits(saw::solve_triangular(upper, a, true), saw::solve_triangular(symmetric, a, true)));
}

TEST_CASE("linalg: determinants of singular, empty and huge matrices") {
  const Tensor singular = saw::ones({2, 2}, saw::float64);
  CHECK(saw::det(singular).item() == 0.0);
  CHECK(saw::slogdet(singular).sign.item() == 0.0);
  CHECK(saw::slogdet(singular).logabsdet.item() == -infinity);
  CHECK(saw::det(saw::zeros({0, 0})).item() == 1.0);
  CHECK(saw::slogdet(saw::zeros({0, 0})).sign.item() == 1.0);
  CHECK(saw::slogdet(saw::zeros({0, 0})).logabsdet.item() == 0.0);
  const Tensor huge = saw::eye(400, -1, saw::float64) * -1e300;
  CHECK(saw::det(huge).item() == infinity);
  CHECK(saw::slogdet(huge).sign.item() == 1.0);
  CHECK(saw::slogdet(huge).logabsdet.item() == doctest::Approx(400 * std::log(1e300)).epsilon(1e-14));
}

TEST_CASE("eigh: equal eigenvalues have gradients, their eigenvectors do not") {
  const Tensor a = (saw::eye(3, -1, saw::float64) * 2.0).set_requires_grad(true);
  const Tensor of_values = saw::grad({saw::sum(saw::eigh(a).eigenvalues)}, {a})[0];
  CHECK(test::difference(of_values, saw::eye(3, -1, saw::float64), 1e-15) == "");
  const Tensor of_vectors = saw::grad({saw::sum(saw::eigh(a).eigenvectors)}, {a})[0];
  CHECK_FALSE(saw::all(saw::isfinite(of_vectors)).to_vector<bool>()[0]);
}
