#include "samples/along_axis.h"

#include "saw/autograd/ops.h"

namespace samples {

using namespace saw;

namespace {

/// Contiguous memory around one axis: element (o, s, i) lies at (o·size + s)·inner + i.
struct Lines {
  std::int64_t outer = 1, size = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }
  /// Where line number `line` begins; its elements are `inner` apart.
  std::int64_t begin(std::int64_t line) const { return line / inner * size * inner + line % inner; }
};

Lines lines_along(const Shape& shape, std::size_t axis) {
  Lines lines;
  for (std::size_t a = 0; a < axis; ++a) lines.outer *= shape[a];
  lines.size = shape[axis];
  for (std::size_t a = axis + 1; a < shape.size(); ++a) lines.inner *= shape[a];
  return lines;
}

}  // namespace

Tensor along_axis(const Tensor& x, std::int64_t axis, std::int64_t size, DType dtype,
                  const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  const std::size_t a = normalize_axis("along_axis", axis, x.rank());
  Shape shape = x.shape();
  shape[a] = size;
  const Lines in = lines_along(x.shape(), a), out = lines_along(shape, a);
  const std::vector<double> values = to(x.detach(), float64).to_vector<double>();
  std::vector<double> results(static_cast<std::size_t>(shape.numel()));
  for (std::int64_t line = 0; line < out.count(); ++line) {
    std::vector<double> row;
    for (std::int64_t s = 0; s < in.size; ++s)
      row.push_back(values[static_cast<std::size_t>(in.begin(line) + s * in.inner)]);
    const std::vector<double> result = f(row);
    for (std::int64_t s = 0; s < size; ++s)
      results[static_cast<std::size_t>(out.begin(line) + s * out.inner)] = result[static_cast<std::size_t>(s)];
  }
  return to(tensor(results, shape), dtype);
}

}  // namespace samples
