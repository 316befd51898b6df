#include "saw/autograd/ops/segment_statistics.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo segment_var_info{"segment_var", "y[b] = Σ (x[r] − mean)² / (length(b) − correction)", true};
const OpInfo segment_logsumexp_info{"segment_logsumexp", "y[b] = log Σ exp(x[r]) over the rows r of segment b", true};

/// x less the mean of its segment.
Tensor centred(const Tensor& x, const Segments& segments) {
  return x - segment_expand(segment_mean(x, segments), segments);
}

/// `factor` / (length(b) − correction), or 0 where that is not positive, to be multiplied with (B, …) of that rank.
Tensor divided_by_freedom(double factor, const Segments& segments, std::int64_t correction, std::size_t rank,
                          DType dtype) {
  const Tensor result = Tensor::empty(with_rows(Shape::filled(rank, 1), segments.count()), dtype);
  dispatch_floating("segment_var", dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    for (std::int64_t b = 0; b < segments.count(); ++b) {
      const std::int64_t freedom = segments.length(b) - correction;
      out[b] = freedom <= 0 ? T{0} : static_cast<T>(factor / static_cast<double>(freedom));
    }
  });
  return result;
}

}  // namespace

Tensor segment_var(const Tensor& x, const Segments& segments, std::int64_t correction) {
  check_rows("segment_var", x, segments);
  if (correction < 0) fail(ErrorKind::argument, "segment_var: the correction must not be negative; got {}", correction);
  const Tensor scale = divided_by_freedom(1.0, segments, correction, x.rank(), x.dtype());
  const Tensor distance = centred(x.detach(), segments);
  const Tensor y = segment_sum(distance * distance, segments) * scale;
  return record(segment_var_info, {x}, y, [&] {
    return Gradient::of_ops({x}, [segments, correction](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(0);
      const Tensor& g = context.grad_output();
      // The mean's own part vanishes: the distances from it add up to 0.
      const Tensor slope = g * divided_by_freedom(2.0, segments, correction, rows.rank(), rows.dtype());
      return {centred(rows, segments) * segment_expand(slope, segments)};
    });
  });
}

Tensor segment_logsumexp(const Tensor& x, const Segments& segments) {
  check_rows("segment_logsumexp", x, segments);
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "segment_logsumexp: needs floating point elements; got {}; expected float32 or float64",
         x.dtype());
  const Tensor rows = x.detach(), largest = segment_max(rows, segments);
  const Tensor shift = masked_fill(largest, logical_not(isfinite(largest)), 0.0);
  const Tensor y = log(segment_sum(exp(rows - segment_expand(shift, segments)), segments)) + shift;
  return record(segment_logsumexp_info, {x}, y, [&] {
    return Gradient::of_ops({x}, [segments](const BackwardContext& context) -> TensorList {
      return {segment_softmax(context.saved(0), segments) * segment_expand(context.grad_output(), segments)};
    });
  });
}

OpList segment_statistics_ops() { return {&segment_var_info, &segment_logsumexp_info}; }

}  // namespace saw
