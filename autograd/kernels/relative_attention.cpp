#include "saw/autograd/kernels/relative_attention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm_log.h"
#include "saw/autograd/kernels/relative_attention_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/relative_attention.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/relative_attention_tiles-inl.h"
#include "saw/autograd/kernels/targets.h"

#if HWY_ONCE
namespace saw::kernels {
namespace {

template <class T>
std::int64_t longest(const RelativeAttentionProblem<T>& problem) {
  std::int64_t length = 0;
  for (std::int64_t s = 0; s < problem.segments(); ++s) length = std::max(length, problem.keys(s));
  return length;
}

/// How many distances there are between the queries of a segment and the keys they see.
template <class T>
std::int64_t distances_of(const RelativeAttentionProblem<T>& problem, std::int64_t length) {
  return std::min(problem.left, length - 1) + std::min(problem.right, length - 1) + 1;
}

/// How many keys a query sees, at most.
template <class T>
std::int64_t seen_of(const RelativeAttentionProblem<T>& problem, std::int64_t length) {
  return std::min(length, distances_of(problem, length));
}

template <class T>
std::int64_t cost(const RelativeAttentionProblem<T>& problem, std::int64_t queries, std::int64_t length) {
  return attention_cost(queries, seen_of(problem, length));
}

/// Says which products a pass makes, one of each kind per head and segment, with all distances of a segment as a
/// program without knowledge of tiles would multiply them: three forward, the eight of backward.
template <class T>
void log_products(const RelativeAttentionProblem<T>& problem, bool backward) {
  const std::int64_t heads = problem.heads, width = problem.width, value_width = problem.value_width;
  for (std::int64_t s = 0; s < problem.segments(); ++s) {
    const std::int64_t length = problem.keys(s);
    if (length == 0) continue;
    const std::int64_t seen = seen_of(problem, length), distances = distances_of(problem, length);
    const auto log = [&](bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k) {
      log_gemm(transpose_a, transpose_b, m, n, k, sizeof(T), heads);
    };
    log(false, true, length, seen, width);
    log(false, true, length, distances, width);
    if (!backward) {
      log(false, false, length, value_width, seen);
      continue;
    }
    log(false, true, length, seen, value_width);
    log(true, false, seen, value_width, length);
    log(true, false, seen, width, length);
    log(true, false, distances, width, length);
    log(false, false, length, width, seen);
    log(false, false, length, width, distances);
  }
}

/// The rows of `positions` that `length` asks for, transposed.
template <class T>
class PositionColumns {
 public:
  PositionColumns(const RelativeAttentionProblem<T>& problem, std::int64_t length)
      : distances_(std::max<std::int64_t>(0, 2 * length - 1)),
        stride_(padded_row<T>(distances_)),
        reach_(length - 1),
        memory_(static_cast<std::size_t>(problem.heads * problem.width * stride_)) {
    const HeadRows<const T>& from = problem.positions;
    parallel_for(0, problem.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t head = begin; head < end; ++head) SAW_FOR_TARGET(transpose_tile<T>)
      (from.data + (problem.reach - reach_) * from.row + head * from.head, from.row, distances_, problem.width,
       memory_.data() + head * problem.width * stride_, stride_);
    });
  }

  TransposedPositions<T> get() { return {reach_, stride_, memory_.data()}; }
  std::int64_t distances() const { return distances_; }

 private:
  std::int64_t distances_, stride_, reach_;
  Scratch<T> memory_;
};

/// Neighbouring segments in parts of about equal cost: the first segment of each part, and behind them the number of
/// segments. A task of backward is a part and a head: a segment is not split, since its keys and values gather
/// gradients from all of its queries. The gradients that segments share are summed within each part and then over the
/// parts, so the parts depend on the shapes alone; each needs memory for such sums, so that there are only as many as
/// keep the threads of a large machine busy.
template <class T>
std::vector<std::int64_t> backward_parts(const RelativeAttentionProblem<T>& problem) {
  constexpr std::int64_t tasks = 32;
  const std::int64_t segments = problem.segments();
  const std::int64_t heads = std::max<std::int64_t>(problem.heads, 1);
  const std::int64_t count = std::min((tasks + heads - 1) / heads, segments);
  std::int64_t total = 0;
  for (std::int64_t s = 0; s < segments; ++s) total += cost(problem, problem.keys(s), problem.keys(s));
  std::vector<std::int64_t> begins = {0};
  std::int64_t sum = 0;
  for (std::int64_t s = 0; s < segments; ++s) {
    sum += cost(problem, problem.keys(s), problem.keys(s));
    const auto part = static_cast<std::int64_t>(begins.size());
    if (s + 1 < segments && part < count && sum * count >= total * part) begins.push_back(s + 1);
  }
  begins.push_back(segments);
  return begins;
}

/// What the tasks of backward gathered for positions and biases: for every part and head a row for each distance and
/// the two biases.
template <class T>
class SharedSums {
 public:
  SharedSums(const RelativeAttentionProblem<T>& problem, std::int64_t distances, std::int64_t parts, bool wanted)
      : problem_(problem),
        distances_(distances),
        parts_(parts),
        size_((distances + 2) * problem.width),
        memory_(wanted ? static_cast<std::size_t>(parts * problem.heads * size_) : 0) {}

  /// Zeros, for one task to add to.
  SharedGradients<T> cleared(std::int64_t part, std::int64_t head) {
    T* begin = memory_.data() + (part * problem_.heads + head) * size_;
    std::fill_n(begin, size_, T{0});
    T* biases = begin + distances_ * problem_.width;
    return {begin, biases, biases + problem_.width};
  }

  /// Writes the sums over all parts, in their order.
  void write(const RelativeAttentionGradients<T>& gradients) {
    const std::int64_t heads = problem_.heads, width = problem_.width;
    const std::int64_t rows = 2 * problem_.reach + 1, unused = (rows - distances_) / 2;
    for (std::int64_t head = 0; head < heads; ++head) {
      if (gradients.content_bias != nullptr)
        add(head, distances_, problem_.scale, gradients.content_bias + head * width);
      if (gradients.position_bias != nullptr)
        add(head, distances_ + 1, problem_.scale, gradients.position_bias + head * width);
    }
    if (gradients.positions == nullptr) return;
    parallel_for(0, rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        for (std::int64_t head = 0; head < heads; ++head) {
          T* to = gradients.positions + (row * heads + head) * width;
          if (row >= unused && row < unused + distances_)
            add(head, row - unused, T{1}, to);
          else
            std::fill_n(to, width, T{0});
        }
    });
  }

 private:
  /// One row of all parts.
  void add(std::int64_t head, std::int64_t row, T factor, T* to) {
    const std::int64_t heads = problem_.heads, width = problem_.width;
    std::fill_n(to, width, T{0});
    for (std::int64_t part = 0; part < parts_; ++part) {
      const T* from = memory_.data() + (part * heads + head) * size_ + row * width;
      for (std::int64_t p = 0; p < width; ++p) to[p] += from[p];
    }
    for (std::int64_t p = 0; p < width; ++p) to[p] *= factor;
  }

  const RelativeAttentionProblem<T>& problem_;
  std::int64_t distances_, parts_, size_;
  Scratch<T> memory_;
};

}  // namespace

template <class T>
void relative_attention_forward(const RelativeAttentionProblem<T>& problem, T* output, T* logsumexp) {
  log_products(problem, false);
  PositionColumns<T> columns(problem, longest(problem));
  constexpr std::int64_t task_queries = 4 * relative_query_tile;  // several tiles share the transposed keys
  TaskGroups<RelativeTask> groups(2 * problem.width + problem.value_width);
  for (std::int64_t s = 0; s < problem.segments(); ++s)
    for (std::int64_t head = 0; head < problem.heads; ++head)
      for_pieces(problem.queries(s), task_queries, [&](std::int64_t begin, std::int64_t end) {
        groups.add({s, head, begin, end}, cost(problem, end - begin, problem.keys(s)));
      });
  groups.run([&](std::span<const RelativeTask> tasks) {
    std::int64_t length = 0;
    for (const RelativeTask& task : tasks) length = std::max(length, problem.keys(task.segment));
    Scratch<T> memory(static_cast<std::size_t>(RelativeWorkspace<T>::size(problem, length, false)));
    const RelativeWorkspace<T> work(problem, length, false, memory.data());
    for (const RelativeTask& task : tasks)
      SAW_FOR_TARGET(relative_forward_task<T>)(problem, task, columns.get(), work, output, logsumexp);
  });
}

template <class T>
void relative_attention_backward(const RelativeAttentionProblem<T>& problem, const T* output, const T* logsumexp,
                                 HeadRows<const T> grad_output, const RelativeAttentionGradients<T>& gradients) {
  log_products(problem, true);
  const AttentionBackward<T, RelativeAttentionGradients<T>> backward{output, logsumexp, grad_output, gradients};
  PositionColumns<T> columns(problem, longest(problem));
  const std::vector<std::int64_t> begins = backward_parts(problem);
  const auto parts = static_cast<std::int64_t>(begins.size()) - 1;
  SharedSums<T> sums(problem, columns.distances(), parts, gradients.of_positions());
  parallel_for(0, parts * problem.heads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t part = task / problem.heads, head = task % problem.heads;
      const std::int64_t begin = begins[static_cast<std::size_t>(part)],
                         end = begins[static_cast<std::size_t>(part) + 1];
      std::int64_t length = 0;
      for (std::int64_t s = begin; s < end; ++s) length = std::max(length, problem.keys(s));
      Scratch<T> memory(static_cast<std::size_t>(RelativeWorkspace<T>::size(problem, length, true)));
      const RelativeWorkspace<T> work(problem, length, true, memory.data());
      const SharedGradients<T> shared = gradients.of_positions() ? sums.cleared(part, head) : SharedGradients<T>{};
      for (std::int64_t s = begin; s < end; ++s) SAW_FOR_TARGET(relative_backward_task<T>)
      (problem, RelativeTask{s, head, 0, problem.keys(s)}, columns.get(), work, backward, shared);
    }
  });
  if (gradients.of_positions()) sums.write(gradients);
}

template void relative_attention_forward(const RelativeAttentionProblem<float>&, float*, float*);
template void relative_attention_forward(const RelativeAttentionProblem<double>&, double*, double*);
template void relative_attention_backward(const RelativeAttentionProblem<float>&, const float*, const float*,
                                          HeadRows<const float>, const RelativeAttentionGradients<float>&);
template void relative_attention_backward(const RelativeAttentionProblem<double>&, const double*, const double*,
                                          HeadRows<const double>, const RelativeAttentionGradients<double>&);

}  // namespace saw::kernels
#endif
