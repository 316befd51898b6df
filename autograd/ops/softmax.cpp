#include "saw/autograd/ops/softmax.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/softmax.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo softmax_info{"softmax", "exp(x) / Σ exp(x)", true};
const OpInfo log_softmax_info{"log_softmax", "x − log Σ exp(x)", true};

/// How many rows the last axis has, 0 where they are empty.
std::int64_t row_count(const Tensor& x) { return x.numel() == 0 ? 0 : x.numel() / x.shape().back(); }

/// Both ops: `forward` maps x to y, `backward` maps y and dy to dx, over contiguous rows; `twin` does the same in
/// recorded ops.
template <class Forward, class Backward, class Twin>
Tensor over_last_axis(const OpInfo& info, const Tensor& x, const Forward& forward, const Backward& backward,
                      const Twin& twin) {
  const Tensor y = dispatch_floating(info.name, x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    Tensor output = Tensor::empty(x.shape(), x.dtype());
    if (row_count(x) > 0) forward(input.data<T>(), row_count(x), x.shape().back(), output.mutable_data<T>());
    return output;
  });
  return record(info, {x}, y, [&] {
    return Gradient::with_twin(
        {y},
        [&info, backward](const BackwardContext& context) -> TensorList {
          const Tensor output = context.saved(0);
          const Tensor dy = context.grad_output().contiguous();
          Tensor dx = Tensor::empty(output.shape(), output.dtype());
          if (row_count(output) == 0) return {dx};
          dispatch_floating(info.name, output.dtype(), [&]<class T>() {
            backward(output.data<T>(), dy.data<T>(), row_count(output), output.shape().back(), dx.mutable_data<T>());
          });
          return {dx};
        },
        [twin](const BackwardContext& context) -> TensorList {
          return {twin(context.saved(0), context.grad_output())};
        });
  });
}

/// Kernels run over the last axis; another one changes places with it.
bool is_last(std::size_t axis, const Tensor& x) { return axis + 1 == x.rank(); }

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  if (x.rank() == 0) return reshape(softmax(reshape(x, {1}), axis), {});
  const std::size_t a = normalize_axis("softmax", axis, x.rank());
  if (!is_last(a, x)) return softmax(x.transpose(axis, -1), -1).transpose(axis, -1);
  return over_last_axis(
      softmax_info, x, [](auto... arguments) { kernels::softmax_forward(arguments...); },
      [](auto... arguments) { kernels::softmax_backward(arguments...); },
      [](const Tensor& y, const Tensor& dy) { return y * (dy - sum(y * dy, {-1}, true)); });
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  if (x.rank() == 0) return reshape(log_softmax(reshape(x, {1}), axis), {});
  const std::size_t a = normalize_axis("log_softmax", axis, x.rank());
  if (!is_last(a, x)) return log_softmax(x.transpose(axis, -1), -1).transpose(axis, -1);
  return over_last_axis(
      log_softmax_info, x, [](auto... arguments) { kernels::log_softmax_forward(arguments...); },
      [](auto... arguments) { kernels::log_softmax_backward(arguments...); },
      [](const Tensor& y, const Tensor& dy) { return dy - exp(y) * sum(dy, {-1}, true); });
}

OpList softmax_ops() { return {&softmax_info, &log_softmax_info}; }

}  // namespace saw
