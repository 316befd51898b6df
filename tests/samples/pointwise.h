#pragma once

// Samples and naive oracles of elementwise ops.

#include <functional>
#include <string>
#include <vector>

#include "samples/samples.h"
#include "saw/autograd/tape/tensor.h"

namespace samples {

using saw::DType;
using saw::Shape;
using saw::Tensor;
using saw::TensorList;

/// f of every element, computed in double one at a time, as a tensor of dtype `result`; no history.
Tensor naive_map(const Tensor& x, DType result, const std::function<double(double x)>& f);

/// f of every pair of elements of two tensors that broadcast.
Tensor naive_zip(const Tensor& a, const Tensor& b, DType result, const std::function<double(double a, double b)>& f);

using MakeInput = std::function<Tensor(const Shape&)>;

/// Samples of a unary op over several ranks and sizes; `input` draws from the op's domain.
std::vector<Sample> unary_samples(const MakeInput& input, const std::function<Tensor(const Tensor&)>& op,
                                  const std::function<double(double)>& f);

/// Samples of a binary op over all ways to broadcast; the operands are drawn from the domains of either side.
std::vector<Sample> binary_samples(const MakeInput& left, const MakeInput& right,
                                   const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                                   const std::function<double(double, double)>& f);

/// Like binary_samples for an op that gives bool.
std::vector<Sample> comparison_samples(const MakeInput& left, const MakeInput& right,
                                       const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                                       const std::function<bool(double, double)>& f);

}  // namespace samples
