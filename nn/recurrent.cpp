#include "saw/nn/recurrent.h"

#include <cmath>
#include <string>
#include <utility>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/dropout.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

Tensor sum_of_biases(const Tensor& a, const Tensor& b) { return a.defined() ? a + b : a; }

/// One tensor with a leading axis from those of the directions.
Tensor stacked(const TensorList& states) {
  TensorList list;
  for (const Tensor& state : states) list.push_back(state.unsqueeze(0));
  return cat(list, 0);
}

}  // namespace

// ---- what they share ----

RecurrentLayers::RecurrentLayers(const Sizes& sizes) : sizes_(sizes) {
  checked_positive(sizes.layer, "input_size", sizes.input_size);
  checked_positive(sizes.layer, "hidden_size", sizes.hidden_size);
  checked_positive(sizes.layer, "num_layers", sizes.num_layers);
  checked_probability(sizes.layer, "dropout", sizes.dropout);
  checked_size(sizes.layer, "proj_size", sizes.proj_size);
  if (sizes.proj_size >= sizes.hidden_size)
    fail(ErrorKind::argument, "{}: proj_size must be below hidden_size; got {} and {}; 0 is no projection", sizes.layer,
         sizes.proj_size, sizes.hidden_size);
  for (std::int64_t layer = 0; layer < sizes.num_layers; ++layer)
    for (int reverse = 0; reverse < (sizes.bidirectional ? 2 : 1); ++reverse)
      directions_.push_back(make_direction(layer, reverse == 1));
}

RecurrentLayers::Direction RecurrentLayers::make_direction(std::int64_t layer, bool reverse) {
  const std::string suffix = "_l" + std::to_string(layer) + (reverse ? "_reverse" : "");
  const std::int64_t width = sizes_.proj_size > 0 ? sizes_.proj_size : sizes_.hidden_size;
  const std::int64_t in = layer == 0 ? sizes_.input_size : sizes_.bidirectional ? 2 * width : width;
  const std::int64_t sums = sizes_.gates * sizes_.hidden_size;
  const double bound = 1.0 / std::sqrt(static_cast<double>(sizes_.hidden_size));
  const Initialiser uniform = init::uniform(-bound, bound);
  const Tensor& weight_ih = param("weight_ih" + suffix, {sums, in}, uniform);
  const Tensor& weight_hh = param("weight_hh" + suffix, {sums, width}, uniform);
  const Tensor& bias_ih = param_if(sizes_.bias, "bias_ih" + suffix, {sums}, uniform);
  const Tensor& bias_hh = param_if(sizes_.bias, "bias_hh" + suffix, {sums}, uniform);
  const Tensor& weight_hr = param_if(sizes_.proj_size > 0, "weight_hr" + suffix, {width, sizes_.hidden_size}, uniform);
  return {weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, reverse};
}

void RecurrentLayers::check(const Tensor& x, const Segments& segments, const LstmState& first) const {
  if (x.rank() != 2 || x.size(0) != segments.rows() || x.size(1) != sizes_.input_size)
    fail(ErrorKind::shape, "{}: input does not fit; got {} for {}; expected ({}, {}): rows, input_size", sizes_.layer,
         x.shape(), segments, segments.rows(), sizes_.input_size);
  const auto check_state = [&](const char* name, const Tensor& state, std::int64_t width) {
    const Shape expected = {state_count(), segments.count(), width};
    if (state.defined() && state.shape() != expected)
      fail(ErrorKind::shape,
           "{}: the first {} state does not fit; got {}; expected {}: layers times directions, "
           "segments, width",
           sizes_.layer, name, state.shape(), expected);
  };
  check_state("hidden", first.hidden, sizes_.proj_size > 0 ? sizes_.proj_size : sizes_.hidden_size);
  check_state("cell", first.cell, sizes_.hidden_size);
}

LstmResult RecurrentLayers::run_layers(const Tensor& x, const Segments& segments, const LstmState& first) const {
  check(x, segments, first);
  const std::size_t per_layer = sizes_.bidirectional ? 2 : 1;
  TensorList hidden, cell;
  Tensor rows = x;
  for (std::size_t begin = 0; begin < directions_.size(); begin += per_layer) {
    if (begin > 0 && is_training()) rows = dropout(rows, sizes_.dropout);
    TensorList halves;
    for (std::size_t i = begin; i < begin + per_layer; ++i) {
      const auto state = [i](const Tensor& all) {
        return all.defined() ? select(all, 0, static_cast<std::int64_t>(i)) : all;
      };
      LstmResult result = run(rows, segments, directions_[i], {state(first.hidden), state(first.cell)});
      halves.push_back(std::move(result.rows));
      hidden.push_back(std::move(result.hidden));
      if (result.cell.defined()) cell.push_back(std::move(result.cell));
    }
    rows = per_layer == 1 ? halves[0] : cat(halves, 1);
  }
  return {rows, stacked(hidden), cell.empty() ? Tensor() : stacked(cell)};
}

Segments RecurrentLayers::step_segments(const Tensor& x) const {
  if (sizes_.bidirectional)
    fail(ErrorKind::argument,
         "{}: a bidirectional net has no step; the other direction begins at a sequence's last row; use forward()",
         sizes_.layer);
  if (x.rank() != 2)
    fail(ErrorKind::shape, "{}: a step's input does not fit; got {}; expected (streams, {})", sizes_.layer, x.shape(),
         sizes_.input_size);
  return Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(x.size(0)), 1));
}

// ---- LSTM ----

LSTM::LSTM(const LSTMOptions& o)
    : RecurrentLayers(
          {"LSTM", 4, o.input_size, o.hidden_size, o.num_layers, o.bias, o.dropout, o.bidirectional, o.proj_size}) {}

LstmResult LSTM::run(const Tensor& x, const Segments& segments, const Direction& d, const LstmState& first) const {
  return lstm(linear(x, d.weight_ih, sum_of_biases(d.bias_ih, d.bias_hh)), segments, d.weight_hh, first, d.weight_hr,
              d.reverse);
}

LstmResult LSTM::forward(const Tensor& x, const Segments& segments, const LstmState& first) const {
  const auto scope = enter(x);
  LstmResult result = run_layers(x, segments, first);
  result.rows = scope.output(result.rows);
  return result;
}

LstmResult LSTM::step(const Tensor& x, const LstmState& state) const {
  const auto scope = enter_beside_forward();
  return run_layers(x, step_segments(x), state);
}

// ---- GRU ----

GRU::GRU(const GRUOptions& o)
    : RecurrentLayers({"GRU", 3, o.input_size, o.hidden_size, o.num_layers, o.bias, o.dropout, o.bidirectional, 0}) {}

LstmResult GRU::run(const Tensor& x, const Segments& segments, const Direction& d, const LstmState& first) const {
  const RecurrentResult result =
      gru(linear(x, d.weight_ih, d.bias_ih), segments, d.weight_hh, d.bias_hh, first.hidden, d.reverse);
  return {result.rows, result.hidden, {}};
}

RecurrentResult GRU::forward(const Tensor& x, const Segments& segments, const Tensor& first) const {
  const auto scope = enter(x);
  const LstmResult result = run_layers(x, segments, {first, {}});
  return {scope.output(result.rows), result.hidden};
}

RecurrentResult GRU::step(const Tensor& x, const Tensor& state) const {
  const auto scope = enter_beside_forward();
  const LstmResult result = run_layers(x, step_segments(x), {state, {}});
  return {result.rows, result.hidden};
}

// ---- RNN ----

RNN::RNN(const RNNOptions& o)
    : RecurrentLayers({"RNN", 1, o.input_size, o.hidden_size, o.num_layers, o.bias, o.dropout, o.bidirectional, 0}),
      nonlinearity_(o.nonlinearity) {}

LstmResult RNN::run(const Tensor& x, const Segments& segments, const Direction& d, const LstmState& first) const {
  const RecurrentResult result = rnn(linear(x, d.weight_ih, sum_of_biases(d.bias_ih, d.bias_hh)), segments, d.weight_hh,
                                     first.hidden, nonlinearity_, d.reverse);
  return {result.rows, result.hidden, {}};
}

RecurrentResult RNN::forward(const Tensor& x, const Segments& segments, const Tensor& first) const {
  const auto scope = enter(x);
  const LstmResult result = run_layers(x, segments, {first, {}});
  return {scope.output(result.rows), result.hidden};
}

RecurrentResult RNN::step(const Tensor& x, const Tensor& state) const {
  const auto scope = enter_beside_forward();
  const LstmResult result = run_layers(x, step_segments(x), {state, {}});
  return {result.rows, result.hidden};
}

}  // namespace saw::nn
