#include <saw/saw.h>

#include <fmt/core.h>

#include <vector>

// What has to survive the way into another project: headers, libraries and what they link to (BLAS, SIMD, threads), the
// tape, and that an exception of saw's is caught as what it is.
int main() {
  const saw::Tensor x = saw::tensor({{1.0, 2.0}, {3.0, 4.0}});
  x.set_requires_grad(true);
  saw::matmul(x, x).sum().backward();
  // d sum(x·x) / dx[i][j] = (sum of row j of x) + (sum of column i of x)
  const std::vector<float> expected = {3.0F + 4.0F, 7.0F + 4.0F, 3.0F + 6.0F, 7.0F + 6.0F};
  if (x.grad().to_vector<float>() != expected) {
    fmt::print("wrong gradient: {}\n", x.grad());
    return 1;
  }

  try {
    saw::matmul(x, saw::zeros({3, 2}));
  } catch (const saw::Error& error) {
    fmt::print("saw works here; the error it was asked for: {}\n", error.what());
    return error.kind() == saw::ErrorKind::shape ? 0 : 1;
  }
  fmt::print("no error for shapes that do not fit\n");
  return 1;
}
