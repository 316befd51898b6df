#include "saw/autograd/ops/norm.h"

#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/norm.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/norm_range.h"
#include "saw/autograd/ops/internal/optional_data.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor layer_norm_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  const Tensor shifted = x - x.detach().slice(-1, 0, 1);  // a common offset would cost the mean its last digits
  const Tensor centred = shifted - mean(shifted, {-1}, true);
  Tensor y = centred * rsqrt(mean(square(centred), {-1}, true) + epsilon);
  if (weight.defined()) y = y * weight;
  if (bias.defined()) y = y + bias;
  return y;
}

Tensor rms_norm_reference(const Tensor& x, const Tensor& weight, double epsilon) {
  const Tensor y = x * rsqrt(mean(square(x), {-1}, true) + epsilon);
  return weight.defined() ? y * weight : y;
}

const OpInfo layer_norm_info{"layer_norm", "(x − mean) / √(var + ε) · weight + bias", true};
const OpInfo rms_norm_info{"rms_norm", "x / √(mean(x²) + ε) · weight", true};
const OpInfo normalize_info{"normalize", "x / max(‖x‖ₚ, ε)", true};
const OpInfo cosine_similarity_info{"cosine_similarity", "Σ a·b / (max(‖a‖, ε)·max(‖b‖, ε))", true};

void check_parameter(const char* op, const char* name, const Tensor& parameter, const Tensor& x) {
  if (!parameter.defined()) return;
  if (parameter.dtype() != x.dtype())
    fail(ErrorKind::dtype, "{}: {} and input have different dtypes; got {} and {}", op, name, parameter.dtype(),
         x.dtype());
  if (parameter.shape() != Shape{x.shape().back()})
    fail(ErrorKind::shape, "{}: {} does not fit the input's last axis; got {} for input {}; expected {}", op, name,
         parameter.shape(), x.shape(), Shape{x.shape().back()});
}

void check_input(const char* op, const Tensor& x, double epsilon) {
  if (x.rank() == 0)
    fail(ErrorKind::shape, "{}: the input has no axis to normalise; got shape {}; expected (…, d)", op, x.shape());
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, x.dtype());
  if (!(epsilon >= 0))
    fail(ErrorKind::argument, "{}: epsilon must not be negative; got {}; expected a small positive number", op,
         epsilon);
}

struct Size {
  std::int64_t rows, columns;
};
Size size_of_rows(const Tensor& x) {
  const std::int64_t columns = x.shape().back();
  return {columns == 0 ? 0 : x.numel() / columns, columns};
}

Tensor contiguous_or_undefined(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

/// max(‖x‖ₚ, ε) along an axis that stays.
Tensor length_at_least(const Tensor& x, double p, std::int64_t axis, double epsilon) {
  return clamp(norm(x, p, {axis}, true), epsilon, std::numeric_limits<double>::infinity());
}

}  // namespace

namespace {

/// What holds for each row, for all its elements: (…, 1).
Tensor outside_rows(const Tensor& outside, const Tensor& x) {
  Shape shape = x.shape();
  shape.back() = 1;
  return outside.reshape(shape);
}

Tensor layer_norm_in(NormRange range, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_input("layer_norm", x, epsilon);
  check_parameter("layer_norm", "weight", weight, x);
  check_parameter("layer_norm", "bias", bias, x);
  const Size size = size_of_rows(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Tensor means = Tensor::empty({size.rows}, x.dtype()), rstds = Tensor::empty({size.rows}, x.dtype());
  dispatch_floating("layer_norm", x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor rows = x.contiguous(), w = contiguous_or_undefined(weight), b = contiguous_or_undefined(bias);
    kernels::layer_norm_forward(rows.data<T>(), data_or_null<T>(w), data_or_null<T>(b), size.rows, size.columns,
                                epsilon, y.mutable_data<T>(), means.mutable_data<T>(), rstds.mutable_data<T>());
  });
  if (const Tensor outside = outside_float32(rstds); range == NormRange::any && outside.defined())
    return norm_by_range(x, outside_rows(outside, x), [&](const Tensor& in) {
      const bool wide = in.dtype() == float64;
      return layer_norm_in(NormRange::float32_only, in, wide ? to_float64(weight) : weight,
                           wide ? to_float64(bias) : bias, epsilon);
    });
  return record(layer_norm_info, {x, weight, bias}, y, [&] {
    enum Saved : std::size_t { input, row_mean, row_rstd, scale };
    const auto kernel = [size](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(input).contiguous(), w = contiguous_or_undefined(context.saved(scale));
      const Tensor mean = context.saved(row_mean), rstd = context.saved(row_rstd);
      const Tensor dy = context.grad_output().contiguous();
      const auto wanted = [&](std::size_t i, const Shape& shape) {
        return context.needs_grad(i) ? Tensor::empty(shape, rows.dtype()) : Tensor();
      };
      const Tensor dx = wanted(0, rows.shape()), dw = wanted(1, {size.columns}), db = wanted(2, {size.columns});
      dispatch_floating("layer_norm", rows.dtype(), [&]<class T>() {
        kernels::layer_norm_backward(rows.data<T>(), data_or_null<T>(w), mean.data<T>(), rstd.data<T>(), dy.data<T>(),
                                     size.rows, size.columns, mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dw),
                                     mutable_data_or_null<T>(db));
      });
      return {dx, dw, db};
    };
    const auto reference = [epsilon](const TensorList& in) {
      return TensorList{layer_norm_reference(in[0], in[1], in[2], epsilon)};
    };
    return Gradient::with_reference({x, means, rstds, weight}, kernel, reference);
  });
}

Tensor rms_norm_in(NormRange range, const Tensor& x, const Tensor& weight, double epsilon) {
  check_input("rms_norm", x, epsilon);
  check_parameter("rms_norm", "weight", weight, x);
  const Size size = size_of_rows(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Tensor rstds = Tensor::empty({size.rows}, x.dtype());
  dispatch_floating("rms_norm", x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor rows = x.contiguous(), w = contiguous_or_undefined(weight);
    kernels::rms_norm_forward(rows.data<T>(), data_or_null<T>(w), size.rows, size.columns, epsilon, y.mutable_data<T>(),
                              rstds.mutable_data<T>());
  });
  if (const Tensor outside = outside_float32(rstds); range == NormRange::any && outside.defined())
    return norm_by_range(x, outside_rows(outside, x), [&](const Tensor& in) {
      return rms_norm_in(NormRange::float32_only, in, in.dtype() == float64 ? to_float64(weight) : weight, epsilon);
    });
  return record(rms_norm_info, {x, weight}, y, [&] {
    enum Saved : std::size_t { input, row_rstd, scale };
    const auto kernel = [size](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(input).contiguous(), w = contiguous_or_undefined(context.saved(scale));
      const Tensor rstd = context.saved(row_rstd);
      const Tensor dy = context.grad_output().contiguous();
      const Tensor dx = context.needs_grad(0) ? Tensor::empty(rows.shape(), rows.dtype()) : Tensor();
      const Tensor dw = context.needs_grad(1) ? Tensor::empty({size.columns}, rows.dtype()) : Tensor();
      dispatch_floating("rms_norm", rows.dtype(), [&]<class T>() {
        kernels::rms_norm_backward(rows.data<T>(), data_or_null<T>(w), rstd.data<T>(), dy.data<T>(), size.rows,
                                   size.columns, mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dw));
      });
      return {dx, dw};
    };
    const auto reference = [epsilon](const TensorList& in) {
      return TensorList{rms_norm_reference(in[0], in[1], epsilon)};
    };
    return Gradient::with_reference({x, rstds, weight}, kernel, reference);
  });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  return layer_norm_in(NormRange::any, x, weight, bias, epsilon);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon) {
  return rms_norm_in(NormRange::any, x, weight, epsilon);
}

Tensor normalize(const Tensor& x, double p, std::int64_t axis, double epsilon) {
  normalize_axis("normalize", axis, x.rank());
  if (!(epsilon >= 0)) fail(ErrorKind::argument, "normalize: epsilon must not be negative; got {}", epsilon);
  return x / length_at_least(x, p, axis, epsilon);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis, double epsilon) {
  const Shape shape = broadcast_shapes("cosine_similarity", a.shape(), b.shape());
  normalize_axis("cosine_similarity", axis, shape.size());
  if (!(epsilon >= 0)) fail(ErrorKind::argument, "cosine_similarity: epsilon must not be negative; got {}", epsilon);
  const Tensor left = expand(a, shape), right = expand(b, shape);
  // Unit vectors first: products of long vectors' elements may overflow where their cosine does not.
  return sum(left / length_at_least(left, 2.0, axis, epsilon) * (right / length_at_least(right, 2.0, axis, epsilon)),
             {axis});
}

OpList norm_ops() { return {&layer_norm_info, &rms_norm_info, &normalize_info, &cosine_similarity_info}; }

}  // namespace saw
