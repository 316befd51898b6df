#include "saw/autograd/ops/recurrent.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/recurrent.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/optional_data.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

using kernels::RecurrentCell;

const OpInfo lstm_info{
    "lstm", "(i, f, g, o) = x_t + R h_{t−1}; c_t = σ(f) c_{t−1} + σ(i) tanh(g); h_t = σ(o) tanh(c_t) in each segment",
    true};
const OpInfo gru_info{
    "gru", "r, z = σ(x_t + R h_{t−1} + b); n = tanh(x_t + r (R h_{t−1} + b)); h_t = (1 − z) n + z h_{t−1}", true};
const OpInfo rnn_info{"rnn", "h_t = tanh(x_t + R h_{t−1}), or relu of it, in each segment", true};

/// The operands in the order of the ops' inputs; those that an op does not have are undefined.
enum Operand : std::size_t { input, weight, bias, projection, first_hidden, first_cell, operand_count };
/// What is saved: the operands in the same order, then these.
enum Saved : std::size_t { saved_rows = operand_count, saved_kept, saved_cells };

struct Setting {
  RecurrentCell cell;
  Segments segments;
  bool reverse;
};

std::int64_t units_of(const TensorList& in, RecurrentCell cell) {
  return in[input].size(1) / kernels::recurrent_sums(cell);
}

// ---- reference ----

/// The gates of a step, one after the other, from columns that lie side by side.
Tensor gate(const Tensor& sums, std::int64_t index, std::int64_t units) {
  return slice(sums, 1, index * units, (index + 1) * units);
}

/// One step of some sequences: x (n, sums · H) and states (h, and c of an lstm) to the next states.
TensorList reference_step(const TensorList& in, RecurrentCell cell, const Tensor& x, const TensorList& states) {
  const std::int64_t units = units_of(in, cell);
  const Tensor& h = states[0];
  const Tensor product = linear(h, in[weight], in[bias]);
  if (cell == RecurrentCell::lstm) {
    const Tensor sums = x + product;
    const Tensor c =
        sigmoid(gate(sums, 1, units)) * states[1] + sigmoid(gate(sums, 0, units)) * tanh(gate(sums, 2, units));
    const Tensor unprojected = sigmoid(gate(sums, 3, units)) * tanh(c);
    return {in[projection].defined() ? linear(unprojected, in[projection]) : unprojected, c};
  }
  if (cell == RecurrentCell::gru) {
    const Tensor reset = sigmoid(gate(x, 0, units) + gate(product, 0, units));
    const Tensor keep = sigmoid(gate(x, 1, units) + gate(product, 1, units));
    const Tensor fresh = tanh(gate(x, 2, units) + reset * gate(product, 2, units));
    return {fresh + keep * (h - fresh)};
  }
  return {cell == RecurrentCell::relu ? relu(x + product) : tanh(x + product)};
}

Tensor rows_at(const Tensor& x, const std::vector<std::int64_t>& rows) { return index_select(x, 0, tensor(rows)); }

/// Where each number of a permutation stands.
std::vector<std::int64_t> inverse(const std::vector<std::int64_t>& permutation) {
  std::vector<std::int64_t> result(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i)
    result[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
  return result;
}

/// The op step by step, in plain ops: the rows and the last states.
TensorList recurrent_reference(const TensorList& in, const Setting& setting) {
  const Segments& segments = setting.segments;
  const std::int64_t count = segments.count(), width = in[weight].size(1);
  const auto first_state = [&](Operand operand, std::int64_t size) {
    return in[operand].defined() ? in[operand] : zeros({count, size}, in[input].dtype());
  };
  TensorList states = {first_state(first_hidden, width)};
  if (setting.cell == RecurrentCell::lstm) states.push_back(first_state(first_cell, units_of(in, setting.cell)));

  std::vector<std::int64_t> order(static_cast<std::size_t>(count)), row_order;  // longest first; rows step by step
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return segments.length(a) > segments.length(b); });
  TensorList rows = {matmul(slice(in[input], 0, 0, 0), in[weight])};  // so that no rows have a history, too
  std::vector<TensorList> finished(states.size());                    // shortest first
  for (Tensor& state : states) state = rows_at(state, order);
  std::int64_t alive = count;
  for (std::int64_t t = 0; count > 0; ++t) {
    std::int64_t going = alive;
    while (going > 0 && segments.length(order[static_cast<std::size_t>(going - 1)]) <= t) --going;
    std::vector<std::int64_t> now;
    for (std::int64_t i = 0; i < going; ++i) {
      const std::int64_t s = order[static_cast<std::size_t>(i)];
      now.push_back(setting.reverse ? segments.end(s) - 1 - t : segments.begin(s) + t);
    }
    for (std::size_t k = 0; k < states.size(); ++k) {
      finished[k].insert(finished[k].begin(), slice(states[k], 0, going, alive));
      states[k] = slice(states[k], 0, 0, going);
    }
    if (going == 0) break;
    states = reference_step(in, setting.cell, rows_at(in[input], now), states);
    rows.push_back(states[0]);
    row_order.insert(row_order.end(), now.begin(), now.end());
    alive = going;
  }
  TensorList results = {rows_at(cat(rows, 0), inverse(row_order))};
  for (std::size_t k = 0; k < states.size(); ++k)
    results.push_back(count == 0 ? states[k] : rows_at(cat(finished[k], 0), inverse(order)));
  return results;
}

// ---- kernel ----

/// For contiguous operands.
template <class T>
kernels::RecurrentLayer<T> make_layer(const TensorList& in, const Setting& setting) {
  return {.cell = setting.cell,
          .reverse = setting.reverse,
          .offsets = setting.segments.offsets(),
          .units = units_of(in, setting.cell),
          .width = in[weight].size(1),
          .input = in[input].data<T>(),
          .weight = in[weight].data<T>(),
          .bias = data_or_null<T>(in[bias]),
          .projection = data_or_null<T>(in[projection]),
          .first_hidden = data_or_null<T>(in[first_hidden]),
          .first_cell = data_or_null<T>(in[first_cell])};
}

Tensor contiguous_or_undefined(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

/// Gradients of all operands.
TensorList recurrent_backward(const BackwardContext& context, const Setting& setting) {
  TensorList in, gradients(operand_count);
  for (std::size_t i = 0; i < operand_count; ++i) {
    in.push_back(context.saved(i));
    // The kernel needs the gradient of the sums in any case.
    if (i == input || context.needs_grad(i)) gradients[i] = Tensor::empty(in[i].shape(), in[i].dtype());
  }
  const Tensor rows = context.saved(saved_rows), kept = context.saved(saved_kept), cells = context.saved(saved_cells);
  const bool lstm = setting.cell == RecurrentCell::lstm;
  const Tensor of_rows = contiguous_or_undefined(context.grad_output(0)),
               of_hidden = contiguous_or_undefined(context.grad_output(1)),
               of_cell = lstm ? contiguous_or_undefined(context.grad_output(2)) : Tensor();
  const Tensor of_product =
      setting.cell == RecurrentCell::gru ? Tensor::empty(in[input].shape(), rows.dtype()) : Tensor();
  dispatch_floating("recurrent", rows.dtype(), [&]<class T>() {
    const auto memory = [&](Operand i) { return mutable_data_or_null<T>(gradients[i]); };
    const kernels::RecurrentResults<const T> results{.rows = rows.data<T>(),
                                                     .last_hidden = nullptr,
                                                     .last_cell = nullptr,
                                                     .kept = data_or_null<T>(kept),
                                                     .cells = data_or_null<T>(cells)};
    const kernels::RecurrentUpstream<T> upstream{data_or_null<T>(of_rows), data_or_null<T>(of_hidden),
                                                 data_or_null<T>(of_cell)};
    kernels::recurrent_backward(
        make_layer<T>(in, setting), results, upstream,
        kernels::RecurrentGradients<T>{memory(input), mutable_data_or_null<T>(of_product), memory(weight),
                                       memory(projection), memory(first_hidden), memory(first_cell)});
  });
  if (gradients[bias].defined()) gradients[bias] = sum(of_product, {0});
  if (!context.needs_grad(input)) gradients[input] = Tensor();
  return gradients;
}

/// The op for operands that fit: rows, last hidden state, and last cell state of an lstm.
TensorList recurrent(const OpInfo& info, const TensorList& inputs, const Setting& setting) {
  const bool lstm = setting.cell == RecurrentCell::lstm, keep = needs_record(inputs);
  const DType dtype = inputs[input].dtype();
  const std::int64_t units = units_of(inputs, setting.cell), width = inputs[weight].size(1);
  const std::int64_t rows = setting.segments.rows(), count = setting.segments.count();
  TensorList in;
  for (const Tensor& x : inputs) in.push_back(x.defined() ? x.detach().contiguous() : x);
  TensorList outputs = {Tensor::empty({rows, width}, dtype), Tensor::empty({count, width}, dtype)};
  if (lstm) outputs.push_back(Tensor::empty({count, units}, dtype));
  const std::int64_t kept_columns = kernels::recurrent_kept(setting.cell) * units;
  const Tensor kept = keep && kept_columns > 0 ? Tensor::empty({rows, kept_columns}, dtype) : Tensor();
  const Tensor cells = keep && lstm ? Tensor::empty({rows, units}, dtype) : Tensor();
  dispatch_floating(info.name, dtype, [&]<class T>() {
    kernels::recurrent_forward(make_layer<T>(in, setting),
                               kernels::RecurrentResults<T>{.rows = outputs[0].mutable_data<T>(),
                                                            .last_hidden = outputs[1].mutable_data<T>(),
                                                            .last_cell = lstm ? outputs[2].mutable_data<T>() : nullptr,
                                                            .kept = mutable_data_or_null<T>(kept),
                                                            .cells = mutable_data_or_null<T>(cells)});
  });
  return record(info, inputs, outputs, [&] {
    TensorList saved = in;
    for (const Tensor& x : {outputs[0], kept, cells}) saved.push_back(x);
    return Gradient::with_reference(
        std::move(saved), [setting](const BackwardContext& context) { return recurrent_backward(context, setting); },
        [setting](const TensorList& operands) { return recurrent_reference(operands, setting); });
  });
}

// ---- checks ----

void check_operands(const char* op, const TensorList& in, const Setting& setting) {
  const Tensor &x = in[input], &matrix = in[weight];
  const Segments& segments = setting.segments;
  dispatch_floating(op, x.dtype(), []<class T>() {});
  constexpr const char* names[] = {"input", "weight", "bias", "projection", "first hidden state", "first cell state"};
  for (std::size_t i = 0; i < operand_count; ++i)
    if (in[i].defined() && in[i].dtype() != x.dtype())
      fail(ErrorKind::dtype, "{}: the {} has another dtype than the input; got {} and {}", op, names[i],
           to_string(in[i].dtype()), to_string(x.dtype()));
  const std::int64_t sums = kernels::recurrent_sums(setting.cell);
  if (x.rank() != 2 || x.size(0) != segments.rows() || x.size(1) == 0 || x.size(1) % sums != 0)
    fail(ErrorKind::shape, "{}: input does not fit; got {} for {}; expected ({}, {}H): what linear() makes of the rows",
         op, x.shape(), segments, segments.rows(), sums == 1 ? "" : std::to_string(sums));
  const std::int64_t units = x.size(1) / sums;
  const auto check = [&](Operand operand, const Shape& expected, const char* axes) {
    if (in[operand].defined() && in[operand].shape() != expected)
      fail(ErrorKind::shape, "{}: the {} does not fit; got {}; expected {}: {}", op, names[operand],
           in[operand].shape(), expected, axes);
  };
  const Tensor& project = in[projection];
  if (project.defined() && (project.rank() != 2 || project.size(0) == 0 || project.size(1) != units))
    fail(ErrorKind::shape, "{}: the projection does not fit; got {}; expected (P, {}): width, units", op,
         project.shape(), units);
  const std::int64_t width = project.defined() ? project.size(0) : units;
  check(weight, {sums * units, width}, "gates · units, width of the hidden state");
  if (!matrix.defined()) fail(ErrorKind::argument, "{}: the weight is undefined", op);
  check(bias, {sums * units}, "gates · units");
  check(first_hidden, {segments.count(), width}, "segments, width of the hidden state");
  check(first_cell, {segments.count(), units}, "segments, units");
}

TensorList checked_recurrent(const OpInfo& info, const TensorList& in, const Setting& setting) {
  check_operands(info.name, in, setting);
  return recurrent(info, in, setting);
}

}  // namespace

LstmResult lstm(const Tensor& input, const Segments& segments, const Tensor& weight, const LstmState& first,
                const Tensor& projection, bool reverse) {
  const TensorList results = checked_recurrent(lstm_info, {input, weight, {}, projection, first.hidden, first.cell},
                                               {RecurrentCell::lstm, segments, reverse});
  return {results[0], results[1], results[2]};
}

RecurrentResult gru(const Tensor& input, const Segments& segments, const Tensor& weight, const Tensor& bias,
                    const Tensor& first, bool reverse) {
  const TensorList results =
      checked_recurrent(gru_info, {input, weight, bias, {}, first, {}}, {RecurrentCell::gru, segments, reverse});
  return {results[0], results[1]};
}

RecurrentResult rnn(const Tensor& input, const Segments& segments, const Tensor& weight, const Tensor& first,
                    RnnNonlinearity nonlinearity, bool reverse) {
  const RecurrentCell cell = nonlinearity == RnnNonlinearity::relu ? RecurrentCell::relu : RecurrentCell::tanh;
  const TensorList results = checked_recurrent(rnn_info, {input, weight, {}, {}, first, {}}, {cell, segments, reverse});
  return {results[0], results[1]};
}

OpList recurrent_ops() { return {&lstm_info, &gru_info, &rnn_info}; }

}  // namespace saw
