#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

// ---- oracles: one matrix after the other, in double, by the methods of a first lecture ----

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), values(static_cast<std::size_t>(r * c)) {}
  double& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * columns + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(i * columns + j)]; }
};

std::vector<Matrix> matrices_of(const Tensor& x) {
  const std::vector<double> all = to(x.detach(), float64).contiguous().to_vector<double>();
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis + 2 < x.rank(); ++axis) count *= x.shape()[axis];
  std::vector<Matrix> matrices(static_cast<std::size_t>(count), Matrix(rows, columns));
  auto from = all.begin();
  for (Matrix& m : matrices) {
    std::copy_n(from, rows * columns, m.values.begin());
    from += rows * columns;
  }
  return matrices;
}

Shape batch_axes(const Tensor& x) {
  Shape batch = x.shape();
  batch.erase(batch.size() - 1);
  batch.erase(batch.size() - 1);
  return batch;
}

Tensor joined(const std::vector<Matrix>& matrices, const Shape& shape, DType dtype) {
  std::vector<double> all;
  for (const Matrix& m : matrices) all.insert(all.end(), m.values.begin(), m.values.end());
  return to(tensor(all, shape), dtype);
}

/// f of every matrix, of the same shape.
template <class F>
Tensor each(const Tensor& a, const F& f) {
  std::vector<Matrix> results;
  for (const Matrix& m : matrices_of(a)) results.push_back(f(m));
  return joined(results, a.shape(), a.dtype());
}

/// Gauss–Jordan elimination with row exchanges.
Matrix eliminate(Matrix a, Matrix b) {
  for (std::int64_t p = 0; p < a.rows; ++p) {
    std::int64_t best = p;
    for (std::int64_t i = p + 1; i < a.rows; ++i)
      if (std::abs(a(i, p)) > std::abs(a(best, p))) best = i;
    for (std::int64_t j = 0; j < a.columns; ++j) std::swap(a(p, j), a(best, j));
    for (std::int64_t j = 0; j < b.columns; ++j) std::swap(b(p, j), b(best, j));
    for (std::int64_t i = 0; i < a.rows; ++i) {
      if (i == p) continue;
      const double factor = a(i, p) / a(p, p);
      for (std::int64_t j = 0; j < a.columns; ++j) a(i, j) -= factor * a(p, j);
      for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) -= factor * b(p, j);
    }
  }
  for (std::int64_t i = 0; i < b.rows; ++i)
    for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) /= a(i, i);
  return b;
}

Matrix identity(std::int64_t n) {
  Matrix one(n, n);
  for (std::int64_t i = 0; i < n; ++i) one(i, i) = 1.0;
  return one;
}

/// Matrices a (…, n, n) and b (…, n, k) that broadcast.
Tensor naive_solve(const Tensor& a, const Tensor& b) {
  const Shape batch = broadcast_shapes("naive_solve", batch_axes(a), batch_axes(b));
  const auto full = [&](const Tensor& x) {
    Shape shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return expand(x.detach(), shape);
  };
  const std::vector<Matrix> left = matrices_of(full(a)), right = matrices_of(full(b));
  std::vector<Matrix> results;
  for (std::size_t i = 0; i < left.size(); ++i) results.push_back(eliminate(left[i], right[i]));
  return joined(results, full(b).shape(), a.dtype());
}

/// L row by row (Cholesky–Banachiewicz).
Matrix naive_cholesky(const Matrix& a) {
  Matrix l(a.rows, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      double rest = a(i, j);
      for (std::int64_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
    }
  return l;
}

/// Leibniz's sum over all permutations.
double naive_determinant(const Matrix& a) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(a.rows));
  std::iota(order.begin(), order.end(), 0);
  double sum = 0;
  do {
    double product = 1;
    for (std::size_t i = 0; i < order.size(); ++i) {
      product *= a(static_cast<std::int64_t>(i), order[i]);
      for (std::size_t j = 0; j < i; ++j)
        if (order[j] > order[i]) product = -product;
    }
    sum += product;
  } while (std::next_permutation(order.begin(), order.end()));
  return sum;
}

/// f(determinant) of every matrix.
template <class F>
Tensor of_determinants(const Tensor& a, const F& f) {
  std::vector<double> results;
  for (const Matrix& m : matrices_of(a)) results.push_back(f(naive_determinant(m)));
  return to(tensor(results, batch_axes(a)), a.dtype());
}

/// Jacobi's rotations, over and over: eigenvalues on the diagonal of the first, eigenvectors in columns of the second.
std::pair<Matrix, Matrix> jacobi(Matrix a) {
  Matrix v = identity(a.rows);
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::int64_t p = 0; p < a.rows; ++p)
      for (std::int64_t q = p + 1; q < a.rows; ++q) {
        const double angle = 0.5 * std::atan2(2 * a(p, q), a(q, q) - a(p, p));
        const double c = std::cos(angle), s = std::sin(angle);
        const auto turn = [c, s](double& x, double& y) {
          const double before = x;
          x = c * before - s * y;
          y = s * before + c * y;
        };
        for (std::int64_t k = 0; k < a.rows; ++k) turn(a(p, k), a(q, k));
        for (std::int64_t k = 0; k < a.rows; ++k) turn(a(k, p), a(k, q));
        for (std::int64_t k = 0; k < a.rows; ++k) turn(v(k, p), v(k, q));
      }
  return {a, v};
}

/// Eigenvalues, ascending, and Σᵢ (i + 1) vᵢ vᵢᵀ, which does not depend on the eigenvectors' signs but on all else.
TensorList naive_eigh(const Tensor& a) {
  std::vector<double> values;
  std::vector<Matrix> mixtures;
  const std::int64_t n = a.size(-1);
  for (const Matrix& m : matrices_of(a)) {
    const auto [diagonal, vectors] = jacobi(m);
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&d = diagonal](std::int64_t i, std::int64_t j) { return d(i, i) < d(j, j); });
    Matrix mixture(n, n);
    double weight = 0;
    for (const std::int64_t e : order) {
      values.push_back(diagonal(e, e));
      weight += 1;
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j) mixture(i, j) += weight * vectors(i, e) * vectors(j, e);
    }
    mixtures.push_back(mixture);
  }
  Shape shape = a.shape();
  shape.erase(shape.size() - 1);
  return {to(tensor(values, shape), a.dtype()), joined(mixtures, a.shape(), a.dtype())};
}

TensorList eigh_without_signs(const Tensor& a) {
  const auto [values, vectors] = eigh(a);
  const Tensor weights = to(arange(1, static_cast<double>(a.size(-1)) + 1), a.dtype());
  return {values, matmul(vectors * weights, transpose(vectors, -1, -2))};
}

// ---- inputs from which valid matrices are made, however they are changed ----

Tensor one_like(const Tensor& a) { return eye(a.size(-1), -1, a.dtype()); }

/// Far from singular: the diagonal outweighs its row. The first two rows change places, so that pivoting has work.
Tensor regular(const Tensor& x) {
  const Tensor dominant = x * 0.3 + one_like(x) * 4.0;
  if (x.size(-1) < 2) return dominant;
  return cat({slice(dominant, -2, 1, 2), slice(dominant, -2, 0, 1), slice(dominant, -2, 2, x.size(-1))}, -2);
}

Tensor positive_definite(const Tensor& x) {
  return matmul(x, transpose(x, -1, -2)) + one_like(x) * static_cast<double>(x.size(-1));
}

/// Symmetric, with eigenvalues well apart.
Tensor separated(const Tensor& x) {
  const Tensor steps = to(arange(0, static_cast<double>(x.size(-1))), x.dtype());
  return (x + transpose(x, -1, -2)) * 0.2 + one_like(x) * (steps * 4.0 - 3.0);
}

using Run = std::function<TensorList(const TensorList&)>;

Sample sample(std::string name, TensorList inputs, Run run, Run reference) {
  return {
      .name = std::move(name), .inputs = std::move(inputs), .run = std::move(run), .reference = std::move(reference)};
}

/// A sample of a function of one matrix for each of these shapes.
std::vector<Sample> over_shapes(SampleMaker& make, const Run& run, const Run& reference) {
  return {sample("one matrix", {make.normal({4, 4})}, run, reference),
          sample("batch", {make.normal({3, 3, 3})}, run, reference),
          sample("two batch axes", {make.normal({2, 1, 2, 2})}, run, reference),
          sample("size 1", {make.normal({2, 1, 1})}, run, reference),
          sample("no elements", {make.normal({0, 0})}, run, reference),
          sample("batch of matrices without elements", {make.normal({2, 0, 0})}, run, reference),
          sample("empty batch", {make.normal({0, 3, 3})}, run, reference)};
}

std::vector<Sample> cholesky_samples(SampleMaker& make) {
  std::vector<Sample> samples = over_shapes(
      make, [](const TensorList& in) { return TensorList{cholesky(positive_definite(in[0]))}; },
      [](const TensorList& in) { return TensorList{each(positive_definite(in[0]), naive_cholesky)}; });
  samples.push_back(sample(
      "upper", {make.normal({2, 3, 3})},
      [](const TensorList& in) { return TensorList{cholesky(positive_definite(in[0]), true)}; },
      [](const TensorList& in) {
        return TensorList{transpose(each(positive_definite(in[0]), naive_cholesky), -1, -2)};
      }));
  return samples;
}

std::vector<Sample> solve_samples(SampleMaker& make) {
  const auto of = [](std::string name, TensorList inputs) {
    return sample(
        std::move(name), std::move(inputs),
        [](const TensorList& in) { return TensorList{solve(regular(in[0]), in[1])}; },
        [](const TensorList& in) {
          const Tensor a = regular(in[0]);
          const bool vector = in[1].rank() == 1 || (in[1].rank() + 1 == a.rank() && in[1].size(-2) != a.size(-1));
          if (!vector) return TensorList{naive_solve(a, in[1])};
          return TensorList{squeeze(naive_solve(a, unsqueeze(in[1], -1)), -1)};
        });
  };
  return {of("one matrix", {make.normal({4, 4}), make.normal({4, 3})}),
          of("one vector", {make.normal({4, 4}), make.normal({4})}),
          of("batch", {make.normal({2, 3, 3}), make.normal({2, 3, 2})}),
          of("batch of vectors", {make.normal({2, 3, 3}), make.normal({2, 3})}),
          of("one vector for a batch", {make.normal({2, 3, 3}), make.normal({3})}),
          of("one matrix for a batch", {make.normal({3, 3}), make.normal({4, 3, 2})}),
          of("one right side for a batch", {make.normal({2, 3, 3}), make.normal({3, 2})}),
          of("batches that broadcast", {make.normal({2, 1, 3, 3}), make.normal({3, 3, 1})}),
          of("size 1", {make.normal({1, 1}), make.normal({1, 1})}),
          of("no columns", {make.normal({3, 3}), make.normal({3, 0})}),
          of("no elements", {make.normal({0, 0}), make.normal({0, 2})}),
          of("empty batch", {make.normal({0, 3, 3}), make.normal({0, 3, 2})}),
          sample(
              "a transposed matrix", {make.normal({3, 3}), make.normal({3, 2})},
              [](const TensorList& in) { return TensorList{solve(transpose(regular(in[0]), 0, 1), in[1])}; },
              [](const TensorList& in) { return TensorList{naive_solve(transpose(regular(in[0]), 0, 1), in[1])}; })};
}

std::vector<Sample> solve_triangular_samples(SampleMaker& make) {
  // The other triangle is not to be read: it stays as it was drawn.
  const auto of = [](std::string name, TensorList inputs, bool upper, bool left = true, bool unit = false) {
    return sample(
        std::move(name), std::move(inputs),
        [=](const TensorList& in) {
          return TensorList{solve_triangular(in[0] + one_like(in[0]) * 4.0, in[1], upper, left, unit)};
        },
        [=](const TensorList& in) {
          Tensor a = in[0] + one_like(in[0]) * 4.0;
          const std::int64_t diagonal = unit ? 1 : 0;
          a = upper ? triu(a, diagonal) : tril(a, -diagonal);
          if (unit) a = a + one_like(a);
          if (left) return TensorList{naive_solve(a, in[1])};
          return TensorList{transpose(naive_solve(transpose(a, -1, -2), transpose(in[1], -1, -2)), -1, -2)};
        });
  };
  return {of("lower", {make.normal({4, 4}), make.normal({4, 3})}, false),
          of("upper", {make.normal({4, 4}), make.normal({4, 3})}, true),
          of("lower, right", {make.normal({3, 3}), make.normal({2, 3})}, false, false),
          of("upper, right", {make.normal({3, 3}), make.normal({2, 3})}, true, false),
          of("lower, ones on the diagonal", {make.normal({3, 3}), make.normal({3, 2})}, false, true, true),
          of("upper, right, ones on the diagonal", {make.normal({3, 3}), make.normal({2, 3})}, true, false, true),
          of("batch", {make.normal({2, 3, 3}), make.normal({2, 3, 2})}, false),
          of("one matrix for a batch", {make.normal({3, 3}), make.normal({4, 3, 2})}, true),
          of("batches that broadcast", {make.normal({2, 1, 3, 3}), make.normal({3, 3, 1})}, false),
          of("size 1", {make.normal({1, 1}), make.normal({1, 1})}, true),
          of("no columns", {make.normal({3, 3}), make.normal({3, 0})}, true),
          of("no elements", {make.normal({0, 0}), make.normal({0, 2})}, true),
          of("empty batch", {make.normal({0, 3, 3}), make.normal({0, 3, 2})}, true),
          sample(
              "a transposed matrix", {make.normal({3, 3}), make.normal({3, 2})},
              [](const TensorList& in) {
                return TensorList{solve_triangular(transpose(in[0] + one_like(in[0]) * 4.0, 0, 1), in[1], true)};
              },
              [](const TensorList& in) {
                return TensorList{naive_solve(triu(transpose(in[0] + one_like(in[0]) * 4.0, 0, 1)), in[1])};
              })};
}

std::vector<Sample> inverse_samples(SampleMaker& make) {
  return over_shapes(
      make, [](const TensorList& in) { return TensorList{inverse(regular(in[0]))}; },
      [](const TensorList& in) {
        return TensorList{each(regular(in[0]), [](const Matrix& m) { return eliminate(m, identity(m.rows)); })};
      });
}

std::vector<Sample> det_samples(SampleMaker& make) {
  std::vector<Sample> samples = over_shapes(
      make, [](const TensorList& in) { return TensorList{det(regular(in[0]))}; },
      [](const TensorList& in) { return TensorList{of_determinants(regular(in[0]), [](double d) { return d; })}; });
  samples.push_back(sample(
      "singular", {make.normal({2, 3}).detach()},
      [](const TensorList& in) { return TensorList{det(matmul(transpose(in[0], 0, 1), in[0] * 0.0).detach())}; },
      [](const TensorList& in) { return TensorList{zeros({}, in[0].dtype())}; }));
  samples.back().constants = {0};
  return samples;
}

std::vector<Sample> slogdet_samples(SampleMaker& make) {
  const auto of = [](const Tensor& a) {
    const auto [sign, logabsdet] = slogdet(a);
    return TensorList{sign, logabsdet};
  };
  return over_shapes(
      make, [of](const TensorList& in) { return of(regular(in[0])); },
      [](const TensorList& in) {
        const Tensor a = regular(in[0]);
        return TensorList{of_determinants(a, [](double d) { return d < 0 ? -1.0 : 1.0; }),
                          of_determinants(a, [](double d) { return std::log(std::abs(d)); })};
      });
}

std::vector<Sample> eigh_samples(SampleMaker& make) {
  return over_shapes(
      make, [](const TensorList& in) { return eigh_without_signs(separated(in[0])); },
      [](const TensorList& in) { return naive_eigh(separated(in[0])); });
}

// ---- mistakes ----

/// What every function of a square matrix refuses.
std::vector<ErrorSample> square_errors(const std::string& name, const std::function<void(const Tensor&)>& call) {
  return {{"not square",
           [=] {
             call(zeros({2, 3, 4}));
           },
           ErrorKind::shape, name + ": the matrix is not square; got (2, 3, 4)"},
          {"a vector", [=] { call(zeros({3})); }, ErrorKind::shape, name + ": the matrix is not square; got (3,)"},
          {"integers",
           [=] {
             call(zeros({3, 3}, int64));
           },
           ErrorKind::dtype, name + ": needs floating"}};
}

/// A batch (2, 2) of identities of order 3, but for the last: its row 1 is 0.
Tensor with_singular() {
  const Tensor a = expand(eye(3), {2, 2, 3, 3}).contiguous();
  a.select(0, 1).select(0, 1).select(0, 1).fill_(0.0);
  return a;
}

std::vector<ErrorSample> cholesky_errors() {
  std::vector<ErrorSample> errors = square_errors("cholesky", [](const Tensor& a) { cholesky(a); });
  errors.push_back(
      {"not positive definite", [] { cholesky(with_singular()); }, ErrorKind::argument,
       "cholesky: matrix (1, 1) of the batch (2, 2) is not positive definite: its leading minor of order 2"});
  errors.push_back({"negative", [] { cholesky(eye(2) * -1.0); }, ErrorKind::argument,
                    "cholesky: the matrix is not positive definite: its leading minor of order 1"});
  errors.push_back({"NaN",
                    [] {
                      cholesky(full({2, 2}, std::nan("")));
                    },
                    ErrorKind::argument, "order 1 is not positive"});
  return errors;
}

std::vector<ErrorSample> solve_errors() {
  std::vector<ErrorSample> errors = square_errors("solve", [](const Tensor& a) { solve(a, a); });
  errors.push_back({"singular",
                    [] {
                      solve(with_singular(), ones({3, 1}));
                    },
                    ErrorKind::argument, "solve: matrix (1, 1) of the batch (2, 2) is singular: pivot 1 "});
  errors.push_back({"rows",
                    [] {
                      solve(eye(3), ones({2, 3}));
                    },
                    ErrorKind::shape, "solve: the right side does not fit; got (3, 3) and (2, 3)"});
  errors.push_back({"vector", [] { solve(eye(3), ones({2})); }, ErrorKind::shape,
                    "solve: the right side does not fit; got (3, 3) and (2,)"});
  errors.push_back({"batches",
                    [] {
                      solve(expand(eye(3), {2, 3, 3}), ones({4, 3, 1}));
                    },
                    ErrorKind::shape, "do not broadcast"});
  errors.push_back({"dtypes", [] { solve(eye(3), ones({3, 1}, float64)); }, ErrorKind::dtype, "float32 and float64"});
  return errors;
}

std::vector<ErrorSample> solve_triangular_errors() {
  std::vector<ErrorSample> errors =
      square_errors("solve_triangular", [](const Tensor& a) { solve_triangular(a, a, true); });
  errors.push_back({"singular",
                    [] {
                      solve_triangular(with_singular(), ones({3, 1}), true);
                    },
                    ErrorKind::argument,
                    "solve_triangular: matrix (1, 1) of the batch (2, 2) is singular: element 1 "});
  errors.push_back({"rows",
                    [] {
                      solve_triangular(eye(3), ones({2, 3}), true);
                    },
                    ErrorKind::shape, "expected (…, n, n) and (…, n, k)"});
  errors.push_back({"columns",
                    [] {
                      solve_triangular(eye(3), ones({3, 2}), true, false);
                    },
                    ErrorKind::shape, "expected (…, n, n) and (…, k, n)"});
  errors.push_back({"dtypes",
                    [] {
                      solve_triangular(eye(3), ones({3, 1}, float64), true);
                    },
                    ErrorKind::dtype, "float32 and float64"});
  return errors;
}

std::vector<ErrorSample> inverse_errors() {
  std::vector<ErrorSample> errors = square_errors("inverse", [](const Tensor& a) { inverse(a); });
  errors.push_back({"singular", [] { inverse(with_singular()); }, ErrorKind::argument,
                    "inverse: matrix (1, 1) of the batch (2, 2) is singular: pivot 1 "});
  return errors;
}

/// The gradient of a determinant of a singular matrix.
template <class F>
ErrorSample singular_gradient(const std::string& name, const F& f) {
  return {"gradient of a singular matrix",
          [f] {
            const Tensor a = with_singular();
            a.set_requires_grad(true);
            f(a).sum().backward();
          },
          ErrorKind::argument, name + ": matrix (1, 1) of the batch (2, 2) is singular"};
}

std::vector<ErrorSample> det_errors() {
  std::vector<ErrorSample> errors = square_errors("det", [](const Tensor& a) { det(a); });
  errors.push_back(singular_gradient("det", [](const Tensor& a) { return det(a); }));
  return errors;
}

std::vector<ErrorSample> slogdet_errors() {
  std::vector<ErrorSample> errors = square_errors("slogdet", [](const Tensor& a) { slogdet(a); });
  errors.push_back(singular_gradient("slogdet", [](const Tensor& a) { return slogdet(a).logabsdet; }));
  return errors;
}

std::vector<ErrorSample> eigh_errors() {
  std::vector<ErrorSample> errors = square_errors("eigh", [](const Tensor& a) { eigh(a); });
  errors.push_back({"not finite",
                    [] {
                      eigh(full({2, 2, 2}, std::nan("")));
                    },
                    ErrorKind::argument, "eigh: matrix (0,) of the batch (2,) has an element that is not finite"});
  return errors;
}

}  // namespace

SampleList linalg_samples() {
  return {{"cholesky", cholesky_samples, cholesky_errors},
          {"solve", solve_samples, solve_errors},
          {"solve_triangular", solve_triangular_samples, solve_triangular_errors},
          {"inverse", inverse_samples, inverse_errors},
          {"det", det_samples, det_errors},
          {"slogdet", slogdet_samples, slogdet_errors},
          {"eigh", eigh_samples, eigh_errors}};
}

}  // namespace samples
