#include "saw/autograd/ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/random.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo bernoulli_info{"bernoulli", "1 with probability p, else 0", false};
const OpInfo multinomial_info{"multinomial", "class numbers, each in proportion to its weight", false};

constexpr std::int64_t draw_grain = 1 << 12;

/// Whether a class can be drawn. What is too small to be a normal number counts as 0, as it does inside parallel_for.
template <class T>
bool can_be_drawn(T weight) {
  return weight >= std::numeric_limits<T>::min();
}

/// Throws unless a row of weights can give `count` draws.
template <class T>
void check_weights(const T* weights, std::int64_t row, std::int64_t classes, std::int64_t count, bool replacement) {
  std::int64_t positive = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (!(weights[c] >= 0 && weights[c] <= std::numeric_limits<T>::max()))
      fail(ErrorKind::argument, "multinomial: weights must be finite and not negative; got {} at ({}, {})", weights[c],
           row, c);
    positive += can_be_drawn(weights[c]);
  }
  if (positive == 0 && count > 0)
    fail(ErrorKind::argument, "multinomial: a row needs a positive weight; got none in row {}", row);
  if (!replacement && positive < count)
    fail(ErrorKind::argument,
         "multinomial: too many draws without replacement; got {} of {} positive weights in row {}", count, positive,
         row);
}

/// The first class whose sum of weights up to itself is above a uniform part of the whole.
template <class T>
void draw_with_replacement(const T* weights, std::int64_t classes, const RandomStream& stream, std::uint64_t first,
                           std::int64_t count, std::int64_t* out) {
  std::vector<double> sums;
  double total = 0;
  for (std::int64_t c = 0; c < classes; ++c)
    sums.push_back(total += can_be_drawn(weights[c]) ? static_cast<double>(weights[c]) : 0.0);
  for (std::int64_t i = 0; i < count; ++i) {
    const double part = stream.uniform(first + static_cast<std::uint64_t>(i)) * total;
    // Rounding may put the part at the whole: the last class of a positive weight is meant.
    const auto at = part < total ? std::upper_bound(sums.begin(), sums.end(), part)
                                 : std::lower_bound(sums.begin(), sums.end(), total);
    out[i] = at - sums.begin();
  }
}

template <class T>
void draw_without_replacement(const T* weights, std::int64_t classes, const RandomStream& stream, std::uint64_t first,
                              std::int64_t count, std::int64_t* out) {
  std::vector<std::pair<double, std::int64_t>> keys;
  for (std::int64_t c = 0; c < classes; ++c)
    if (can_be_drawn(weights[c]))
      keys.emplace_back(
          -std::log1p(-stream.uniform(first + static_cast<std::uint64_t>(c))) / static_cast<double>(weights[c]), c);
  std::partial_sort(keys.begin(), keys.begin() + count, keys.end());
  for (std::int64_t i = 0; i < count; ++i) out[i] = keys[static_cast<std::size_t>(i)].second;
}

}  // namespace

Tensor bernoulli(const Tensor& p) { return bernoulli(p, default_generator()); }

Tensor bernoulli(const Tensor& p, Generator& generator) {
  const Tensor y = Tensor::empty(p.shape(), p.dtype());
  dispatch_floating("bernoulli", p.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = p.contiguous();
    const T* probability = input.data<T>();
    for (std::int64_t i = 0, n = p.numel(); i < n; ++i)
      if (!(probability[i] >= 0 && probability[i] <= 1))
        fail(ErrorKind::argument, "bernoulli: a probability lies outside [0, 1]; got {} as element {}", probability[i],
             i);
    const RandomStream stream(generator);
    T* out = y.mutable_data<T>();
    parallel_for(0, y.numel(), draw_grain, [&](std::int64_t begin, std::int64_t end) {
      // The same draws for every dtype, so that a model makes the same choices in float64.
      Scratch<double> draws(static_cast<std::size_t>(end - begin));
      kernels::random_uniform(stream.seed(), stream.stream(), begin, end - begin, draws.data());
      for (std::int64_t i = begin; i < end; ++i)
        out[i] = draws[static_cast<std::size_t>(i - begin)] < static_cast<double>(probability[i]) ? T{1} : T{0};
    });
  });
  return record_constant(bernoulli_info, y);
}

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement) {
  return multinomial(weights, count, replacement, default_generator());
}

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement, Generator& generator) {
  if (weights.rank() != 1 && weights.rank() != 2)
    fail(ErrorKind::shape,
         "multinomial: the weights have the wrong rank; got {}; expected (classes) or (rows, classes)",
         weights.shape());
  if (count < 0) fail(ErrorKind::argument, "multinomial: the count must not be negative; got {}", count);
  const std::int64_t classes = weights.shape().back(), rows = weights.rank() == 1 ? 1 : weights.shape()[0];
  const Tensor y = Tensor::empty(weights.rank() == 1 ? Shape{count} : Shape{rows, count}, int64);
  dispatch_floating("multinomial", weights.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = weights.contiguous();
    const T* weight = input.data<T>();
    for (std::int64_t row = 0; row < rows; ++row)
      check_weights(weight + row * classes, row, classes, count, replacement);
    const RandomStream stream(generator);
    std::int64_t* out = y.mutable_data<std::int64_t>();
    parallel_for(0, rows, std::max<std::int64_t>(1, draw_grain / std::max<std::int64_t>(1, classes + count)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const auto draw = replacement ? draw_with_replacement<T> : draw_without_replacement<T>;
                     const std::int64_t numbers = replacement ? count : classes;
                     draw(weight + row * classes, classes, stream, static_cast<std::uint64_t>(row * numbers), count,
                          out + row * count);
                   }
                 });
  });
  return record_constant(multinomial_info, y);
}

OpList sampling_ops() { return {&bernoulli_info, &multinomial_info}; }

}  // namespace saw
