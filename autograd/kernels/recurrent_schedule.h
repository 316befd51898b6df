#pragma once

// Which sequences of a recurrent layer take a step together.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "saw/autograd/kernels/gemm_log.h"
#include "saw/autograd/kernels/recurrent.h"

namespace saw::kernels {

constexpr std::int64_t most_in_group = 32;

/// The sequences, longest first, in groups. Which group one is in changes no bits.
class RecurrentSchedule {
 public:
  template <class T>
  explicit RecurrentSchedule(const RecurrentLayer<T>& layer)
      : offsets_(layer.offsets), reverse_(layer.reverse), order_(layer.offsets.size() - 1) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return length_of(a) > length_of(b); });
    // Weights that leave the second cache are read for as many sequences at once as can be; small ones by enough groups
    // for all threads.
    const std::int64_t weight = recurrent_sums(layer.cell) * layer.units * layer.width;
    const bool large = weight * static_cast<std::int64_t>(sizeof(T)) > (std::int64_t{1} << 20);
    const std::int64_t share = (count() + 15) / 16;
    group_ = large ? most_in_group : std::clamp<std::int64_t>((share + 7) / 8 * 8, 8, most_in_group);
  }

  std::int64_t count() const { return static_cast<std::int64_t>(order_.size()); }
  std::int64_t groups() const { return (count() + group_ - 1) / group_; }
  std::int64_t group_begin(std::int64_t group) const { return group * group_; }
  std::int64_t group_end(std::int64_t group) const { return std::min(count(), (group + 1) * group_); }

  /// By place in the order: which sequence, how long, and where its row of step `t` lies.
  std::int64_t sequence(std::int64_t place) const {
    return static_cast<std::int64_t>(order_[static_cast<std::size_t>(place)]);
  }
  std::int64_t length(std::int64_t place) const { return length_of(order_[static_cast<std::size_t>(place)]); }
  std::int64_t row(std::int64_t place, std::int64_t t) const {
    const std::size_t sequence = order_[static_cast<std::size_t>(place)];
    return reverse_ ? offsets_[sequence + 1] - 1 - t : offsets_[sequence] + t;
  }

 private:
  std::int64_t length_of(std::size_t sequence) const { return offsets_[sequence + 1] - offsets_[sequence]; }

  std::span<const std::int64_t> offsets_;
  bool reverse_;
  std::vector<std::size_t> order_;
  std::int64_t group_ = most_in_group;
};

/// Tells of the products of all steps: each of k and n with as many rows as sequences go on.
template <class T>
void log_steps(const RecurrentSchedule& schedule, std::int64_t n, std::int64_t k, bool transposed) {
  std::int64_t alive = schedule.count();
  for (std::int64_t t = 0; alive > 0; ++t) {
    while (alive > 0 && schedule.length(alive - 1) <= t) --alive;
    if (alive > 0) log_gemm(false, transposed, alive, n, k, sizeof(T), 1);
  }
}

}  // namespace saw::kernels
