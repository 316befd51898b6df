#include "saw/autograd/kernels/attention.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/kernels/attention_task.h"
#include "saw/autograd/kernels/gemm_log.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/attention.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/attention_tiles-inl.h"
#include "saw/autograd/kernels/targets.h"

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// How many keys some of the queries see, at most.
template <class T>
std::int64_t seen_keys(const AttentionProblem<T>& problem, std::int64_t queries, std::int64_t keys) {
  return problem.left > keys || problem.right > keys ? keys : std::min(keys, problem.left + problem.right + queries);
}

template <class T>
std::int64_t cost(const AttentionProblem<T>& problem, const AttentionTask& task) {
  const std::int64_t queries = task.query_end - task.query_begin, keys = task.key_end - task.key_begin;
  return attention_cost(queries, seen_keys(problem, std::min(queries, attention_query_tile), keys));
}

/// The tasks of a pass.
template <class T>
class Schedule {
 public:
  explicit Schedule(const AttentionProblem<T>& problem)
      : problem_(problem), groups_(problem.width + problem.value_width) {}

  void add(const AttentionTask& task) { groups_.add(task, cost(problem_, task)); }
  const TaskGroups<AttentionTask>& groups() const { return groups_; }

  /// Runs f(task, memory) for all tasks; tasks in a group share scratch memory.
  template <class F>
  void run(const F& f) {
    groups_.run([&](std::span<const AttentionTask> tasks) {
      std::int64_t keys = 0;
      for (const AttentionTask& task : tasks)
        if (task.key_gradient) keys = std::max(keys, task.key_end - task.key_begin);
      Scratch<T> memory(static_cast<std::size_t>(AttentionWorkspace<T>::size(problem_, keys)));
      for (const AttentionTask& task : tasks) f(task, memory.data());
    });
  }

 private:
  const AttentionProblem<T>& problem_;
  TaskGroups<AttentionTask> groups_;
};

/// Says which products a pass makes: one of each kind per head and segment; the two of forward or the five of backward.
template <class T>
void log_products(const AttentionProblem<T>& problem, bool backward) {
  for (std::int64_t s = 0; s < problem.segments(); ++s) {
    const std::int64_t queries = problem.queries(s), keys = problem.keys(s);
    if (queries == 0 || keys == 0) continue;
    const std::int64_t seen = seen_keys(problem, 1, keys);
    const std::int64_t heads = problem.heads, width = problem.width, value_width = problem.value_width;
    log_gemm(false, true, queries, seen, width, sizeof(T), heads);
    log_gemm(backward, backward, queries, backward ? seen : value_width, backward ? value_width : seen, sizeof(T),
             heads);
    if (!backward) continue;
    log_gemm(true, false, seen, value_width, queries, sizeof(T), heads);
    log_gemm(true, false, seen, width, queries, sizeof(T), heads);
    log_gemm(false, false, queries, width, seen, sizeof(T), heads);
  }
}

/// The gradients of queries, keys and values.
template <class T>
void backward_operands(const AttentionProblem<T>& problem,
                       const AttentionBackward<T, AttentionGradients<T>>& backward) {
  const bool query_gradient = backward.gradients.query != nullptr;
  const bool key_gradient = backward.gradients.key != nullptr || backward.gradients.value != nullptr;
  if (!query_gradient && !key_gradient) return;
  log_products(problem, true);
  const auto run = [&](Schedule<T>& schedule) {
    schedule.run([&](const AttentionTask& task, T* memory) {
      SAW_FOR_TARGET(attention_backward_task<T>)(problem, task, backward, memory);
    });
  };
  // A task per head and segment computes each score once. Where that leaves threads idle, the two gradients are
  // computed apart, from scores computed twice, since then tasks can be smaller. The sums run in the same order.
  Schedule<T> whole(problem);
  for (std::int64_t s = 0; s < problem.segments(); ++s)
    for (std::int64_t head = 0; head < problem.heads; ++head)
      whole.add({s, head, 0, problem.queries(s), 0, problem.keys(s), query_gradient, key_gradient, false});
  const std::int64_t total = whole.groups().total_cost();
  if (whole.groups().largest_cost() * num_threads() <= total + total / 2) return run(whole);
  Schedule<T> apart(problem);
  for (const AttentionTask& task : whole.groups().tasks()) {
    AttentionTask part = task;
    part.key_gradient = false;
    if (query_gradient)
      for_pieces(task.query_end, attention_query_tile, [&](std::int64_t begin, std::int64_t end) {
        part.query_begin = begin;
        part.query_end = end;
        apart.add(part);
      });
    part = task;
    part.query_gradient = false;
    if (key_gradient)
      for_pieces(task.key_end, attention_key_tile, [&](std::int64_t begin, std::int64_t end) {
        part.key_begin = begin;
        part.key_end = end;
        apart.add(part);
      });
  }
  run(apart);
}

/// The gradient of the bias. Every segment, and every head that shares the bias, adds to the same rows: a task owns a
/// tile of rows and visits them all.
template <class T>
void backward_bias(const AttentionProblem<T>& problem, const AttentionBackward<T, AttentionGradients<T>>& backward) {
  const AttentionGradients<T>& gradients = backward.gradients;
  if (gradients.bias == nullptr) return;
  std::fill_n(gradients.bias, gradients.bias_heads * gradients.bias_queries * gradients.bias_keys, T{0});
  const std::int64_t shared_heads = gradients.bias_heads == 1 ? problem.heads : 1;
  const std::int64_t pieces = (gradients.bias_queries + attention_query_tile - 1) / attention_query_tile;
  parallel_for(0, gradients.bias_heads * pieces, 1, [&](std::int64_t first, std::int64_t last) {
    Scratch<T> memory(static_cast<std::size_t>(AttentionWorkspace<T>::size(problem, 0)));
    for (std::int64_t piece = first; piece < last; ++piece) {
      const std::int64_t begin = piece % pieces * attention_query_tile;
      for (std::int64_t h = 0; h < shared_heads; ++h)
        for (std::int64_t s = 0; s < problem.segments(); ++s) {
          const std::int64_t end = std::min(begin + attention_query_tile, problem.queries(s));
          if (begin >= end) continue;
          const AttentionTask task{s, piece / pieces + h, begin, end, 0, problem.keys(s), false, false, true};
          SAW_FOR_TARGET(attention_backward_task<T>)(problem, task, backward, memory.data());
        }
    }
  });
}

}  // namespace

bool attention_kept(std::int64_t query_row, std::int64_t heads, std::int64_t head, std::int64_t key, double dropout,
                    std::uint64_t seed, std::uint64_t stream) {
  const auto query_head = static_cast<std::uint64_t>(query_row * heads + head);
  const auto words = philox(seed, (query_head << 32) | static_cast<std::uint64_t>(key / 4), stream);
  return words[static_cast<std::size_t>(key % 4)] >= dropout_threshold(dropout);
}

template <class T>
void attention_forward(const AttentionProblem<T>& problem, T* output, T* logsumexp) {
  log_products(problem, false);
  Schedule<T> schedule(problem);
  for (std::int64_t s = 0; s < problem.segments(); ++s)
    for (std::int64_t head = 0; head < problem.heads; ++head)
      for_pieces(problem.queries(s), attention_query_tile, [&](std::int64_t begin, std::int64_t end) {
        schedule.add({s, head, begin, end, 0, problem.keys(s), false, false, false});
      });
  schedule.run([&](const AttentionTask& task, T* memory) {
    SAW_FOR_TARGET(attention_forward_task<T>)(problem, task, output, logsumexp, memory);
  });
}

template <class T>
void attention_backward(const AttentionProblem<T>& problem, const T* output, const T* logsumexp,
                        HeadRows<const T> grad_output, const AttentionGradients<T>& gradients) {
  const AttentionBackward<T, AttentionGradients<T>> backward{output, logsumexp, grad_output, gradients};
  backward_operands(problem, backward);
  backward_bias(problem, backward);
}

template void attention_forward(const AttentionProblem<float>&, float*, float*);
template void attention_forward(const AttentionProblem<double>&, double*, double*);
template void attention_backward(const AttentionProblem<float>&, const float*, const float*, HeadRows<const float>,
                                 const AttentionGradients<float>&);
template void attention_backward(const AttentionProblem<double>&, const double*, const double*, HeadRows<const double>,
                                 const AttentionGradients<double>&);

}  // namespace saw::kernels
#endif
