// Per-target: one task of attention, that is a head of a segment with some of its queries and keys.

#if defined(SAW_AUTOGRAD_KERNELS_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_ATTENTION_TILES_INL_H_
#undef SAW_AUTOGRAD_KERNELS_ATTENTION_TILES_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/kernels/attention_math-inl.h"
#include "saw/autograd/kernels/attention_task.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A tile of queries of a task, and the keys that are its turn.
template <class T>
struct AttentionTile {
  const AttentionProblem<T>& problem;
  std::int64_t segment, head;
  std::int64_t query_begin, queries;  // within the segment
  std::int64_t position;              // of the first query, among the keys
  std::int64_t stride;                // `queries` rounded up to whole vectors
  T slope;                            // of the head's linear bias
  std::int64_t key_begin = 0, keys = 0;

  AttentionTile(const AttentionProblem<T>& problem_, const AttentionTask& task, std::int64_t begin)
      : problem(problem_),
        segment(task.segment),
        head(task.head),
        query_begin(begin),
        queries(std::min(attention_query_tile, task.query_end - begin)),
        position(begin + problem_.query_offset(task.segment)),
        slope(problem_.alibi_slopes.empty()
                  ? T{0}
                  : static_cast<T>(problem_.alibi_slopes[static_cast<std::size_t>(task.head)])) {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
    stride = (queries + lanes - 1) / lanes * lanes;
  }

  std::int64_t query_row() const { return problem.first_query(segment) + query_begin; }
  std::int64_t key_row() const { return problem.first_key(segment) + key_begin; }
  const T* query() const { return problem.query.data + query_row() * problem.query.row + head * problem.query.head; }
  const T* key() const { return problem.key.data + key_row() * problem.key.row + head * problem.key.head; }
  const T* value() const { return problem.value.data + key_row() * problem.value.row + head * problem.value.head; }

  /// Whether a query of the tile does not see a key of the tile.
  bool windowed() const {
    return key_begin < position + queries - 1 - problem.left || key_begin + keys - 1 > position + problem.right;
  }
  /// Whether the scores are the products and nothing else.
  bool plain() const { return problem.bias == nullptr && problem.alibi_slopes.empty() && !windowed(); }

  /// Calls f() for the tiles of the keys that its queries see, in order.
  template <class F>
  void for_key_tiles(KeyRange range, F f) {
    const KeyRange seen = visible_keys(problem, position, position + queries, range);
    for (std::int64_t begin = seen.begin; begin < seen.end;) {
      const std::int64_t end = std::min(seen.end, (begin / attention_key_tile + 1) * attention_key_tile);
      key_begin = begin;
      keys = end - begin;
      f();
      begin = end;
    }
  }

  /// scale · queries, transposed: (width, stride). Scaled here, the scores need no multiplication that a compiler could
  /// fuse with what follows in one kind of tile and not in another: their bits do not depend on the kind.
  void load_queries(T* to) const {
    transpose_tile(query(), problem.query.row, queries, problem.width, to, stride);
    const hn::ScalableTag<T> d;
    const auto scale = hn::Set(d, problem.scale);
    for_row(d, static_cast<std::size_t>(problem.width * stride),
            [&](auto at) HWY_ATTR { at.store(hn::Mul(scale, at.load(to)), to); });
  }

  /// products[j][i] = rows[j] · columns[·][i] for the tile's keys or values and the transposed queries or gradients.
  void multiply_columns(const T* rows, std::int64_t rows_stride, std::int64_t width, const T* columns,
                        T* products) const {
    multiply_tile(TileProduct<T>{keys, stride, width, rows, rows_stride, 1, columns, stride, products, stride, false});
  }

  /// The bias of the tile, transposed: (keys, stride).
  void load_bias(T* to) const {
    const T* from = problem.bias + head * problem.bias_head + query_begin * problem.bias_row + key_begin;
    transpose_tile(from, problem.bias_row, queries, keys, to, stride);
  }

  /// What dropout multiplies the weights by: (keys, stride).
  void draw_dropout(T* factors) const {
    const hn::ScalableTag<std::uint32_t> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    HWY_ALIGN std::uint32_t words[4 * hn::MaxLanes(hn::ScalableTag<std::uint32_t>())];
    const std::uint32_t threshold = dropout_threshold(problem.dropout);
    const T kept = static_cast<T>(dropout_factor(problem.dropout));
    const auto heads = static_cast<std::uint64_t>(problem.heads);
    for (std::int64_t i = 0; i < queries; i += lanes) {
      const std::uint64_t first =
          static_cast<std::uint64_t>(query_row() + i) * heads + static_cast<std::uint64_t>(head);
      const std::int64_t count = std::min(lanes, queries - i);
      for (std::int64_t block = key_begin / 4; block * 4 < key_begin + keys; ++block) {
#if HWY_TARGET == HWY_SCALAR
        const auto four = philox(problem.seed, (first << 32) | static_cast<std::uint64_t>(block), problem.stream);
        std::copy(four.begin(), four.end(), words);
#else
        const auto query_head = hn::Add(hn::Set(d, static_cast<std::uint32_t>(first)),
                                        hn::Mul(hn::Iota(d, 0), hn::Set(d, static_cast<std::uint32_t>(heads))));
        const auto block_words =
            philox_lanes(d, problem.seed, hn::Set(d, static_cast<std::uint32_t>(block)), query_head, problem.stream);
        hn::StoreU(block_words.w0, d, words);
        hn::StoreU(block_words.w1, d, words + lanes);
        hn::StoreU(block_words.w2, d, words + 2 * lanes);
        hn::StoreU(block_words.w3, d, words + 3 * lanes);
#endif
        for (std::int64_t key = std::max(key_begin, block * 4); key < std::min(key_begin + keys, block * 4 + 4);
             ++key) {
          const std::uint32_t* row = words + (key - block * 4) * lanes;
          T* to = factors + (key - key_begin) * stride + i;
          for (std::int64_t lane = 0; lane < count; ++lane) to[lane] = row[lane] < threshold ? T{0} : kept;
        }
      }
    }
  }

  /// Lanes of queries i … that see key j (both counted within the tile).
  template <class D>
  HWY_INLINE hn::Mask<D> seen(D d, std::int64_t i, std::int64_t j) const {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const std::int64_t offset = key_begin + j - position - i;
    const std::int64_t low = std::clamp<std::int64_t>(offset - problem.right, 0, lanes);
    const std::int64_t high = std::clamp<std::int64_t>(offset + problem.left + 1, 0, lanes);
    const auto lane = hn::Iota(d, T{0});
    return hn::And(hn::Ge(lane, hn::Set(d, static_cast<T>(low))), hn::Lt(lane, hn::Set(d, static_cast<T>(high))));
  }

  /// How far key j lies from queries i … (both counted within the tile), either way.
  template <class D>
  HWY_INLINE hn::Vec<D> distances(D d, std::int64_t i, std::int64_t j) const {
    return hn::Abs(hn::Sub(hn::Set(d, static_cast<T>(key_begin + j - position - i)), hn::Iota(d, T{0})));
  }

  /// product + bias − slope · distance, −∞ where the window hides the key.
  template <bool plain, class D, class V = hn::Vec<D>>
  HWY_INLINE V score(D d, std::int64_t i, std::int64_t j, const T* products, const T* bias, bool window) const {
    V x = hn::LoadU(d, products + j * stride + i);
    if constexpr (!plain) {
      if (bias != nullptr) x = hn::Add(x, hn::LoadU(d, bias + j * stride + i));
      if (slope != T{0}) x = hn::NegMulAdd(hn::Set(d, slope), distances(d, i, j), x);
      if (window) x = hn::IfThenElse(seen(d, i, j), x, hn::Set(d, -std::numeric_limits<T>::infinity()));
    }
    return x;
  }
};

/// Turns products into weights exp(score − maximum) in place. `maximum` and `sum` (per query) take this tile in;
/// `decay` is what the earlier tiles' sums are worth relative to the new maximum.
template <bool plain, class T>
void forward_softmax(const AttentionTile<T>& tile, T* scores, const T* bias, T* maximum, T* sum, T* decay) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  const bool window = tile.windowed();
  for (std::int64_t i = 0; i < tile.stride; i += lanes) {
    const auto before = hn::LoadU(d, maximum + i);
    auto largest = before;
    for (std::int64_t j = 0; j < tile.keys; ++j) {
      const auto x = tile.template score<plain>(d, i, j, scores, bias, window);
      if constexpr (!plain) hn::StoreU(x, d, scores + j * tile.stride + i);
      largest = hn::Max(largest, x);
    }
    // Where nothing is seen yet all scores are −∞; a finite stand-in keeps their weights 0.
    const auto shift = hn::IfThenElse(hn::Eq(largest, lowest), hn::Zero(d), largest);
    auto total = hn::Zero(d);
    for (std::int64_t j = 0; j < tile.keys; ++j) {
      T* at = scores + j * tile.stride + i;
      const auto stored = hn::LoadU(d, at);
      const auto weight = exp_bounded(d, hn::Sub(stored, shift));
      hn::StoreU(weight, d, at);
      total = hn::Add(total, weight);
    }
    const auto old = exp_bounded(d, hn::Sub(before, shift));
    hn::StoreU(old, d, decay + i);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, sum + i), old, total), d, sum + i);
    hn::StoreU(largest, d, maximum + i);
  }
}

template <class T>
void forward_query_tile(AttentionTile<T>& tile, KeyRange keys, const AttentionWorkspace<T>& work, T* output,
                        T* logsumexp) {
  const AttentionProblem<T>& problem = tile.problem;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t width = problem.value_width;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  T* maximum = work.rows;
  T* sum = maximum + tile.stride;
  T* decay = sum + tile.stride;
  std::fill(maximum, sum, -infinity);
  std::fill(sum, decay, T{0});
  tile.load_queries(work.query);

  bool first = true;
  tile.for_key_tiles(keys, [&]() HWY_ATTR {
    tile.multiply_columns(tile.key(), problem.key.row, problem.width, work.query, work.scores);
    const T* bias = nullptr;
    if (problem.bias != nullptr) {
      tile.load_bias(work.bias);
      bias = work.bias;
    }
    if (tile.plain())
      forward_softmax<true>(tile, work.scores, bias, maximum, sum, decay);
    else
      forward_softmax<false>(tile, work.scores, bias, maximum, sum, decay);
    if (problem.dropout > 0) {
      tile.draw_dropout(work.factors);
      multiply_elements(work.scores, work.factors, tile.keys * tile.stride);
    }
    if (!first)
      scale_rows(
          work.sums, tile.queries, width, [decay](std::int64_t i) { return decay[i]; }, work.sums, width);
    multiply_tile(TileProduct<T>{tile.queries, width, tile.keys, work.scores, 1, tile.stride, tile.value(),
                                 problem.value.row, work.sums, width, !first});
    first = false;
  });

  // From here on `maximum` holds the logsumexp, and `sum` its inverse.
  const std::int64_t heads = problem.heads;
  T* to = output + (tile.query_row() * heads + tile.head) * width;
  bool nothing = false;
  for (std::int64_t i = 0; i < tile.queries; ++i) nothing = nothing || sum[i] == T{0};
  for (std::int64_t i = 0; i < tile.stride; i += lanes) {
    const auto total = hn::LoadU(d, sum + i);
    const auto finite = logsumexp_of(d, hn::LoadU(d, maximum + i), total);
    hn::StoreU(hn::IfThenElse(hn::Eq(total, hn::Zero(d)), hn::Set(d, infinity), finite), d, maximum + i);
    hn::StoreU(hn::Div(hn::Set(d, T{1}), total), d, sum + i);
  }
  if (!first)
    scale_rows(
        work.sums, tile.queries, width, [sum](std::int64_t i) { return sum[i]; }, to, heads * width);
  for (std::int64_t i = 0; i < tile.queries; ++i) {
    logsumexp[(tile.query_row() + i) * heads + tile.head] = maximum[i];
    if (nothing && maximum[i] == infinity) std::fill_n(to + i * heads * width, width, T{0});
  }
}

template <class T>
void attention_forward_task(const AttentionProblem<T>& problem, const AttentionTask& task, T* output, T* logsumexp,
                            T* memory) {
  const AttentionWorkspace<T> work(problem, 0, memory);
  for (std::int64_t begin = task.query_begin; begin < task.query_end; begin += attention_query_tile) {
    AttentionTile<T> tile(problem, task, begin);
    forward_query_tile(tile, {task.key_begin, task.key_end}, work, output, logsumexp);
  }
}

/// Products become weights and weight_gradients gradients of the scores, both in place. `logsumexp` and `inner` (the
/// inner product of output and its gradient) are per query; with dropout, `factors` multiplies the weights, too.
template <bool plain, class T>
void backward_softmax(const AttentionTile<T>& tile, T* products, T* weight_gradients, const T* bias, const T* logsumexp,
                      const T* inner) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const bool window = tile.windowed();
  for (std::int64_t i = 0; i < tile.stride; i += lanes) {
    const auto shift = hn::LoadU(d, logsumexp + i), mean = hn::LoadU(d, inner + i);
    for (std::int64_t j = 0; j < tile.keys; ++j) {
      const auto x = tile.template score<plain>(d, i, j, products, bias, window);
      const auto weight = exp_bounded(d, hn::Sub(x, shift));
      T* gradient = weight_gradients + j * tile.stride + i;
      hn::StoreU(weight, d, products + j * tile.stride + i);
      hn::StoreU(hn::Mul(weight, hn::Sub(hn::LoadU(d, gradient), mean)), d, gradient);
    }
  }
}

/// The gradient of the biases of one query.
template <class T>
T* bias_row(const AttentionGradients<T>& gradients, std::int64_t head, std::int64_t query) {
  return gradients.bias +
         ((gradients.bias_heads == 1 ? 0 : head) * gradients.bias_queries + query) * gradients.bias_keys;
}

template <class T>
void backward_query_tile(AttentionTile<T>& tile, const AttentionTask& task, const AttentionWorkspace<T>& work,
                         const AttentionBackward<T, AttentionGradients<T>>& backward) {
  const AttentionProblem<T>& problem = tile.problem;
  const std::int64_t heads = problem.heads, width = problem.width, value_width = problem.value_width;
  const std::int64_t row = tile.query_row(), queries = tile.queries, stride = tile.stride;
  const HeadRows<const T>& grad_rows = backward.grad_output;
  const T* grad_output = grad_rows.data + row * grad_rows.row + tile.head * grad_rows.head;
  T* logsumexp = work.rows;
  T* inner = logsumexp + stride;
  std::fill(logsumexp, inner, std::numeric_limits<T>::infinity());
  std::fill(inner, inner + stride, T{0});
  load_query_sums(problem, backward, row, tile.head, queries, logsumexp, inner);
  tile.load_queries(work.query);
  transpose_tile(grad_output, grad_rows.row, queries, value_width, work.grad_output, stride);

  bool first = true;
  tile.for_key_tiles({task.key_begin, task.key_end}, [&]() HWY_ATTR {
    const std::int64_t keys = tile.keys, elements = keys * stride;
    tile.multiply_columns(tile.key(), problem.key.row, width, work.query, work.scores);
    tile.multiply_columns(tile.value(), problem.value.row, value_width, work.grad_output, work.gradients);
    const bool drops = problem.dropout > 0;
    const T* bias = nullptr;
    if (problem.bias != nullptr) {
      tile.load_bias(work.bias);
      bias = work.bias;
    }
    if (drops) {
      tile.draw_dropout(work.factors);
      multiply_elements(work.gradients, work.factors, elements);
    }
    if (tile.plain())
      backward_softmax<true>(tile, work.scores, work.gradients, bias, logsumexp, inner);
    else
      backward_softmax<false>(tile, work.scores, work.gradients, bias, logsumexp, inner);
    if (task.key_gradient) {
      if (drops) multiply_elements(work.scores, work.factors, elements);
      const std::int64_t at = tile.key_begin - task.key_begin;
      multiply_tile(TileProduct<T>{keys, value_width, queries, work.scores, stride, 1, grad_output, grad_rows.row,
                                   work.value_sums + at * value_width, value_width, true});
      multiply_tile(TileProduct<T>{keys, width, queries, work.gradients, stride, 1, tile.query(), problem.query.row,
                                   work.key_sums + at * width, width, true});
    }
    if (task.query_gradient)
      multiply_tile(TileProduct<T>{queries, width, keys, work.gradients, 1, stride, tile.key(), problem.key.row,
                                   work.sums, width, !first});
    if (task.bias_gradient) {
      transpose_tile(work.gradients, stride, keys, queries, work.scores, keys);
      for (std::int64_t i = 0; i < queries; ++i) {
        T* to = bias_row(backward.gradients, tile.head, tile.query_begin + i) + tile.key_begin;
        for (std::int64_t j = 0; j < keys; ++j) to[j] += work.scores[i * keys + j];
      }
    }
    first = false;
  });
  if (task.query_gradient) {
    if (first) std::fill_n(work.sums, queries * width, T{0});
    scale_rows(
        work.sums, queries, width, [&](std::int64_t) { return problem.scale; },
        backward.gradients.query + (row * heads + tile.head) * width, heads * width);
  }
}

template <class T>
void attention_backward_task(const AttentionProblem<T>& problem, const AttentionTask& task,
                             const AttentionBackward<T, AttentionGradients<T>>& backward, T* memory) {
  const std::int64_t heads = problem.heads, keys = task.key_end - task.key_begin;
  const AttentionWorkspace<T> work(problem, task.key_gradient ? keys : 0, memory);
  if (task.key_gradient) {
    std::fill_n(work.key_sums, keys * problem.width, T{0});
    std::fill_n(work.value_sums, keys * problem.value_width, T{0});
  }
  for (std::int64_t begin = task.query_begin; begin < task.query_end; begin += attention_query_tile) {
    AttentionTile<T> tile(problem, task, begin);
    backward_query_tile(tile, task, work, backward);
  }
  if (!task.key_gradient) return;
  const std::int64_t row = problem.first_key(task.segment) + task.key_begin;
  const auto copy = [&](const T* sums, std::int64_t width, T factor, T* to) HWY_ATTR {
    if (to == nullptr) return;
    scale_rows(
        sums, keys, width, [&](std::int64_t) { return factor; }, to + (row * heads + task.head) * width, heads * width);
  };
  copy(work.key_sums, problem.width, problem.scale, backward.gradients.key);
  copy(work.value_sums, problem.value_width, T{1}, backward.gradients.value);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
