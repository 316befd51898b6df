#pragma once

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Draws from given distributions, by the thread's default generator or a given one. What is drawn is a function of
// (seed, stream, index), never of threads, and has no gradient.

/// 1 with probability p, else 0, in p's shape and dtype. Throws Error(argument) for probabilities outside [0, 1].
Tensor bernoulli(const Tensor& p);
Tensor bernoulli(const Tensor& p, Generator& generator);

/// `count` class numbers for every row of weights (rows, classes) as int64 (rows, count), or (count) for (classes).
/// A class is drawn with a probability in proportion to its weight; without replacement each at most once, one after
/// the other (by exponential keys, Efraimidis & Spirakis 2006). Throws Error(argument) for weights that are negative,
/// not finite or all 0 in a row, and for more draws without replacement than a row has positive weights.
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement = false);
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement, Generator& generator);

}  // namespace saw
