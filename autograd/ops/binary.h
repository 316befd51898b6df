#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Elementwise functions of two tensors with NumPy broadcasting. Dtypes must be equal (Error(dtype) names both);
// a number beside a tensor takes the tensor's dtype. Shapes that do not broadcast throw Error(shape).

Tensor add(const Tensor& a, const Tensor& b);  ///< a + b
Tensor sub(const Tensor& a, const Tensor& b);  ///< a − b
Tensor mul(const Tensor& a, const Tensor& b);  ///< a · b, element by element
Tensor div(const Tensor& a, const Tensor& b);  ///< floating only; see floor_divide
/// Floating only. Where base is 0 and exponent ≥ 0 the gradient of the exponent is 0.
Tensor pow(const Tensor& base, const Tensor& exponent);
Tensor maximum(const Tensor& a, const Tensor& b);  ///< ties share the gradient half and half; NaN wins
Tensor minimum(const Tensor& a, const Tensor& b);  ///< as maximum

Tensor logaddexp(const Tensor& a, const Tensor& b);  ///< log(eᵃ + eᵇ), without overflow
/// The angle between the positive x axis and the point (x, y), in (−π, π]; 0 at the origin.
Tensor atan2(const Tensor& y, const Tensor& x);
/// start + weight·(end − start).
Tensor lerp(const Tensor& start, const Tensor& end, double weight);

/// x·factor + offset: what +, − and * with numbers become (x / number is a true division). For int64 both numbers must
/// be integers (Error(dtype)).
Tensor affine(const Tensor& x, double factor, double offset);

/// add, sub, mul, div, neg, and affine with numbers.
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& x);
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);

}  // namespace saw
