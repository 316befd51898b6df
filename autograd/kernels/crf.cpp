#include "saw/autograd/kernels/crf.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/crf.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/functions-inl.h"
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// x − max x, and max x; where all are −∞ they stay, and the maximum counts as 0.
template <class T>
double subtract_largest(T* x, std::size_t size) {
  const hn::ScalableTag<T> d;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  const T largest = max_row(d, size, lowest, [x](auto at) HWY_ATTR { return at.load(x); });
  if (largest == lowest) return 0.0;
  const auto m = hn::Set(d, largest);
  for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Sub(at.load(x), m), x); });
  return static_cast<double>(largest);
}

/// y = exp(x + shift) / Σ, and log Σ exp(x + shift); −∞ and zeros where nothing is possible. x is at most 0.
template <class T>
double final_softmax(const T* x, const T* shift, std::size_t size, T* y) {
  const hn::ScalableTag<T> d;
  for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Add(at.load(x), at.load(shift)), y); });
  const double largest = subtract_largest(y, size);
  const double sum = sum_row(d, size, [&](auto at) HWY_ATTR {
    const auto e = exp_bounded(d, at.load(y));
    at.store(e, y);
    return e;
  });
  if (sum == 0) return -std::numeric_limits<double>::infinity();
  const auto scale = hn::Set(d, static_cast<T>(1.0 / sum));
  for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(y), scale), y); });
  return largest + std::log(sum);
}

/// Fills the rows first … last − 1 of `paths`; returns log Σ exp(score) over the labellings that have `fixed`, or over
/// all where it is null. `row` has room for one row.
template <class T>
double crf_sum_paths(const Crf<T>& crf, std::int64_t first, std::int64_t last, const std::int64_t* fixed,
                     const CrfPaths<T>& paths, T* row) {
  const hn::ScalableTag<T> d;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const auto lowest = hn::Set(d, -infinity);
  const std::int64_t labels = crf.labels;
  const auto size = static_cast<std::size_t>(labels);
  double total = 0;
  for (std::int64_t t = first; t < last; ++t) {
    const T* emissions = crf.emissions + t * labels;
    T *ahead = paths.ahead + t * labels, *arrival = paths.arrival + t * labels;
    if (t == first) {
      for_row(d, size, [&](auto at) HWY_ATTR {
        at.store(at.load(crf.begin), arrival);
        at.store(hn::Add(at.load(crf.begin), at.load(emissions)), ahead);
      });
    } else {
      const T* before = ahead - labels;
      for_row(d, size, [&](auto at) HWY_ATTR {
        auto largest = lowest;
        for (std::int64_t i = 0; i < labels; ++i)
          largest = hn::Max(largest, hn::Add(hn::Set(d, before[i]), at.load(crf.transitions + i * labels)));
        const auto m = hn::IfThenElse(hn::Eq(largest, lowest), hn::Zero(d), largest);
        auto sum = hn::Zero(d);
        for (std::int64_t i = 0; i < labels; ++i) {
          const auto score = hn::Add(hn::Set(d, before[i]), at.load(crf.transitions + i * labels));
          sum = hn::Add(sum, exp_bounded(d, hn::Sub(score, m)));
        }
        const auto reached = hn::Add(m, log(Vec<T>(sum)).raw);
        at.store(hn::IfThenElse(hn::Eq(reached, lowest), hn::Set(d, infinity), reached), arrival);
        at.store(hn::Add(reached, at.load(emissions)), ahead);
      });
    }
    if (fixed != nullptr && fixed[t] >= 0) {
      const T kept = ahead[fixed[t]];
      std::fill_n(ahead, labels, -infinity);
      ahead[fixed[t]] = kept;
    }
    total += subtract_largest(ahead, size);
  }
  return total + final_softmax(paths.ahead + (last - 1) * labels, crf.end, size, row);
}

/// Adds sign · the probabilities of labels to d_emissions and those of pairs and ends to `work`, from the last row
/// back: P(i at t − 1 | j at t) comes from what the forward pass kept, so nothing leaves [0, 1].
template <class T>
void crf_add_probabilities(const Crf<T>& crf, std::int64_t first, std::int64_t last, const CrfPaths<T>& paths,
                           double sign, const CrfWork<T>& work, T* d_emissions) {
  const hn::ScalableTag<T> d;
  const std::int64_t labels = crf.labels;
  const auto size = static_cast<std::size_t>(labels);
  const auto s = hn::Set(d, static_cast<T>(sign));
  const auto add = [&](const T* p, T* sum) HWY_ATTR {
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::MulAdd(s, at.load(p), at.load(sum)), sum); });
  };
  T *p = work.probabilities, *earlier = work.earlier;
  final_softmax(paths.ahead + (last - 1) * labels, crf.end, size, p);
  add(p, work.end);
  for (std::int64_t t = last - 1;; --t) {
    add(p, d_emissions + t * labels);
    if (t == first) break;
    const T *before = paths.ahead + (t - 1) * labels, *arrival = paths.arrival + t * labels;
    double sum = 0;
    for (std::int64_t i = 0; i < labels; ++i) {
      earlier[i] = 0;
      if (before[i] == -std::numeric_limits<T>::infinity()) continue;
      const auto score = hn::Set(d, before[i]);
      const T* transitions = crf.transitions + i * labels;
      T* pairs = work.transitions + i * labels;
      const double probability = sum_row(d, size, [&](auto at) HWY_ATTR {
        const auto given = exp_bounded(d, hn::Sub(hn::Add(score, at.load(transitions)), at.load(arrival)));
        const auto both = hn::Mul(given, at.load(p));
        at.store(hn::MulAdd(s, both, at.load(pairs)), pairs);
        return both;
      });
      earlier[i] = static_cast<T>(probability);
      sum += probability;
    }
    // The sum is 1 but for rounding, which would add up over long segments.
    const auto scale = hn::Set(d, static_cast<T>(1.0 / sum));
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(earlier), scale), earlier); });
    std::swap(p, earlier);
  }
  add(p, work.begin);
}

/// x *= factor.
template <class T>
void crf_scale(T* x, std::int64_t size, T factor) {
  const hn::ScalableTag<T> d;
  const auto f = hn::Set(d, factor);
  for_row(d, static_cast<std::size_t>(size), [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(x), f), x); });
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// Segments per chunk, by the mean cost of one.
template <class T>
std::int64_t grain(const Crf<T>& crf) {
  const std::int64_t pairs = crf.offsets[crf.segments] * crf.labels * crf.labels;
  return std::max<std::int64_t>(1, 16384 * crf.segments / std::max<std::int64_t>(pairs, 1));
}

/// Calls f(segment, first row, row behind the last) for the segments that are not empty.
template <class T, class F>
void for_filled_segments(const Crf<T>& crf, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t b = begin; b < end; ++b)
    if (crf.offsets[b] < crf.offsets[b + 1]) f(b, crf.offsets[b], crf.offsets[b + 1]);
}

bool all_known(const std::int64_t* targets, std::int64_t first, std::int64_t last) {
  return std::all_of(targets + first, targets + last, [](std::int64_t target) { return target >= 0; });
}

template <class T>
double score_of(const Crf<T>& crf, const std::int64_t* labels, std::int64_t first, std::int64_t last) {
  double score = static_cast<double>(crf.begin[labels[first]]) + static_cast<double>(crf.end[labels[last - 1]]);
  for (std::int64_t t = first; t < last; ++t) {
    score += static_cast<double>(crf.emissions[t * crf.labels + labels[t]]);
    if (t > first) score += static_cast<double>(crf.transitions[labels[t - 1] * crf.labels + labels[t]]);
  }
  return score;
}

/// Subtracts the one labelling that the targets are.
template <class T>
void subtract_labelling(const Crf<T>& crf, const std::int64_t* targets, std::int64_t first, std::int64_t last,
                        const CrfWork<T>& work, T* d_emissions) {
  work.begin[targets[first]] -= 1;
  work.end[targets[last - 1]] -= 1;
  for (std::int64_t t = first; t < last; ++t) {
    d_emissions[t * crf.labels + targets[t]] -= 1;
    if (t > first) work.transitions[targets[t - 1] * crf.labels + targets[t]] -= 1;
  }
}

}  // namespace

template <class T>
void crf_forward(const Crf<T>& crf, const std::int64_t* targets, const CrfPaths<T>& all, const CrfPaths<T>& fitting,
                 T* losses) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::fill_n(losses, crf.segments, T{0});
  parallel_for(0, crf.segments, grain(crf), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> row(static_cast<std::size_t>(crf.labels));
    const auto sum_paths = SAW_FOR_TARGET(crf_sum_paths<T>);
    for_filled_segments(crf, begin, end, [&](std::int64_t b, std::int64_t first, std::int64_t last) {
      const double total = sum_paths(crf, first, last, nullptr, all, row.data());
      const double fit = all_known(targets, first, last) ? score_of(crf, targets, first, last)
                                                         : sum_paths(crf, first, last, targets, fitting, row.data());
      losses[b] = static_cast<T>(fit == -infinity && !std::isnan(total) ? infinity : total - fit);
    });
  });
}

template <class T>
void crf_backward(const Crf<T>& crf, const std::int64_t* targets, const CrfPaths<T>& all, const CrfPaths<T>& fitting,
                  const T* losses, const T* dlosses, const CrfGradient<T>& gradient) {
  const std::int64_t labels = crf.labels, pairs = labels * labels, size = pairs + 2 * labels;
  std::fill_n(gradient.emissions, crf.offsets[crf.segments] * labels, T{0});
  // Each segment has sums of its own, which are then added in order: bits depend neither on threads nor on groups.
  const std::int64_t group = std::clamp<std::int64_t>((1 << 20) / size, 1, std::max<std::int64_t>(crf.segments, 1));
  Scratch<T> sums(static_cast<std::size_t>(group * size));
  Scratch<double> shared(static_cast<std::size_t>(size));
  std::fill_n(shared.data(), size, 0.0);
  for (std::int64_t done = 0; done < crf.segments; done += group) {
    const std::int64_t stop = std::min(done + group, crf.segments);
    parallel_for(done, stop, grain(crf), [&](std::int64_t begin, std::int64_t end) {
      Scratch<T> rows(static_cast<std::size_t>(2 * labels));
      const auto add_probabilities = SAW_FOR_TARGET(crf_add_probabilities<T>);
      std::fill_n(sums.data() + (begin - done) * size, (end - begin) * size, T{0});
      for_filled_segments(crf, begin, end, [&](std::int64_t b, std::int64_t first, std::int64_t last) {
        if (losses[b] == std::numeric_limits<T>::infinity()) return;
        T* own = sums.data() + (b - done) * size;
        const CrfWork<T> work{own, own + pairs, own + pairs + labels, rows.data(), rows.data() + labels};
        add_probabilities(crf, first, last, all, 1.0, work, gradient.emissions);
        if (all_known(targets, first, last))
          subtract_labelling(crf, targets, first, last, work, gradient.emissions);
        else
          add_probabilities(crf, first, last, fitting, -1.0, work, gradient.emissions);
        const auto scale = SAW_FOR_TARGET(crf_scale<T>);
        scale(own, size, dlosses[b]);
        scale(gradient.emissions + first * labels, (last - first) * labels, dlosses[b]);
      });
    });
    parallel_for(0, size, 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = 0; b < stop - done; ++b)
        for (std::int64_t i = begin; i < end; ++i)
          shared[static_cast<std::size_t>(i)] += static_cast<double>(sums.data()[b * size + i]);
    });
  }
  const auto to_element = [](double sum) { return static_cast<T>(sum); };
  const double* total = shared.data();
  std::transform(total, total + pairs, gradient.transitions, to_element);
  std::transform(total + pairs, total + pairs + labels, gradient.begin, to_element);
  std::transform(total + pairs + labels, total + size, gradient.end, to_element);
}

template <class T>
void crf_marginals(const Crf<T>& crf, T* marginals) {
  const std::int64_t rows = crf.offsets[crf.segments], labels = crf.labels, pairs = labels * labels;
  std::fill_n(marginals, rows * labels, T{0});
  Scratch<T> ahead(static_cast<std::size_t>(rows * labels)), arrival(static_cast<std::size_t>(rows * labels));
  const CrfPaths<T> paths{ahead.data(), arrival.data()};
  parallel_for(0, crf.segments, grain(crf), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> own(static_cast<std::size_t>(pairs + 4 * labels));
    std::fill_n(own.data(), own.size(), T{0});
    T* rest = own.data() + pairs;
    const CrfWork<T> work{own.data(), rest, rest + labels, rest + 2 * labels, rest + 3 * labels};
    for_filled_segments(crf, begin, end, [&](std::int64_t, std::int64_t first, std::int64_t last) {
      const double total = SAW_FOR_TARGET(crf_sum_paths<T>)(crf, first, last, nullptr, paths, work.earlier);
      if (total == -std::numeric_limits<double>::infinity()) return;
      SAW_FOR_TARGET(crf_add_probabilities<T>)(crf, first, last, paths, 1.0, work, marginals);
    });
  });
}

template <class T>
void crf_decode(const Crf<T>& crf, std::int64_t* labels, T* scores) {
  std::fill_n(scores, crf.segments, T{0});
  const std::int64_t width = crf.labels;
  parallel_for(0, crf.segments, grain(crf), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> now(static_cast<std::size_t>(width)), next(static_cast<std::size_t>(width));
    for_filled_segments(crf, begin, end, [&](std::int64_t b, std::int64_t first, std::int64_t last) {
      Scratch<std::int64_t> came_from(static_cast<std::size_t>((last - first) * width));
      T *best = now.data(), *later = next.data();
      for (std::int64_t j = 0; j < width; ++j) best[j] = crf.begin[j] + crf.emissions[first * width + j];
      for (std::int64_t t = first + 1; t < last; ++t) {
        std::int64_t* from = came_from.data() + (t - first) * width;
        for (std::int64_t j = 0; j < width; ++j) {
          later[j] = best[0] + crf.transitions[j];
          from[j] = 0;
        }
        for (std::int64_t i = 1; i < width; ++i)
          for (std::int64_t j = 0; j < width; ++j) {
            const T score = best[i] + crf.transitions[i * width + j];
            const bool wins = score > later[j];
            later[j] = wins ? score : later[j];
            from[j] = wins ? i : from[j];
          }
        for (std::int64_t j = 0; j < width; ++j) later[j] += crf.emissions[t * width + j];
        // Large sums would hide small differences of float32.
        const T largest = *std::max_element(later, later + width);
        if (std::isfinite(largest))
          for (std::int64_t j = 0; j < width; ++j) later[j] -= largest;
        std::swap(best, later);
      }
      for (std::int64_t j = 0; j < width; ++j) best[j] += crf.end[j];
      std::int64_t label = std::max_element(best, best + width) - best;
      if (best[label] == -std::numeric_limits<T>::infinity()) {
        std::fill(labels + first, labels + last, std::int64_t{0});
        scores[b] = best[label];
        return;
      }
      for (std::int64_t t = last - 1; t >= first; --t) {
        labels[t] = label;
        if (t > first) label = came_from.data()[(t - first) * width + label];
      }
      scores[b] = static_cast<T>(score_of(crf, labels, first, last));
    });
  });
}

#define SAW_INSTANTIATE(T)                                                                                            \
  template void crf_forward<T>(const Crf<T>&, const std::int64_t*, const CrfPaths<T>&, const CrfPaths<T>&, T*);       \
  template void crf_backward<T>(const Crf<T>&, const std::int64_t*, const CrfPaths<T>&, const CrfPaths<T>&, const T*, \
                                const T*, const CrfGradient<T>&);                                                     \
  template void crf_marginals<T>(const Crf<T>&, T*);                                                                  \
  template void crf_decode<T>(const Crf<T>&, std::int64_t*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
