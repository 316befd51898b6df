#pragma once

#include "saw/optim/parameters.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// The norm of all gradients seen as one vector, (Σ |g|ᵖ)^(1/p) with p = norm_type (infinity: the largest |g|), and, in
/// place, g ← g · min(1, max_norm / (norm + 1e-6)) (Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent
/// neural networks", ICML 2013). Returns the norm before; 0 where nothing has a gradient. Sums are made in double, in
/// fixed chunks. A norm that is not finite makes the gradients 0 or NaN, or with error_if_nonfinite leaves them and
/// throws Error(argument). Throws Error(argument) for a negative max_norm or a norm_type that is not positive.
double clip_grad_norm(const Parameters& parameters, double max_norm, double norm_type = 2.0,
                      bool error_if_nonfinite = false);

/// Every element of the gradients into [−limit, limit], in place; NaN stays. Throws Error(argument) for a negative
/// limit.
void clip_grad_value(const Parameters& parameters, double limit);

}  // namespace optim
}  // namespace saw
