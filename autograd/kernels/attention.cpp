#include "saw/autograd/kernels/attention.h"

#include <algorithm>
#include <cstdint>
#include <vector>

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

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

void forward_float(const AttentionProblem<float>& problem, const AttentionTask& task, float* output, float* logsumexp,
                   float* memory) {
  forward_task(problem, task, output, logsumexp, memory);
}
void forward_double(const AttentionProblem<double>& problem, const AttentionTask& task, double* output,
                    double* logsumexp, double* memory) {
  forward_task(problem, task, output, logsumexp, memory);
}
void backward_float(const AttentionProblem<float>& problem, const AttentionTask& task,
                    const AttentionBackward<float>& backward, float* memory) {
  backward_task(problem, task, backward, memory);
}
void backward_double(const AttentionProblem<double>& problem, const AttentionTask& task,
                     const AttentionBackward<double>& backward, double* memory) {
  backward_task(problem, task, backward, memory);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_double);
HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);

void run_forward(const AttentionProblem<float>& problem, const AttentionTask& task, float* output, float* logsumexp,
                 float* memory) {
  HWY_DYNAMIC_DISPATCH(forward_float)(problem, task, output, logsumexp, memory);
}
void run_forward(const AttentionProblem<double>& problem, const AttentionTask& task, double* output, double* logsumexp,
                 double* memory) {
  HWY_DYNAMIC_DISPATCH(forward_double)(problem, task, output, logsumexp, memory);
}
void run_backward(const AttentionProblem<float>& problem, const AttentionTask& task,
                  const AttentionBackward<float>& backward, float* memory) {
  HWY_DYNAMIC_DISPATCH(backward_float)(problem, task, backward, memory);
}
void run_backward(const AttentionProblem<double>& problem, const AttentionTask& task,
                  const AttentionBackward<double>& backward, double* memory) {
  HWY_DYNAMIC_DISPATCH(backward_double)(problem, task, backward, memory);
}

std::int64_t length(std::span<const std::int64_t> offsets, std::int64_t segment) {
  const auto s = static_cast<std::size_t>(segment);
  return offsets[s + 1] - offsets[s];
}

/// Scores that a task computes, about: enough to balance by. Small tasks cost more than their products, hence the
/// constants.
template <class T>
std::int64_t cost(const AttentionProblem<T>& problem, const AttentionTask& task) {
  const std::int64_t queries = task.query_end - task.query_begin, keys = task.key_end - task.key_begin;
  const std::int64_t tile = std::min(queries, attention_query_tile);
  const std::int64_t window = problem.left > keys || problem.right > keys ? keys : problem.left + problem.right + tile;
  return (queries + 4) * (std::min(keys, window) + 8);
}

/// Tasks and where their groups end; a group is what a thread takes at a time.
struct Schedule {
  std::vector<AttentionTask> tasks;
  std::vector<std::size_t> ends;
  std::int64_t largest_cost = 0, total_cost = 0, open_cost = 0;

  template <class T>
  void add(const AttentionProblem<T>& problem, const AttentionTask& task) {
    // About 50 µs of work: little beside the cost of handing it out, much beside the imbalance at the end.
    const std::int64_t group_cost = 3'000'000 / (problem.width + problem.value_width);
    const std::int64_t c = cost(problem, task);
    tasks.push_back(task);
    total_cost += c;
    largest_cost = std::max(largest_cost, c);
    open_cost += c;
    if (open_cost >= group_cost) close();
  }
  void close() {
    if (!tasks.empty() && (ends.empty() || ends.back() != tasks.size())) ends.push_back(tasks.size());
    open_cost = 0;
  }

  /// Runs f(task, memory) for all tasks; tasks in a group share scratch memory.
  template <class T, class F>
  void run(const AttentionProblem<T>& problem, F f) {
    close();
    parallel_for(0, static_cast<std::int64_t>(ends.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      const std::size_t first = begin == 0 ? 0 : ends[static_cast<std::size_t>(begin) - 1];
      const std::size_t last = ends[static_cast<std::size_t>(end) - 1];
      std::int64_t keys = 0;
      for (std::size_t t = first; t < last; ++t)
        if (tasks[t].key_gradient) keys = std::max(keys, tasks[t].key_end - tasks[t].key_begin);
      Scratch<T> memory(static_cast<std::size_t>(AttentionWorkspace<T>::size(problem, keys)));
      for (std::size_t t = first; t < last; ++t) f(tasks[t], memory.data());
    });
  }
};

/// Calls f(begin, end) for pieces of `step` of 0 … size.
template <class F>
void for_pieces(std::int64_t size, std::int64_t step, F f) {
  for (std::int64_t begin = 0; begin < size; begin += step) f(begin, std::min(begin + step, size));
}

/// Says which products a pass makes: one of each kind per head and segment; `forward` of them or the five of backward.
template <class T>
void log_products(const AttentionProblem<T>& problem, bool backward) {
  for (std::int64_t s = 0; s + 1 < static_cast<std::int64_t>(problem.query_offsets.size()); ++s) {
    const std::int64_t queries = length(problem.query_offsets, s), keys = length(problem.key_offsets, s);
    if (queries == 0 || keys == 0) continue;
    const std::int64_t seen =
        std::min(keys, problem.left > keys || problem.right > keys ? keys : problem.left + problem.right + 1);
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
  Schedule schedule;
  for (std::int64_t s = 0; s + 1 < static_cast<std::int64_t>(problem.query_offsets.size()); ++s) {
    const std::int64_t queries = length(problem.query_offsets, s), keys = length(problem.key_offsets, s);
    for (std::int64_t head = 0; head < problem.heads; ++head) {
      for_pieces(queries, attention_query_tile, [&](std::int64_t begin, std::int64_t end) {
        schedule.add(problem, AttentionTask{s, head, begin, end, 0, keys, false, false, false});
      });
    }
  }
  schedule.run(problem,
               [&](const AttentionTask& task, T* memory) { run_forward(problem, task, output, logsumexp, memory); });
}

template <class T>
void attention_backward(const AttentionProblem<T>& problem, const T* output, const T* logsumexp,
                        HeadRows<const T> grad_output, const AttentionGradients<T>& gradients) {
  const AttentionBackward<T> backward{output, logsumexp, grad_output, gradients};
  const bool query_gradient = gradients.query != nullptr;
  const bool key_gradient = gradients.key != nullptr || gradients.value != nullptr;
  const std::int64_t segments = static_cast<std::int64_t>(problem.query_offsets.size()) - 1;
  const auto run = [&](Schedule& schedule) {
    schedule.run(problem, [&](const AttentionTask& task, T* memory) { run_backward(problem, task, backward, memory); });
  };
  if (query_gradient || key_gradient) {
    log_products(problem, true);
    // A task per head and segment computes each score once. Where that leaves threads idle, the two gradients are
    // computed apart, from scores computed twice, since then tasks can be smaller. The sums run in the same order.
    Schedule whole;
    for (std::int64_t s = 0; s < segments; ++s)
      for (std::int64_t head = 0; head < problem.heads; ++head)
        whole.add(problem, AttentionTask{s, head, 0, length(problem.query_offsets, s), 0,
                                         length(problem.key_offsets, s), query_gradient, key_gradient, false});
    if (whole.largest_cost * num_threads() <= whole.total_cost + whole.total_cost / 2) {
      run(whole);
    } else {
      Schedule apart;
      for (const AttentionTask& task : whole.tasks) {
        AttentionTask part = task;
        part.key_gradient = false;
        if (query_gradient)
          for_pieces(task.query_end, attention_query_tile, [&](std::int64_t begin, std::int64_t end) {
            part.query_begin = begin;
            part.query_end = end;
            apart.add(problem, part);
          });
        part = task;
        part.query_gradient = false;
        if (key_gradient)
          for_pieces(task.key_end, attention_key_tile, [&](std::int64_t begin, std::int64_t end) {
            part.key_begin = begin;
            part.key_end = end;
            apart.add(problem, part);
          });
      }
      run(apart);
    }
  }
  if (gradients.bias == nullptr) return;
  // Every segment, and every head that shares the bias, adds to the same rows: a task owns a tile of rows and visits
  // them all.
  std::fill_n(gradients.bias, gradients.bias_heads * gradients.bias_queries * gradients.bias_keys, T{0});
  const std::int64_t shared_heads = gradients.bias_heads == 1 ? problem.heads : 1;
  const std::int64_t pieces = (gradients.bias_queries + attention_query_tile - 1) / attention_query_tile;
  parallel_for(0, gradients.bias_heads * pieces, 1, [&](std::int64_t first, std::int64_t last) {
    Scratch<T> memory(static_cast<std::size_t>(AttentionWorkspace<T>::size(problem, 0)));
    for (std::int64_t piece = first; piece < last; ++piece) {
      const std::int64_t begin = piece % pieces * attention_query_tile;
      for (std::int64_t h = 0; h < shared_heads; ++h)
        for (std::int64_t s = 0; s < segments; ++s) {
          const std::int64_t end = std::min(begin + attention_query_tile, length(problem.query_offsets, s));
          if (begin >= end) continue;
          run_backward(
              problem,
              AttentionTask{s, piece / pieces + h, begin, end, 0, length(problem.key_offsets, s), false, false, true},
              backward, memory.data());
        }
    }
  });
}

template void attention_forward(const AttentionProblem<float>&, float*, float*);
template void attention_forward(const AttentionProblem<double>&, double*, double*);
template void attention_backward(const AttentionProblem<float>&, const float*, const float*, HeadRows<const float>,
                                 const AttentionGradients<float>&);
template void attention_backward(const AttentionProblem<double>&, const double*, const double*, HeadRows<const double>,
                                 const AttentionGradients<double>&);

}  // namespace saw::kernels
#endif
