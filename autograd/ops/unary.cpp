#include "saw/autograd/ops/unary.h"

#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/map_tensors.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/ops/unary.cpp"
#include "hwy/foreach_target.h"  // compiles the formulas once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/elementwise-inl.h"

// ---- formulas ----

HWY_BEFORE_NAMESPACE();
namespace saw::HWY_NAMESPACE {
namespace {

using kernels::HWY_NAMESPACE::Unary;

constexpr double log_2 = 0.69314718055994530942, log_10 = 2.30258509299404568402;
constexpr double two_over_sqrt_pi = 1.12837916709551257390, inverse_sqrt_2pi = 0.39894228040143267794;

struct Neg : Unary<Neg> {
  static constexpr Saves saves = Saves::nothing;
  static constexpr bool integers = true;
  template <class V>
  V f(V x) const {
    return -x;
  }
  template <class V>
  V gradient(V g, V) const {
    return -g;
  }
};

struct Abs : Unary<Abs> {
  static constexpr Saves saves = Saves::input;
  static constexpr bool integers = true;
  template <class V>
  V f(V x) const {
    return abs(x);
  }
  template <class V>
  V gradient(V g, V x) const {
    return g * sign(x);
  }
};

struct Sign : Unary<Sign> {
  static constexpr Saves saves = Saves::nothing;
  static constexpr bool integers = true;
  template <class V>
  V f(V x) const {
    return sign(x);
  }
  template <class V>
  V gradient(V g, V) const {
    return vanishing(g);
  }
};

struct Square : Unary<Square> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return square(x);
  }
  template <class V>
  V df(V x) const {
    return 2.0 * x;
  }
};

struct Reciprocal : Unary<Reciprocal> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return 1.0 / x;
  }
  template <class V>
  V df(V y) const {
    return -square(y);
  }
};

struct Exp : Unary<Exp> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return exp(x);
  }
  template <class V>
  V df(V y) const {
    return y;
  }
};

struct Exp2 : Unary<Exp2> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return exp2(x);
  }
  template <class V>
  V df(V y) const {
    return log_2 * y;
  }
};

struct Expm1 : Unary<Expm1> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return expm1(x);
  }
  template <class V>
  V df(V y) const {
    return y + 1.0;
  }
};

struct Log : Unary<Log> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return log(x);
  }
  template <class V>
  V gradient(V g, V x) const {
    return g / x;
  }
};

struct Log2 : Unary<Log2> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return log2(x);
  }
  template <class V>
  V gradient(V g, V x) const {
    return g / (x * log_2);
  }
};

struct Log10 : Unary<Log10> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return log10(x);
  }
  template <class V>
  V gradient(V g, V x) const {
    return g / (x * log_10);
  }
};

struct Log1p : Unary<Log1p> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return log1p(x);
  }
  template <class V>
  V gradient(V g, V x) const {
    return g / (1.0 + x);
  }
};

struct Sqrt : Unary<Sqrt> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return sqrt(x);
  }
  template <class V>
  V gradient(V g, V y) const {
    return 0.5 * g / y;
  }
};

struct Rsqrt : Unary<Rsqrt> {
  static constexpr Saves saves = Saves::output;
  template <class V>
  V f(V x) const {
    return rsqrt(x);
  }
  template <class V>
  V df(V y) const {
    return -0.5 * (y * square(y));
  }
};

struct Sin : Unary<Sin> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return sin(x);
  }
  template <class V>
  V df(V x) const {
    return cos(x);
  }
};

struct Cos : Unary<Cos> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return cos(x);
  }
  template <class V>
  V df(V x) const {
    return -sin(x);
  }
};

struct Erf : Unary<Erf> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return erf(x);
  }
  template <class V>
  V df(V x) const {
    return two_over_sqrt_pi * exp(-square(x));
  }
};

struct Ndtr : Unary<Ndtr> {
  static constexpr Saves saves = Saves::input;
  template <class V>
  V f(V x) const {
    return ndtr(x);
  }
  template <class V>
  V df(V x) const {
    return inverse_sqrt_2pi * exp(-0.5 * square(x));
  }
};

struct Floor : Unary<Floor> {
  static constexpr Saves saves = Saves::nothing;
  template <class V>
  V f(V x) const {
    return floor(x);
  }
  template <class V>
  V gradient(V g, V) const {
    return vanishing(g);
  }
};

struct Ceil : Unary<Ceil> {
  static constexpr Saves saves = Saves::nothing;
  template <class V>
  V f(V x) const {
    return ceil(x);
  }
  template <class V>
  V gradient(V g, V) const {
    return vanishing(g);
  }
};

struct Round : Unary<Round> {
  static constexpr Saves saves = Saves::nothing;
  template <class V>
  V f(V x) const {
    return round(x);
  }
  template <class V>
  V gradient(V g, V) const {
    return vanishing(g);
  }
};

struct Trunc : Unary<Trunc> {
  static constexpr Saves saves = Saves::nothing;
  template <class V>
  V f(V x) const {
    return trunc(x);
  }
  template <class V>
  V gradient(V g, V) const {
    return vanishing(g);
  }
};

struct Clamp : Unary<Clamp> {
  static constexpr Saves saves = Saves::input;
  static constexpr bool integers = true;
  double low, high;
  template <class V>
  V f(V x) const {
    return where(x < low, low, where(x > high, high, x));  // NaN is neither
  }
  template <class V>
  V gradient(V g, V x) const {
    return where((x < low) | (x > high), 0.0, g);
  }
};

struct NanToNum : Unary<NanToNum> {
  static constexpr Saves saves = Saves::input;
  double nan, positive_infinity, negative_infinity;
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  template <class V>
  V f(V x) const {
    return where(is_nan(x), nan, where(x == infinity, positive_infinity, where(x == -infinity, negative_infinity, x)));
  }
  template <class V>
  V gradient(V g, V x) const {
    return where(abs(x) < infinity, g, 0.0);
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

const OpInfo neg_info{"neg", "−x", true};
const OpInfo abs_info{"abs", "|x|", true};
const OpInfo sign_info{"sign", "−1, 0 or 1", true};
const OpInfo square_info{"square", "x²", true};
const OpInfo reciprocal_info{"reciprocal", "1/x", true};
const OpInfo exp_info{"exp", "eˣ", true};
const OpInfo exp2_info{"exp2", "2ˣ", true};
const OpInfo expm1_info{"expm1", "eˣ − 1", true};
const OpInfo log_info{"log", "log x", true};
const OpInfo log2_info{"log2", "log₂ x", true};
const OpInfo log10_info{"log10", "log₁₀ x", true};
const OpInfo log1p_info{"log1p", "log(1 + x)", true};
const OpInfo sqrt_info{"sqrt", "√x", true};
const OpInfo rsqrt_info{"rsqrt", "1/√x", true};
const OpInfo sin_info{"sin", "sin x", true};
const OpInfo cos_info{"cos", "cos x", true};
const OpInfo erf_info{"erf", "2/√π ∫₀ˣ exp(−t²) dt", true};
const OpInfo ndtr_info{"ndtr", "(1 + erf(x/√2)) / 2", true};
const OpInfo floor_info{"floor", "⌊x⌋", true};
const OpInfo ceil_info{"ceil", "⌈x⌉", true};
const OpInfo round_info{"round", "nearest integer, halves to even", true};
const OpInfo trunc_info{"trunc", "the integer next to x on the side of 0", true};
const OpInfo clamp_info{"clamp", "min(max(x, low), high)", true};
const OpInfo nan_to_num_info{"nan_to_num", "x where it is finite, else the number given", true};
const OpInfo isnan_info{"isnan", "x ≠ x", false};
const OpInfo isinf_info{"isinf", "|x| = ∞", false};
const OpInfo isfinite_info{"isfinite", "|x| < ∞", false};

/// The check of isnan and its kind, which give bool and have no gradient.
template <class Test>
Tensor classify(const OpInfo& info, const Tensor& x, const Test& test) {
  check_defined(info.name, x);
  const Tensor y = Tensor::empty(x.shape(), boolean);
  dispatch_floating(info.name, x.dtype(), [&]<class T>() { map_tensors<bool, T>(kernels::cheap_grain, test, y, x); });
  return record_constant(info, y);
}

}  // namespace

Tensor neg(const Tensor& x) { return run_unary(neg_info, x, Neg{}, SAW_FOR_TARGET(Neg::kernels)()); }
Tensor abs(const Tensor& x) { return run_unary(abs_info, x, Abs{}, SAW_FOR_TARGET(Abs::kernels)()); }
Tensor sign(const Tensor& x) { return run_unary(sign_info, x, Sign{}, SAW_FOR_TARGET(Sign::kernels)()); }
Tensor square(const Tensor& x) { return run_unary(square_info, x, Square{}, SAW_FOR_TARGET(Square::kernels)()); }
Tensor reciprocal(const Tensor& x) {
  return run_unary(reciprocal_info, x, Reciprocal{}, SAW_FOR_TARGET(Reciprocal::kernels)());
}
Tensor exp(const Tensor& x) { return run_unary(exp_info, x, Exp{}, SAW_FOR_TARGET(Exp::kernels)()); }
Tensor exp2(const Tensor& x) { return run_unary(exp2_info, x, Exp2{}, SAW_FOR_TARGET(Exp2::kernels)()); }
Tensor expm1(const Tensor& x) { return run_unary(expm1_info, x, Expm1{}, SAW_FOR_TARGET(Expm1::kernels)()); }
Tensor log(const Tensor& x) { return run_unary(log_info, x, Log{}, SAW_FOR_TARGET(Log::kernels)()); }
Tensor log2(const Tensor& x) { return run_unary(log2_info, x, Log2{}, SAW_FOR_TARGET(Log2::kernels)()); }
Tensor log10(const Tensor& x) { return run_unary(log10_info, x, Log10{}, SAW_FOR_TARGET(Log10::kernels)()); }
Tensor log1p(const Tensor& x) { return run_unary(log1p_info, x, Log1p{}, SAW_FOR_TARGET(Log1p::kernels)()); }
Tensor sqrt(const Tensor& x) { return run_unary(sqrt_info, x, Sqrt{}, SAW_FOR_TARGET(Sqrt::kernels)()); }
Tensor rsqrt(const Tensor& x) { return run_unary(rsqrt_info, x, Rsqrt{}, SAW_FOR_TARGET(Rsqrt::kernels)()); }
Tensor sin(const Tensor& x) { return run_unary(sin_info, x, Sin{}, SAW_FOR_TARGET(Sin::kernels)()); }
Tensor cos(const Tensor& x) { return run_unary(cos_info, x, Cos{}, SAW_FOR_TARGET(Cos::kernels)()); }
Tensor erf(const Tensor& x) { return run_unary(erf_info, x, Erf{}, SAW_FOR_TARGET(Erf::kernels)()); }
Tensor ndtr(const Tensor& x) { return run_unary(ndtr_info, x, Ndtr{}, SAW_FOR_TARGET(Ndtr::kernels)()); }
Tensor floor(const Tensor& x) { return run_unary(floor_info, x, Floor{}, SAW_FOR_TARGET(Floor::kernels)()); }
Tensor ceil(const Tensor& x) { return run_unary(ceil_info, x, Ceil{}, SAW_FOR_TARGET(Ceil::kernels)()); }
Tensor round(const Tensor& x) { return run_unary(round_info, x, Round{}, SAW_FOR_TARGET(Round::kernels)()); }
Tensor trunc(const Tensor& x) { return run_unary(trunc_info, x, Trunc{}, SAW_FOR_TARGET(Trunc::kernels)()); }

Tensor clamp(const Tensor& x, std::optional<double> low, std::optional<double> high) {
  check_defined("clamp", x);
  constexpr double none = std::numeric_limits<double>::infinity();
  const double least = low.value_or(-none), most = high.value_or(none);
  if (!(least <= most))
    fail(ErrorKind::argument, "clamp: low must not lie above high; got low {}, high {}", least, most);
  if (x.dtype() == int64 && (std::trunc(least) != least || std::trunc(most) != most))
    fail(ErrorKind::argument, "clamp: int64 elements need bounds that are integers; got low {}, high {}", least, most);
  return run_unary(clamp_info, x, Clamp{{}, least, most}, SAW_FOR_TARGET(Clamp::kernels)());
}

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  check_defined("nan_to_num", x);
  const double largest = x.dtype() == float32 ? static_cast<double>(std::numeric_limits<float>::max())
                                              : std::numeric_limits<double>::max();
  return run_unary(nan_to_num_info, x, NanToNum{{}, nan, posinf.value_or(largest), neginf.value_or(-largest)},
                   SAW_FOR_TARGET(NanToNum::kernels)());
}

Tensor isnan(const Tensor& x) {
  return classify(isnan_info, x, [](auto v) { return std::isnan(v); });
}

Tensor isinf(const Tensor& x) {
  return classify(isinf_info, x, [](auto v) { return std::isinf(v); });
}

Tensor isfinite(const Tensor& x) {
  return classify(isfinite_info, x, [](auto v) { return std::isfinite(v); });
}

OpList unary_ops() {
  return {&neg_info,   &abs_info,   &sign_info,       &square_info, &reciprocal_info, &exp_info,     &exp2_info,
          &expm1_info, &log_info,   &log2_info,       &log10_info,  &log1p_info,      &sqrt_info,    &rsqrt_info,
          &sin_info,   &cos_info,   &erf_info,        &ndtr_info,   &floor_info,      &ceil_info,    &round_info,
          &trunc_info, &clamp_info, &nan_to_num_info, &isnan_info,  &isinf_info,      &isfinite_info};
}

}  // namespace saw

#endif  // HWY_ONCE
