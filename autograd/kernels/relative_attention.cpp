#include "saw/autograd/kernels/relative_attention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

void relative_forward_float(const RelativeAttentionProblem<float>& problem, const RelativeTask& task,
                            const TransposedPositions<float>& positions, const RelativeWorkspace<float>& work,
                            float* output, float* logsumexp) {
  forward_task(problem, task, positions, work, output, logsumexp);
}
void relative_forward_double(const RelativeAttentionProblem<double>& problem, const RelativeTask& task,
                             const TransposedPositions<double>& positions, const RelativeWorkspace<double>& work,
                             double* output, double* logsumexp) {
  forward_task(problem, task, positions, work, output, logsumexp);
}
void relative_backward_float(const RelativeAttentionProblem<float>& problem, const RelativeTask& task,
                             const TransposedPositions<float>& positions, const RelativeWorkspace<float>& work,
                             const RelativeBackward<float>& backward, const SharedGradients<float>& shared) {
  backward_task(problem, task, positions, work, backward, shared);
}
void relative_backward_double(const RelativeAttentionProblem<double>& problem, const RelativeTask& task,
                              const TransposedPositions<double>& positions, const RelativeWorkspace<double>& work,
                              const RelativeBackward<double>& backward, const SharedGradients<double>& shared) {
  backward_task(problem, task, positions, work, backward, shared);
}
void transpose_rows_float(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, float* to,
                          std::int64_t to_row) {
  transpose_tile(from, from_row, rows, columns, to, to_row);
}
void transpose_rows_double(const double* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns,
                           double* to, std::int64_t to_row) {
  transpose_tile(from, from_row, rows, columns, to, to_row);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(relative_forward_float);
HWY_EXPORT(relative_forward_double);
HWY_EXPORT(relative_backward_float);
HWY_EXPORT(relative_backward_double);
HWY_EXPORT(transpose_rows_float);
HWY_EXPORT(transpose_rows_double);

void run_forward(const RelativeAttentionProblem<float>& problem, const RelativeTask& task,
                 const TransposedPositions<float>& positions, const RelativeWorkspace<float>& work, float* output,
                 float* logsumexp) {
  HWY_DYNAMIC_DISPATCH(relative_forward_float)(problem, task, positions, work, output, logsumexp);
}
void run_forward(const RelativeAttentionProblem<double>& problem, const RelativeTask& task,
                 const TransposedPositions<double>& positions, const RelativeWorkspace<double>& work, double* output,
                 double* logsumexp) {
  HWY_DYNAMIC_DISPATCH(relative_forward_double)(problem, task, positions, work, output, logsumexp);
}
void run_backward(const RelativeAttentionProblem<float>& problem, const RelativeTask& task,
                  const TransposedPositions<float>& positions, const RelativeWorkspace<float>& work,
                  const RelativeBackward<float>& backward, const SharedGradients<float>& shared) {
  HWY_DYNAMIC_DISPATCH(relative_backward_float)(problem, task, positions, work, backward, shared);
}
void run_backward(const RelativeAttentionProblem<double>& problem, const RelativeTask& task,
                  const TransposedPositions<double>& positions, const RelativeWorkspace<double>& work,
                  const RelativeBackward<double>& backward, const SharedGradients<double>& shared) {
  HWY_DYNAMIC_DISPATCH(relative_backward_double)(problem, task, positions, work, backward, shared);
}
void transpose_rows(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, float* to,
                    std::int64_t to_row) {
  HWY_DYNAMIC_DISPATCH(transpose_rows_float)(from, from_row, rows, columns, to, to_row);
}
void transpose_rows(const double* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, double* to,
                    std::int64_t to_row) {
  HWY_DYNAMIC_DISPATCH(transpose_rows_double)(from, from_row, rows, columns, to, to_row);
}

template <class T>
std::int64_t segment_count(const RelativeAttentionProblem<T>& problem) {
  return static_cast<std::int64_t>(problem.offsets.size()) - 1;
}

template <class T>
std::int64_t length_of(const RelativeAttentionProblem<T>& problem, std::int64_t segment) {
  const auto s = static_cast<std::size_t>(segment);
  return problem.offsets[s + 1] - problem.offsets[s];
}

template <class T>
std::int64_t longest(const RelativeAttentionProblem<T>& problem) {
  std::int64_t length = 0;
  for (std::int64_t s = 0; s < segment_count(problem); ++s) length = std::max(length, length_of(problem, s));
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

/// Scores that a head computes for some queries of a segment, about: enough to balance by. Small tasks cost more than
/// their products, hence the constants.
template <class T>
std::int64_t cost(const RelativeAttentionProblem<T>& problem, std::int64_t queries, std::int64_t length) {
  return (queries + 4) * (seen_of(problem, length) + 8);
}

/// Says which products a pass makes, one of each kind per head and segment, with all distances of a segment as a
/// program without knowledge of tiles would multiply them: three forward, the eight of backward.
template <class T>
void log_products(const RelativeAttentionProblem<T>& problem, bool backward) {
  const std::int64_t heads = problem.heads, width = problem.width, value_width = problem.value_width;
  for (std::int64_t s = 0; s < segment_count(problem); ++s) {
    const std::int64_t length = length_of(problem, s);
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
      for (std::int64_t head = begin; head < end; ++head)
        transpose_rows(from.data + (problem.reach - reach_) * from.row + head * from.head, from.row, distances_,
                       problem.width, memory_.data() + head * problem.width * stride_, stride_);
    });
  }

  TransposedPositions<T> get() { return {reach_, stride_, memory_.data()}; }
  std::int64_t distances() const { return distances_; }

 private:
  std::int64_t distances_, stride_, reach_;
  Scratch<T> memory_;
};

/// Tasks, and where the groups of them end that a thread takes at a time.
struct Groups {
  std::vector<RelativeTask> tasks;
  std::vector<std::size_t> ends;
};

template <class T>
Groups forward_groups(const RelativeAttentionProblem<T>& problem) {
  // Several tiles share the transposed keys.
  constexpr std::int64_t task_queries = 4 * relative_query_tile;
  // About 50 µs of work: little beside the cost of handing it out, much beside the imbalance at the end.
  const std::int64_t group_cost = 3'000'000 / (2 * problem.width + problem.value_width);
  Groups groups;
  std::int64_t open = 0;
  const auto close = [&] {
    if (open > 0) groups.ends.push_back(groups.tasks.size());
    open = 0;
  };
  for (std::int64_t s = 0; s < segment_count(problem); ++s) {
    const std::int64_t length = length_of(problem, s);
    for (std::int64_t head = 0; head < problem.heads; ++head)
      for (std::int64_t begin = 0; begin < length; begin += task_queries) {
        const std::int64_t end = std::min(begin + task_queries, length);
        groups.tasks.push_back({s, head, begin, end});
        open += cost(problem, end - begin, length);
        if (open >= group_cost) close();
      }
  }
  close();
  return groups;
}

/// Neighbouring segments in parts of about equal cost: the first segment of each part, and behind them the number of
/// segments. A task of backward is a part and a head: a segment is not split, since its keys and values gather
/// gradients from all of its queries. The gradients that segments share are summed within each part and then over the
/// parts, so the parts depend on the shapes alone; each needs memory for such sums, so that there are only as many as
/// keep the threads of a large machine busy.
template <class T>
std::vector<std::int64_t> backward_parts(const RelativeAttentionProblem<T>& problem) {
  constexpr std::int64_t tasks = 32;
  const std::int64_t segments = segment_count(problem);
  const std::int64_t heads = std::max<std::int64_t>(problem.heads, 1);
  const std::int64_t count = std::min((tasks + heads - 1) / heads, segments);
  std::int64_t total = 0;
  for (std::int64_t s = 0; s < segments; ++s) total += cost(problem, length_of(problem, s), length_of(problem, s));
  std::vector<std::int64_t> begins = {0};
  std::int64_t sum = 0;
  for (std::int64_t s = 0; s < segments; ++s) {
    sum += cost(problem, length_of(problem, s), length_of(problem, s));
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
  const Groups groups = forward_groups(problem);
  parallel_for(0, static_cast<std::int64_t>(groups.ends.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    const std::size_t first = begin == 0 ? 0 : groups.ends[static_cast<std::size_t>(begin) - 1];
    const std::size_t last = groups.ends[static_cast<std::size_t>(end) - 1];
    std::int64_t length = 0;
    for (std::size_t t = first; t < last; ++t) length = std::max(length, length_of(problem, groups.tasks[t].segment));
    Scratch<T> memory(static_cast<std::size_t>(RelativeWorkspace<T>::size(problem, length, false)));
    const RelativeWorkspace<T> work(problem, length, false, memory.data());
    for (std::size_t t = first; t < last; ++t)
      run_forward(problem, groups.tasks[t], columns.get(), work, output, logsumexp);
  });
}

template <class T>
void relative_attention_backward(const RelativeAttentionProblem<T>& problem, const T* output, const T* logsumexp,
                                 HeadRows<const T> grad_output, const RelativeAttentionGradients<T>& gradients) {
  log_products(problem, true);
  const RelativeBackward<T> backward{output, logsumexp, grad_output, gradients};
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
      for (std::int64_t s = begin; s < end; ++s) length = std::max(length, length_of(problem, s));
      Scratch<T> memory(static_cast<std::size_t>(RelativeWorkspace<T>::size(problem, length, true)));
      const RelativeWorkspace<T> work(problem, length, true, memory.data());
      const SharedGradients<T> shared = gradients.of_positions() ? sums.cleared(part, head) : SharedGradients<T>{};
      for (std::int64_t s = begin; s < end; ++s)
        run_backward(problem, RelativeTask{s, head, 0, length_of(problem, s)}, columns.get(), work, backward, shared);
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
