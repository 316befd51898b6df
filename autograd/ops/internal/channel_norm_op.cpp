#include "saw/autograd/ops/internal/channel_norm_op.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/channel_norm.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/norm_range.h"
#include "saw/autograd/ops/internal/optional_data.h"

namespace saw {
namespace {

Tensor dense(const Tensor& x) { return x.defined() ? x.detach().contiguous() : x; }

template <class T>
kernels::ChannelStatistics<const T> data_of(const NormStatistics& statistics) {
  return {statistics.mean.data<T>(), data_or_null<T>(statistics.mean_low), statistics.variance.data<T>()};
}

kernels::ChannelGroups kernel_groups(const ChannelNorm& norm, const Tensor& x) {
  return {norm.segments.offsets(), x.size(1), norm.groups};
}

enum Saved : std::size_t { saved_x, saved_mean, saved_mean_low, saved_variance, saved_weight };

/// Gradients of (x, weight, bias).
TensorList backward(const BackwardContext& context, const ChannelNorm& norm, bool statistics_of_x) {
  const Tensor x = context.saved(saved_x).contiguous(), dy = context.grad_output().contiguous();
  const NormStatistics statistics{context.saved(saved_mean), context.saved(saved_mean_low),
                                  context.saved(saved_variance)};
  const Tensor weight = dense(context.saved(saved_weight));
  const auto wanted = [&](std::size_t i, const Shape& shape) {
    return context.needs_grad(i) ? zeros(shape, x.dtype()) : Tensor();
  };
  const Tensor dx = context.needs_grad(0) ? Tensor::empty(x.shape(), x.dtype()) : Tensor();
  const Tensor dweight = wanted(1, {x.size(1)}), dbias = wanted(2, {x.size(1)});
  if (x.numel() > 0)
    dispatch_floating("backward", x.dtype(), [&]<class T>() {
      kernels::channel_norm_backward<T>(kernel_groups(norm, x), x.data<T>(), data_of<T>(statistics),
                                        data_or_null<T>(weight), norm.epsilon, dy.data<T>(), statistics_of_x,
                                        mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dweight),
                                        mutable_data_or_null<T>(dbias));
    });
  return {dx, dweight, dbias};
}

}  // namespace

void check_channel_rows(const char* op, const Tensor& x, double epsilon) {
  if (x.rank() != 2)
    fail(ErrorKind::shape, "{}: x has the wrong rank; got {}; expected (rows, channels)", op, x.shape());
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, x.dtype());
  if (!(epsilon >= 0))
    fail(ErrorKind::argument, "{}: epsilon must not be negative; got {}; expected a small positive number", op,
         epsilon);
}

void check_per_channel(const char* op, const char* name, const Tensor& values, const Tensor& x) {
  if (!values.defined()) return;
  if (values.dtype() != x.dtype())
    fail(ErrorKind::dtype, "{}: {} and x have different dtypes; got {} and {}", op, name, values.dtype(), x.dtype());
  if (values.shape() != Shape{x.size(1)})
    fail(ErrorKind::shape, "{}: {} does not fit the channels of x; got {} for x {}; expected {}", op, name,
         values.shape(), x.shape(), Shape{x.size(1)});
}

NormStatistics ChannelNorm::statistics(const Tensor& x) const {
  const Shape shape{segments.count(), groups};
  const NormStatistics result{Tensor::empty(shape, x.dtype()), Tensor::empty(shape, x.dtype()),
                              Tensor::empty(shape, x.dtype())};
  if (x.numel() == 0) {
    for (const Tensor& numbers : {result.mean, result.mean_low, result.variance}) numbers.fill_(0.0);
    return result;
  }
  const Tensor rows = dense(x);
  dispatch_floating("statistics", x.dtype(), [&]<class T>() {
    kernels::channel_statistics<T>(
        kernel_groups(*this, x), rows.data<T>(),
        {result.mean.mutable_data<T>(), result.mean_low.mutable_data<T>(), result.variance.mutable_data<T>()});
  });
  return result;
}

Tensor ChannelNorm::outside_float32(const NormStatistics& statistics, std::int64_t channels) const {
  if (statistics.variance.dtype() != float32 || statistics.variance.numel() == 0) return {};
  const float* variance = statistics.variance.data<float>();
  const std::int64_t width = channels / groups;
  Tensor outside;
  for (std::int64_t segment = 0; segment < segments.count(); ++segment) {
    if (segments.length(segment) == 0) continue;
    for (std::int64_t group = 0; group < groups; ++group) {
      const double rstd = 1.0 / std::sqrt(static_cast<double>(variance[segment * groups + group]) + epsilon);
      if (!leaves_float32(static_cast<float>(rstd))) continue;
      if (!outside.defined()) outside = zeros({segments.rows(), channels}, boolean);
      bool* out = outside.mutable_data<bool>();
      for (std::int64_t row = segments.begin(segment); row < segments.end(segment); ++row)
        std::fill_n(out + row * channels + group * width, width, true);
    }
  }
  return outside;
}

Tensor ChannelNorm::forward(const Tensor& x, const NormStatistics& statistics, const Tensor& weight,
                            const Tensor& bias) const {
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  if (x.numel() == 0) return y;
  const Tensor rows = dense(x), w = dense(weight), b = dense(bias);
  dispatch_floating("norm", x.dtype(), [&]<class T>() {
    kernels::channel_norm<T>(kernel_groups(*this, x), rows.data<T>(), data_of<T>(statistics), data_or_null<T>(w),
                             data_or_null<T>(b), epsilon, y.mutable_data<T>());
  });
  return y;
}

Gradient ChannelNorm::gradient(const Tensor& x, const NormStatistics& statistics, const Tensor& weight,
                               bool statistics_of_x, ReferenceFunction reference) const {
  const auto kernel = [norm = *this, statistics_of_x](const BackwardContext& context) {
    return backward(context, norm, statistics_of_x);
  };
  return Gradient::with_reference({x, statistics.mean, statistics.mean_low, statistics.variance, weight}, kernel,
                                  std::move(reference));
}

}  // namespace saw
