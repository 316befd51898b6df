// Per-target: a tile of queries of one head of one segment, with all keys that they see.
//
// Queries i (Q of them) and keys j (K) are counted from the tile's first. Their distances are columns c = Q − 1 − i + j
// of a matrix of W = K + Q − 1 columns. Row i of it holds what belongs to key j at i·W + Q − 1 − i + j = Q − 1 + i·(W −
// 1) + j: read with a stride of W − 1 from its Q-th element on, the same memory is the matrix of queries and keys. So
// the product with the distances writes its rows, the product with the keys adds to them by the other stride, and the
// relative shift costs nothing; likewise backward.

#if defined(SAW_AUTOGRAD_KERNELS_RELATIVE_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_RELATIVE_ATTENTION_TILES_INL_H_
#undef SAW_AUTOGRAD_KERNELS_RELATIVE_ATTENTION_TILES_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_RELATIVE_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/kernels/attention_math-inl.h"
#include "saw/autograd/kernels/attention_schedule.h"
#include "saw/autograd/kernels/relative_attention_task.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
struct RelativeTile {
  const RelativeAttentionProblem<T>& problem;
  const RelativeWorkspace<T>& work;
  std::int64_t head;
  std::int64_t query_begin, queries;  // positions in the segment
  std::int64_t key_begin, keys;
  std::int64_t query_row, key_row;  // rows of the first query and key among all
  std::int64_t distances;           // W
  std::int64_t first_distance;      // the largest distance in the tile, that of column 0
  std::int64_t transposed_key;      // where its first key lies among those transposed in `work`

  /// `transposed_begin`: the first key that was transposed.
  RelativeTile(const RelativeAttentionProblem<T>& problem_, const RelativeWorkspace<T>& work_, const RelativeTask& task,
               std::int64_t begin, std::int64_t transposed_begin)
      : problem(problem_), work(work_), head(task.head), query_begin(begin) {
    const std::int64_t row = problem.first_key(task.segment);
    queries = std::min(relative_query_tile, task.query_end - begin);
    const KeyRange visible = visible_keys(problem, begin, begin + queries, {0, problem.keys(task.segment)});
    key_begin = visible.begin;
    keys = visible.count();
    query_row = row + query_begin;
    key_row = row + key_begin;
    distances = keys + queries - 1;
    first_distance = query_begin + queries - 1 - key_begin;
    transposed_key = key_begin - transposed_begin;
  }

  const T* row_of(const HeadRows<const T>& x, std::int64_t row) const { return x.data + row * x.row + head * x.head; }
  const T* key() const { return row_of(problem.key, key_row); }
  const T* value() const { return row_of(problem.value, key_row); }
  /// The row of `positions` for column c.
  const T* position(std::int64_t c) const { return row_of(problem.positions, problem.reach - first_distance + c); }

  /// Of a matrix (queries, distances): where its elements for the keys begin, and the stride of their rows.
  T* by_key(T* matrix) const { return matrix + queries - 1; }
  std::int64_t key_stride() const { return distances - 1; }

  KeyRange seen_by(std::int64_t i) const {
    return {std::max<std::int64_t>(0, query_begin + i - problem.left - key_begin),
            std::min(keys, query_begin + i + problem.right + 1 - key_begin)};
  }

  /// Calls f(first query, queries, first column, columns) for the blocks of products with distances.
  template <class F>
  HWY_INLINE void for_diagonal_blocks(F f) const {
    for (std::int64_t begin = 0; begin < queries; begin += relative_diagonal_block) {
      const std::int64_t end = std::min(queries, begin + relative_diagonal_block);
      f(begin, end - begin, queries - end, keys + end - begin - 1);
    }
  }

  /// scale · (q + bias) of the queries.
  void load_queries(const T* bias, T* to) const {
    const hn::ScalableTag<T> d;
    const auto scale = hn::Set(d, problem.scale);
    const T* from = row_of(problem.query, query_row);
    bias += head * problem.width;
    for (std::int64_t i = 0; i < queries; ++i, from += problem.query.row, to += problem.width)
      for_row(d, static_cast<std::size_t>(problem.width),
              [&](auto at) HWY_ATTR { at.store(hn::Mul(scale, hn::Add(at.load(from), at.load(bias))), to); });
  }

  /// The scores of all queries and keys, from transposed keys and positions, with scale.
  void compute_scores(const TransposedPositions<T>& positions) const {
    load_queries(problem.content_bias, work.content);
    load_queries(problem.position_bias, work.position);
    const std::int64_t width = problem.width;
    const T* columns = positions.of_head(head, width) + positions.reach - first_distance;
    for_diagonal_blocks([&](std::int64_t i, std::int64_t rows, std::int64_t c, std::int64_t count) HWY_ATTR {
      multiply_tile(TileProduct<T>{rows, count, width, work.position + i * width, width, 1, columns + c,
                                   positions.stride, work.scores + i * distances + c, distances, false});
    });
    multiply_tile(TileProduct<T>{queries, keys, width, work.content, width, 1, work.keys + transposed_key,
                                 work.key_stride, by_key(work.scores), key_stride(), true});
  }

  /// What dropout multiplies the weights of query i and the tile's keys by.
  void draw_dropout(std::int64_t i, T* factors) const {
    const hn::ScalableTag<std::uint32_t> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    HWY_ALIGN std::uint32_t words[4 * hn::MaxLanes(hn::ScalableTag<std::uint32_t>())];
    const std::uint32_t threshold = dropout_threshold(problem.dropout);
    const T kept = static_cast<T>(dropout_factor(problem.dropout));
    const auto query_head = static_cast<std::uint64_t>((query_row + i) * problem.heads + head);
    for (std::int64_t block = key_begin / 4; block * 4 < key_begin + keys; block += lanes) {
#if HWY_TARGET == HWY_SCALAR
      const auto four = philox(problem.seed, (query_head << 32) | static_cast<std::uint64_t>(block), problem.stream);
      std::copy(four.begin(), four.end(), words);
#else
      const auto drawn = philox_lanes(d, problem.seed, hn::Iota(d, static_cast<std::uint32_t>(block)),
                                      hn::Set(d, static_cast<std::uint32_t>(query_head)), problem.stream);
      hn::StoreInterleaved4(drawn.w0, drawn.w1, drawn.w2, drawn.w3, d, words);
#endif
      const std::int64_t begin = std::max(key_begin, block * 4), end = std::min(key_begin + keys, (block + lanes) * 4);
      const std::uint32_t* from = words + (begin - block * 4);
      T* to = factors + (begin - key_begin);
      for (std::int64_t j = 0; j < end - begin; ++j) to[j] = from[j] < threshold ? T{0} : kept;
    }
  }
};

/// Scores become weights exp(score − maximum), 0 where the window hides the key, times dropout.
template <class T>
void weigh_rows(const RelativeTile<T>& tile, T* maximum, T* sum) {
  const hn::ScalableTag<T> d;
  T* row = tile.by_key(tile.work.scores);
  for (std::int64_t i = 0; i < tile.queries; ++i, row += tile.key_stride()) {
    const KeyRange seen = tile.seen_by(i);
    const auto count = static_cast<std::size_t>(seen.count());
    T* scores = row + seen.begin;
    const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    auto largest = lowest;
    for_row(d, count, [&](auto at) HWY_ATTR { largest = hn::Max(largest, at.keep(at.load(scores), lowest)); });
    const auto shift = hn::MaxOfLanes(d, largest);
    auto total = hn::Zero(d);
    for_row(d, count, [&](auto at) HWY_ATTR {
      const auto weight = exp_bounded(d, hn::Sub(at.load(scores), shift));
      at.store(weight, scores);
      total = hn::Add(total, at.keep(weight, hn::Zero(d)));
    });
    maximum[i] = hn::GetLane(shift);
    sum[i] = hn::GetLane(hn::SumOfLanes(d, total));
    std::fill(row, scores, T{0});
    std::fill(row + seen.end, row + tile.keys, T{0});
    if (tile.problem.dropout > 0) {
      tile.draw_dropout(i, tile.work.factors);
      multiply_elements(row, tile.work.factors, tile.keys);
    }
  }
}

template <class T>
void forward_tile(const RelativeTile<T>& tile, const TransposedPositions<T>& positions, T* output, T* logsumexp) {
  const RelativeAttentionProblem<T>& problem = tile.problem;
  const RelativeWorkspace<T>& work = tile.work;
  const hn::ScalableTag<T> d;
  const std::int64_t heads = problem.heads, width = problem.value_width, queries = tile.queries;
  T* maximum = work.rows;
  T* sum = maximum + relative_query_tile;
  tile.compute_scores(positions);
  weigh_rows(tile, maximum, sum);
  multiply_tile(TileProduct<T>{queries, width, tile.keys, tile.by_key(work.scores), tile.key_stride(), 1, tile.value(),
                               problem.value.row, work.sums, width, false});
  scale_rows(
      work.sums, queries, width, [sum](std::int64_t i) { return T{1} / sum[i]; },
      output + (tile.query_row * heads + tile.head) * width, heads * width);
  for_row(d, static_cast<std::size_t>(queries),
          [&](auto at) HWY_ATTR { at.store(logsumexp_of(d, at.load(maximum), at.load(sum)), maximum); });
  for (std::int64_t i = 0; i < queries; ++i) logsumexp[(tile.query_row + i) * heads + tile.head] = maximum[i];
}

template <class T>
void relative_forward_task(const RelativeAttentionProblem<T>& problem, const RelativeTask& task,
                           const TransposedPositions<T>& positions, const RelativeWorkspace<T>& work, T* output,
                           T* logsumexp) {
  const std::int64_t row = problem.first_key(task.segment);
  const KeyRange keys = visible_keys(problem, task.query_begin, task.query_end, {0, problem.keys(task.segment)});
  transpose_tile(problem.key.data + (row + keys.begin) * problem.key.row + task.head * problem.key.head,
                 problem.key.row, keys.count(), problem.width, work.keys, work.key_stride);
  for (std::int64_t begin = task.query_begin; begin < task.query_end; begin += relative_query_tile)
    forward_tile(RelativeTile<T>(problem, work, task, begin, keys.begin), positions, output, logsumexp);
}

/// Scores become weights times dropout, and the gradients of those weights become gradients of the scores, 0 as well
/// for the distances beside those to the keys that blocks of products reach.
template <bool drops, class T>
void differentiate_rows(const RelativeTile<T>& tile, const T* logsumexp, const T* inner) {
  const hn::ScalableTag<T> d;
  T* factors = tile.work.factors;
  for (std::int64_t i = 0; i < tile.queries; ++i) {
    const std::int64_t key_column = tile.queries - 1 - i;
    T* all_gradients = tile.work.gradients + i * tile.distances;
    T* gradients = all_gradients + key_column;
    T* scores = tile.work.scores + i * tile.distances + key_column;
    const KeyRange seen = tile.seen_by(i);
    const auto shift = hn::Set(d, logsumexp[i]), mean = hn::Set(d, inner[i]);
    if (drops) tile.draw_dropout(i, factors);
    for_row(d, static_cast<std::size_t>(seen.count()), [&](auto at) HWY_ATTR {
      const auto weight = exp_bounded(d, hn::Sub(at.load(scores + seen.begin), shift));
      auto kept = weight, gradient = at.load(gradients + seen.begin);
      if (drops) {
        const auto factor = at.load(factors + seen.begin);
        kept = hn::Mul(weight, factor);
        gradient = hn::Mul(gradient, factor);
      }
      at.store(kept, scores + seen.begin);
      at.store(hn::Mul(weight, hn::Sub(gradient, mean)), gradients + seen.begin);
    });
    constexpr std::int64_t margin = relative_diagonal_block - 1;
    std::fill(scores, scores + seen.begin, T{0});
    std::fill(scores + seen.end, scores + tile.keys, T{0});
    std::fill(all_gradients + std::max<std::int64_t>(0, key_column - margin), gradients + seen.begin, T{0});
    std::fill(gradients + seen.end, all_gradients + std::min(tile.distances, key_column + tile.keys + margin), T{0});
  }
}

/// to += Σ rows of from.
template <class T>
HWY_INLINE void add_rows(const T* from, std::int64_t rows, std::int64_t width, T* to) {
  const hn::ScalableTag<T> d;
  for_row(d, static_cast<std::size_t>(width), [&](auto at) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::int64_t i = 0; i < rows; ++i) sum = hn::Add(sum, at.load(from + i * width));
    at.store(hn::Add(at.load(to), sum), to);
  });
}

/// Adds the tile's part of the gradient of the positions: for column c the sum over the queries that have a key there.
/// The columns that all of them have are one product, those at both ends go by blocks.
template <class T>
void add_position_gradient(const RelativeTile<T>& tile, T* to) {
  const RelativeWorkspace<T>& work = tile.work;
  const std::int64_t queries = tile.queries, keys = tile.keys, distances = tile.distances, width = tile.problem.width;
  for (std::int64_t begin = 0, end = 0; begin < distances; begin = end) {
    const bool shared = begin >= queries - 1 && begin < keys;
    end = shared ? keys : std::min(begin + relative_diagonal_block, distances);
    const std::int64_t first = std::max<std::int64_t>(0, queries - end);
    const std::int64_t last = std::min(queries, queries + keys - 1 - begin);
    multiply_tile(TileProduct<T>{end - begin, width, last - first, work.gradients + first * distances + begin, 1,
                                 distances, work.position + first * width, width, to + begin * width, width, true});
  }
}

template <class T>
void backward_tile(const RelativeTile<T>& tile, const TransposedPositions<T>& positions,
                   const AttentionBackward<T, RelativeAttentionGradients<T>>& backward,
                   const SharedGradients<T>& shared) {
  const RelativeAttentionProblem<T>& problem = tile.problem;
  const RelativeAttentionGradients<T>& gradients = backward.gradients;
  const RelativeWorkspace<T>& work = tile.work;
  const std::int64_t heads = problem.heads, width = problem.width, value_width = problem.value_width;
  const std::int64_t queries = tile.queries, keys = tile.keys, distances = tile.distances;
  const HeadRows<const T>& grad_rows = backward.grad_output;
  const T* grad_output = tile.row_of(grad_rows, tile.query_row);
  const std::int64_t first_query = tile.query_row * heads + tile.head, first_key = tile.key_row * heads + tile.head;
  T* logsumexp = work.rows;
  T* inner = logsumexp + relative_query_tile;
  load_query_sums(problem, backward, tile.query_row, tile.head, queries, logsumexp, inner);

  tile.compute_scores(positions);
  multiply_tile(TileProduct<T>{queries, keys, value_width, grad_output, grad_rows.row, 1,
                               work.values + tile.transposed_key, work.key_stride, tile.by_key(work.gradients),
                               tile.key_stride(), false});
  if (problem.dropout > 0)
    differentiate_rows<true>(tile, logsumexp, inner);
  else
    differentiate_rows<false>(tile, logsumexp, inner);

  if (gradients.value != nullptr)
    multiply_tile(TileProduct<T>{keys, value_width, queries, tile.by_key(work.scores), 1, tile.key_stride(),
                                 grad_output, grad_rows.row, gradients.value + first_key * value_width,
                                 heads * value_width, true});
  const T* by_key = tile.by_key(work.gradients);
  if (gradients.key != nullptr)
    multiply_tile(TileProduct<T>{keys, width, queries, by_key, 1, tile.key_stride(), work.content, width,
                                 gradients.key + first_key * width, heads * width, true});
  if (gradients.positions != nullptr)
    add_position_gradient(tile, shared.positions + (positions.reach - tile.first_distance) * width);
  if (gradients.query == nullptr && gradients.content_bias == nullptr && gradients.position_bias == nullptr) return;
  multiply_tile(TileProduct<T>{queries, width, keys, by_key, tile.key_stride(), 1, tile.key(), problem.key.row,
                               work.sums, width, false});
  tile.for_diagonal_blocks([&](std::int64_t i, std::int64_t rows, std::int64_t c, std::int64_t count) HWY_ATTR {
    multiply_tile(TileProduct<T>{rows, width, count, work.gradients + i * distances + c, distances, 1, tile.position(c),
                                 problem.positions.row, work.position_sums + i * width, width, false});
  });
  if (gradients.content_bias != nullptr) add_rows(work.sums, queries, width, shared.content_bias);
  if (gradients.position_bias != nullptr) add_rows(work.position_sums, queries, width, shared.position_bias);
  if (gradients.query == nullptr) return;
  const hn::ScalableTag<T> d;
  const auto scale = hn::Set(d, problem.scale);
  for (std::int64_t i = 0; i < queries; ++i) {
    const T* content = work.sums + i * width;
    const T* position = work.position_sums + i * width;
    T* to = gradients.query + (first_query + i * heads) * width;
    for_row(d, static_cast<std::size_t>(width),
            [&](auto at) HWY_ATTR { at.store(hn::Mul(scale, hn::Add(at.load(content), at.load(position))), to); });
  }
}

/// A head of a whole segment.
template <class T>
void relative_backward_task(const RelativeAttentionProblem<T>& problem, const RelativeTask& task,
                            const TransposedPositions<T>& positions, const RelativeWorkspace<T>& work,
                            const AttentionBackward<T, RelativeAttentionGradients<T>>& backward,
                            const SharedGradients<T>& shared) {
  const std::int64_t row = problem.first_key(task.segment), heads = problem.heads;
  const std::int64_t length = task.query_end;
  const auto transpose = [&](const HeadRows<const T>& from, std::int64_t width, T* to) HWY_ATTR {
    transpose_tile(from.data + row * from.row + task.head * from.head, from.row, length, width, to, work.key_stride);
  };
  transpose(problem.key, problem.width, work.keys);
  transpose(problem.value, problem.value_width, work.values);
  const auto clear = [&](T* gradient, std::int64_t width) {
    if (gradient == nullptr) return;
    T* to = gradient + (row * heads + task.head) * width;
    for (std::int64_t j = 0; j < length; ++j) std::fill_n(to + j * heads * width, width, T{0});
  };
  clear(backward.gradients.key, problem.width);
  clear(backward.gradients.value, problem.value_width);
  for (std::int64_t begin = 0; begin < length; begin += relative_query_tile)
    backward_tile(RelativeTile<T>(problem, work, task, begin, 0), positions, backward, shared);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
