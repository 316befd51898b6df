#pragma once

// How attention and relative attention cut their work, and what dropout does in both.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/attention.h"

namespace saw::kernels {

/// Keys begin … end − 1 of a segment.
struct KeyRange {
  std::int64_t begin, end;
  std::int64_t count() const { return std::max<std::int64_t>(0, end - begin); }
};

/// Those among `keys` that at least one of the positions begin … end − 1 sees.
template <class T>
KeyRange visible_keys(const AttentionOperands<T>& operands, std::int64_t begin, std::int64_t end, KeyRange keys) {
  return {std::max(keys.begin, begin - operands.left), std::min(keys.end, end + operands.right)};
}

/// Scores of some queries that see at most `seen` keys each, about: enough to balance by. Small tasks cost more than
/// their products, hence the constants.
inline std::int64_t attention_cost(std::int64_t queries, std::int64_t seen) { return (queries + 4) * (seen + 8); }

/// Tasks in groups, of which a thread takes one at a time.
template <class Task>
class TaskGroups {
 public:
  /// `widths`: the multiply-adds that a score costs.
  explicit TaskGroups(std::int64_t widths) : group_cost_(multiply_adds / widths) {}

  void add(const Task& task, std::int64_t cost) {
    tasks_.push_back(task);
    total_cost_ += cost;
    largest_cost_ = std::max(largest_cost_, cost);
    open_cost_ += cost;
    if (open_cost_ >= group_cost_) close();
  }

  const std::vector<Task>& tasks() const { return tasks_; }
  std::int64_t total_cost() const { return total_cost_; }
  std::int64_t largest_cost() const { return largest_cost_; }

  /// Runs f(tasks) for all groups.
  template <class F>
  void run(const F& f) {
    close();
    parallel_for(0, static_cast<std::int64_t>(ends_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      const std::size_t first = begin == 0 ? 0 : ends_[static_cast<std::size_t>(begin) - 1];
      f(std::span<const Task>(tasks_).subspan(first, ends_[static_cast<std::size_t>(end) - 1] - first));
    });
  }

 private:
  // About 50 µs of work: little beside the cost of handing it out, much beside the imbalance at the end.
  static constexpr std::int64_t multiply_adds = 3'000'000;

  void close() {
    if (!tasks_.empty() && (ends_.empty() || ends_.back() != tasks_.size())) ends_.push_back(tasks_.size());
    open_cost_ = 0;
  }

  std::int64_t group_cost_;
  std::vector<Task> tasks_;
  std::vector<std::size_t> ends_;  // of the groups
  std::int64_t total_cost_ = 0, largest_cost_ = 0, open_cost_ = 0;
};

/// Calls f(begin, end) for pieces of `step` of 0 … size.
template <class F>
void for_pieces(std::int64_t size, std::int64_t step, const F& f) {
  for (std::int64_t begin = 0; begin < size; begin += step) f(begin, std::min(begin + step, size));
}

/// What backward reads beside the problem, and what it writes.
template <class T, class Gradients>
struct AttentionBackward {
  const T* output;
  const T* logsumexp;
  HeadRows<const T> grad_output;
  Gradients gradients;
};

/// Dropout drops a weight when its word is below this.
inline std::uint32_t dropout_threshold(double probability) {
  return static_cast<std::uint32_t>(std::min(probability * 4294967296.0, 4294967295.0));
}

/// What kept weights are multiplied by.
inline double dropout_factor(double probability) { return probability < 1.0 ? 1.0 / (1.0 - probability) : 0.0; }

}  // namespace saw::kernels
