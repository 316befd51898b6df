#include "saw/nn/recurrent_decoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

std::int64_t attention_size(const RecurrentDecoderOptions& options) {
  checked_positive("RecurrentDecoder", "hidden_size", options.hidden_size);
  return options.attention_size == -1 ? options.hidden_size
                                      : checked_positive("RecurrentDecoder", "attention_size", options.attention_size);
}

std::int64_t output_size(const RecurrentDecoderOptions& options) {
  return options.output_size == -1 ? options.hidden_size
                                   : checked_positive("RecurrentDecoder", "output_size", options.output_size);
}

Initialiser uniform_by_width(std::int64_t width) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  return init::uniform(-bound, bound);
}

/// Sequences in the order of falling lengths, and their rows step by step: those of one step lie together, and the
/// sequences of a later step are the first ones of an earlier one.
struct StepOrder {
  std::vector<std::int64_t> sequences;  // by falling length
  std::vector<std::int64_t> rows;       // the packed rows, all of step 0, all of step 1, …
  std::vector<std::int64_t> counts;     // rows of each step

  explicit StepOrder(const Segments& segments) : sequences(static_cast<std::size_t>(segments.count())) {
    std::iota(sequences.begin(), sequences.end(), std::int64_t{0});
    std::stable_sort(sequences.begin(), sequences.end(),
                     [&](std::int64_t a, std::int64_t b) { return segments.length(a) > segments.length(b); });
    for (std::int64_t step = 0; step < segments.max_length(); ++step) {
      std::int64_t count = 0;
      for (const std::int64_t b : sequences) {
        if (segments.length(b) <= step) break;
        rows.push_back(segments.begin(b) + step);
        ++count;
      }
      counts.push_back(count);
    }
  }

  /// For each packed row its place in `rows`.
  Tensor back() const {
    std::vector<std::int64_t> places(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      places[static_cast<std::size_t>(rows[i])] = static_cast<std::int64_t>(i);
    return tensor(places);
  }
};

/// The first `count` segments.
KeysAndValues first_segments(const KeysAndValues& all, std::int64_t count) {
  if (count == all.segments.count()) return all;
  const std::int64_t rows = count == 0 ? 0 : all.segments.end(count - 1);
  std::vector<std::int64_t> lengths = all.segments.lengths();
  lengths.resize(static_cast<std::size_t>(count));
  return {all.key.slice(0, 0, rows), all.value.slice(0, 0, rows), Segments::from_lengths(lengths)};
}

}  // namespace

RecurrentDecoderState RecurrentDecoderState::select(std::span<const std::int64_t> sequences) const {
  RecurrentDecoderState result{.hidden = {}, .memory = memory, .text_of_sequence = {}};
  for (const std::int64_t sequence : sequences) {
    if (sequence < 0 || sequence >= count())
      fail(ErrorKind::index, "RecurrentDecoderState.select: no such sequence; got {}; expected 0 to {}", sequence,
           count() - 1);
    result.text_of_sequence.push_back(text_of_sequence[static_cast<std::size_t>(sequence)]);
  }
  result.hidden = index_select(hidden, 0, tensor(std::vector<std::int64_t>(sequences.begin(), sequences.end())));
  return result;
}

RecurrentDecoder::RecurrentDecoder(const RecurrentDecoderOptions& options)
    : input_size_(checked_positive("RecurrentDecoder", "input_size", options.input_size)),
      memory_size_(checked_positive("RecurrentDecoder", "memory_size", options.memory_size)),
      query_(child<Linear>("query", options.hidden_size, attention_size(options), LinearOptions{.bias = false})),
      key_(child<Linear>("key", memory_size_, attention_size(options))),
      score_weight_(param("score_weight", {attention_size(options)}, uniform_by_width(attention_size(options)))),
      bridge_(child<Linear>("bridge", memory_size_, options.hidden_size)),
      gru_(child<GRU>("gru", {.input_size = input_size_ + memory_size_, .hidden_size = options.hidden_size})),
      combine_(child<Linear>("combine", input_size_ + options.hidden_size + memory_size_, output_size(options))) {}

void RecurrentDecoder::check(const Tensor& x, const Segments& segments, const Tensor& memory,
                             const Segments& memory_segments) const {
  if (x.rank() != 2 || x.size(0) != segments.rows() || x.size(1) != input_size_)
    fail(ErrorKind::shape, "RecurrentDecoder: the input does not fit; got {}; expected ({}, {}) for {}", x.shape(),
         segments.rows(), input_size_, segments);
  if (memory.rank() != 2 || memory.size(0) != memory_segments.rows() || memory.size(1) != memory_size_)
    fail(ErrorKind::shape, "RecurrentDecoder: the memory does not fit; got {}; expected ({}, {}) for {}",
         memory.shape(), memory_segments.rows(), memory_size_, memory_segments);
  if (segments.count() != memory_segments.count())
    fail(ErrorKind::shape, "RecurrentDecoder: different numbers of sequences and memories; got {} and {}",
         segments.count(), memory_segments.count());
}

RecurrentDecoder::Step RecurrentDecoder::advance(const Tensor& x, const Tensor& hidden,
                                                 const KeysAndValues& memory) const {
  const Tensor asked = segment_expand(query_.forward(hidden), memory.segments) + memory.key;  // (Nm, A)
  const Tensor scores = matmul(tanh(asked), score_weight_);                                   // (Nm)
  const Tensor weights = segment_softmax(scores, memory.segments);
  const Tensor context = segment_sum(memory.value * weights.reshape({-1, 1}), memory.segments);  // (B, M)
  const Tensor next =
      gru_.step(cat({x, context}, 1), hidden.reshape({1, hidden.size(0), hidden.size(1)})).rows;  // (B, H)
  return {weights, context, next};
}

Tensor RecurrentDecoder::combine(const Tensor& x, const Tensor& hidden, const Tensor& context) const {
  return tanh(combine_.forward(cat({x, hidden, context}, 1)));
}

RecurrentDecoderState RecurrentDecoder::begin(const Tensor& memory, const Segments& memory_segments) const {
  const auto scope = enter_beside_forward();
  check(zeros({0, input_size_}, memory.dtype()),
        Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(memory_segments.count()))), memory,
        memory_segments);
  RecurrentDecoderState state{
      .hidden = tanh(bridge_.forward(segment_mean(memory, memory_segments))),
      .memory = {key_.forward(memory), memory, memory_segments},
      .text_of_sequence = std::vector<std::int64_t>(static_cast<std::size_t>(memory_segments.count()))};
  std::iota(state.text_of_sequence.begin(), state.text_of_sequence.end(), std::int64_t{0});
  return state;
}

Tensor RecurrentDecoder::step(const Tensor& x, RecurrentDecoderState& state) const {
  const auto scope = enter_beside_forward();
  if (x.rank() != 2 || x.size(0) != state.count() || x.size(1) != input_size_)
    fail(ErrorKind::shape, "RecurrentDecoder: a row for each sequence is wanted; got {}; expected ({}, {})", x.shape(),
         state.count(), input_size_);
  const Step next = advance(x, state.hidden, state.memory.select(state.text_of_sequence));
  state.hidden = next.hidden;
  return combine(x, next.hidden, next.context);
}

Tensor RecurrentDecoder::forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                                 const Segments& memory_segments) const {
  const auto scope = enter(x);
  check(x, segments, memory, memory_segments);
  const StepOrder order(segments);
  RecurrentDecoderState state = begin(memory, memory_segments).select(order.sequences);
  const KeysAndValues sorted = state.memory.select(order.sequences);
  const Tensor by_step = index_select(x, 0, tensor(order.rows));  // (N, input_size)
  Tensor hidden = state.hidden;
  TensorList contexts, states;
  std::int64_t begin = 0;
  for (const std::int64_t count : order.counts) {
    const Step next =
        advance(by_step.slice(0, begin, begin + count), hidden.slice(0, 0, count), first_segments(sorted, count));
    contexts.push_back(next.context);
    states.push_back(next.hidden);
    hidden = next.hidden;
    begin += count;
  }
  if (states.empty())
    return scope.output(combine(x, zeros({0, hidden.size(1)}, x.dtype()), zeros({0, memory_size_}, x.dtype())));
  const Tensor back = order.back();
  return scope.output(combine(x, index_select(cat(states), 0, back), index_select(cat(contexts), 0, back)));
}

Tensor RecurrentDecoder::memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                                        const Segments& memory_segments, std::int64_t segment) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  check(x, segments, memory, memory_segments);
  if (segment < 0 || segment >= segments.count())
    fail(ErrorKind::index, "RecurrentDecoder.memory_weights: no such segment; got {}; expected 0 to {}", segment,
         segments.count() - 1);
  const std::int64_t first = memory_segments.begin(segment), length = memory_segments.length(segment);
  RecurrentDecoderState state = begin(memory.slice(0, first, first + length), Segments::single(length));
  TensorList rows;
  for (std::int64_t row = segments.begin(segment); row < segments.end(segment); ++row) {
    const Step next = advance(x.slice(0, row, row + 1), state.hidden, state.memory);
    state.hidden = next.hidden;
    rows.push_back(next.weights.reshape({1, length}));
  }
  return rows.empty() ? zeros({0, length}, x.dtype()) : cat(rows);
}

}  // namespace saw::nn
