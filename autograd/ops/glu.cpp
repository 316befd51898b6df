#include "saw/autograd/ops/glu.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/ops/glu.cpp"
#include "hwy/foreach_target.h"  // compiles the formulas once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/elementwise-inl.h"

// ---- formulas of the two halves ----

HWY_BEFORE_NAMESPACE();
namespace saw::HWY_NAMESPACE {
namespace {

using kernels::HWY_NAMESPACE::Binary;

struct Glu : Binary<Glu> {
  template <class V>
  V f(V value, V gate) const {
    return value * sigmoid(gate);
  }
  template <class V>
  V da(V, V gate) const {
    return sigmoid(gate);
  }
  template <class V>
  V db(V value, V gate) const {
    const V s = sigmoid(gate);
    return value * s * (1.0 - s);
  }
};

struct Swiglu : Binary<Swiglu> {
  template <class V>
  V f(V gate, V value) const {
    return gate * sigmoid(gate) * value;
  }
  template <class V>
  V da(V gate, V value) const {
    const V s = sigmoid(gate);
    return value * s * (1.0 + gate * (1.0 - s));
  }
  template <class V>
  V db(V gate, V) const {
    return gate * sigmoid(gate);
  }
};

}  // namespace
}  // namespace saw::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "saw/autograd/kernels/targets.h"

namespace saw {
namespace {

using namespace HWY_NAMESPACE;

const OpInfo glu_info{"glu", "a · σ(b) for the halves a, b of the last axis", true};
const OpInfo swiglu_info{"swiglu", "silu(a) · b for the halves a, b of the last axis", true};

Tensor first_half(const Tensor& x) { return slice(x, -1, 0, x.size(-1) / 2); }
Tensor second_half(const Tensor& x) { return slice(x, -1, x.size(-1) / 2, x.size(-1)); }

/// A formula of the halves of the last axis.
template <class Op>
Tensor gated(const OpInfo& info, const Tensor& x, const Op& op, const kernels::BinaryKernels& kernels) {
  check_defined(info.name, x);
  if (x.rank() == 0)
    fail(ErrorKind::shape, "{}: the input has no axis to halve; got shape {}; expected (…, 2d)", info.name, x.shape());
  if (x.shape().back() % 2 != 0)
    fail(ErrorKind::shape, "{}: the last axis has no halves; got shape {}; expected an even size", info.name,
         x.shape());
  Shape shape = x.shape();
  shape.back() /= 2;
  const Tensor data = x.detach();
  const Tensor y = elementwise::apply(info.name, kernels.value, &op, shape, {first_half(data), second_half(data)});
  return record(info, {x}, y, [&] {
    return Gradient::with_twin(
        {x},
        [op, kernels, &info](const BackwardContext& context) -> TensorList {
          const Tensor input = context.saved(0), &g = context.grad_output();
          const Tensor a = first_half(input), b = second_half(input);
          const Tensor result = Tensor::empty(input.shape(), input.dtype());
          elementwise::apply_into(info.name, kernels.gradient_a, &op, first_half(result), {g, a, b});
          elementwise::apply_into(info.name, kernels.gradient_b, &op, second_half(result), {g, a, b});
          return {result};
        },
        [op](const BackwardContext& context) -> TensorList {
          const Tensor input = context.saved(0), &g = context.grad_output();
          const Tensor a = first_half(input), b = second_half(input);
          return {cat({op.gradient_a(g, a, b), op.gradient_b(g, a, b)}, -1)};
        });
  });
}

}  // namespace

Tensor glu(const Tensor& x) { return gated(glu_info, x, Glu{}, SAW_FOR_TARGET(Glu::kernels)()); }
Tensor swiglu(const Tensor& x) { return gated(swiglu_info, x, Swiglu{}, SAW_FOR_TARGET(Swiglu::kernels)()); }

OpList glu_ops() { return {&glu_info, &swiglu_info}; }

}  // namespace saw

#endif  // HWY_ONCE
