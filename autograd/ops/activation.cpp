#include "saw/autograd/ops/activation.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/ops/activation.cpp"
#include "hwy/foreach_target.h"  // compiles the formulas once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/elementwise-inl.h"

// ---- formulas ----
// Where the slope can be told from the output, that is what is saved: the next layer saves it anyway.

HWY_BEFORE_NAMESPACE();
namespace saw::HWY_NAMESPACE {
namespace {

using kernels::HWY_NAMESPACE::Binary;
using kernels::HWY_NAMESPACE::Unary;

struct Tanh : Unary<Tanh> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return tanh(x);
  }
  template <class V>
  V df(V y) const {
    return 1.0 - square(y);
  }
};

struct Sigmoid : Unary<Sigmoid> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return sigmoid(x);
  }
  template <class V>
  V df(V y) const {
    return y * (1.0 - y);
  }
};

struct LogSigmoid : Unary<LogSigmoid> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return log_sigmoid(x);
  }
  template <class V>
  V df(V x) const {
    return sigmoid(-x);
  }
};

struct Relu : Unary<Relu> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return where(x < 0.0, 0.0, x);  // a comparison with NaN is false: NaN stays
  }
  template <class V>
  V gradient(V g, V y) const {
    return where(y > 0.0, g, 0.0);
  }
};

struct LeakyRelu : Unary<LeakyRelu> {
  static constexpr Saves saves = Saves::output;
  double slope;  // below 0; not negative, so that the output has the sign of the input
  template <class V>
  V f(V x) const {
    return where(x < 0.0, slope * x, x);
  }
  template <class V>
  V gradient(V g, V y) const {
    return where(y > 0.0, g, slope * g);
  }
};

struct Prelu : Binary<Prelu> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::a;
  template <class V>
  V f(V x, V slope) const {
    return where(x < 0.0, slope * x, x);
  }
  template <class V>
  V gradient_a(V g, V x, V slope) const {
    return where(x > 0.0, g, slope * g);
  }
  template <class V>
  V gradient_b(V g, V x, V) const {
    return where(x > 0.0, 0.0, g * x);
  }
};

struct Elu : Unary<Elu> {
  static constexpr Saves saves = Saves::input;
  double alpha;
  template <class V>
  V f(V x) const {
    return where(x < 0.0, alpha * expm1(x), x);
  }
  template <class V>
  V df(V x) const {
    return where(x > 0.0, 1.0, alpha * exp(x));  // not from the output: y + alpha has no digits left where y ≈ −alpha
  }
};

struct GeluErf : Unary<GeluErf> {
  static constexpr Saves saves = Saves::input;
  static constexpr double inverse_sqrt_2pi = 0.39894228040143267794;
  template <class V>
  V f(V x) const {
    return x * ndtr(x);
  }
  template <class V>
  V df(V x) const {
    return ndtr(x) + x * (inverse_sqrt_2pi * exp(-0.5 * square(x)));
  }
};

struct GeluTanh : Unary<GeluTanh> {
  static constexpr Saves saves = Saves::input;
  // 0.5(1 + tanh u) = σ(2u), which has no cancellation where it is small; 2u = x(c + 0.044715·c·x²), c = 2√(2/π).
  static constexpr double c = 1.59576912160573071176, cubic = 0.044715 * c;
  template <class V>
  V f(V x) const {
    const auto p = precise(x);
    return x * sigmoid(p * (p * p * cubic + c));
  }
  template <class V>
  V df(V x) const {
    const V x2 = square(x);
    const V gate = sigmoid(x * mul_add(x2, cubic, c));
    return gate + gate * (1.0 - gate) * (x * mul_add(x2, 3.0 * cubic, c));
  }
};

struct Silu : Unary<Silu> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return x * sigmoid(x);
  }
  template <class V>
  V df(V x) const {
    const V s = sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
  }
};

struct Softplus : Unary<Softplus> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return softplus(x);
  }
  template <class V>
  V df(V x) const {
    return sigmoid(x);
  }
};

struct Mish : Unary<Mish> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return x * tanh(softplus(x));
  }
  template <class V>
  V df(V x) const {
    const V t = tanh(softplus(x));
    return t + x * (1.0 - square(t)) * sigmoid(x);
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

const OpInfo tanh_info{"tanh", "tanh x", true};
const OpInfo sigmoid_info{"sigmoid", "1 / (1 + e⁻ˣ)", true};
const OpInfo log_sigmoid_info{"log_sigmoid", "−log(1 + e⁻ˣ)", true};
const OpInfo relu_info{"relu", "max(x, 0)", true};
const OpInfo leaky_relu_info{"leaky_relu", "x where x > 0, else negative_slope·x", true};
const OpInfo prelu_info{"prelu", "x where x > 0, else weight·x", true};
const OpInfo elu_info{"elu", "x where x > 0, else alpha·(eˣ − 1)", true};
const OpInfo gelu_info{"gelu", "x·Φ(x), or 0.5x(1 + tanh(√(2/π)(x + 0.044715x³)))", true};
const OpInfo silu_info{"silu", "x / (1 + e⁻ˣ)", true};
const OpInfo softplus_info{"softplus", "log(1 + eˣ)", true};
const OpInfo mish_info{"mish", "x · tanh(log(1 + eˣ))", true};

}  // namespace

Tensor tanh(const Tensor& x) { return run_unary(tanh_info, x, Tanh{}, SAW_FOR_TARGET(Tanh::kernels)()); }
Tensor sigmoid(const Tensor& x) { return run_unary(sigmoid_info, x, Sigmoid{}, SAW_FOR_TARGET(Sigmoid::kernels)()); }
Tensor log_sigmoid(const Tensor& x) {
  return run_unary(log_sigmoid_info, x, LogSigmoid{}, SAW_FOR_TARGET(LogSigmoid::kernels)());
}
Tensor relu(const Tensor& x) { return run_unary(relu_info, x, Relu{}, SAW_FOR_TARGET(Relu::kernels)()); }

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  if (!(negative_slope >= 0.0))
    fail(ErrorKind::argument, "leaky_relu: negative_slope must be at least 0; got {}", negative_slope);
  return run_unary(leaky_relu_info, x, LeakyRelu{{}, negative_slope}, SAW_FOR_TARGET(LeakyRelu::kernels)());
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  check_defined("prelu", x);
  check_defined("prelu", weight);
  if (broadcast_shapes("prelu", x.shape(), weight.shape()) != x.shape())
    fail(ErrorKind::shape,
         "prelu: the weight does not broadcast to the input; got {}; expected one number, or one for "
         "each channel of {}",
         weight.shape(), x.shape());
  return run_binary(prelu_info, x, weight, Prelu{}, SAW_FOR_TARGET(Prelu::kernels)());
}

Tensor elu(const Tensor& x, double alpha) {
  if (!(alpha >= 0.0)) fail(ErrorKind::argument, "elu: alpha must be at least 0; got {}", alpha);
  return run_unary(elu_info, x, Elu{{}, alpha}, SAW_FOR_TARGET(Elu::kernels)());
}

Tensor gelu(const Tensor& x, GeluKind kind) {
  if (kind == GeluKind::erf) return run_unary(gelu_info, x, GeluErf{}, SAW_FOR_TARGET(GeluErf::kernels)());
  return run_unary(gelu_info, x, GeluTanh{}, SAW_FOR_TARGET(GeluTanh::kernels)());
}

Tensor silu(const Tensor& x) { return run_unary(silu_info, x, Silu{}, SAW_FOR_TARGET(Silu::kernels)()); }
Tensor softplus(const Tensor& x) {
  return run_unary(softplus_info, x, Softplus{}, SAW_FOR_TARGET(Softplus::kernels)());
}

Tensor mish(const Tensor& x) { return run_unary(mish_info, x, Mish{}, SAW_FOR_TARGET(Mish::kernels)()); }

OpList activation_ops() {
  return {&tanh_info, &sigmoid_info, &log_sigmoid_info, &relu_info,     &leaky_relu_info, &prelu_info,
          &elu_info,  &gelu_info,    &silu_info,        &softplus_info, &mish_info};
}

}  // namespace saw

#endif  // HWY_ONCE
