#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using Doubles = std::vector<double>;

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// An element of a matrix with so many columns.
struct Matrix {
  Doubles values;
  std::size_t columns = 0;

  explicit Matrix(const Tensor& x)
      : values(x.defined() ? doubles_of(x) : Doubles()),
        columns(x.defined() ? static_cast<std::size_t>(x.size(-1)) : 0) {}
  bool defined() const { return columns != 0; }
  Doubles row(std::size_t i, std::size_t size) const {
    Doubles result(size, 0.0);  // an undefined state is 0
    for (std::size_t j = 0; defined() && j < size; ++j) result[j] = values[i * columns + j];
    return result;
  }
  /// M x.
  Doubles times(const Doubles& x) const {
    Doubles result(values.size() / columns, 0.0);
    for (std::size_t i = 0; i < result.size(); ++i)
      for (std::size_t j = 0; j < columns; ++j) result[i] += values[i * columns + j] * x[j];
    return result;
  }
};

enum class Kind { lstm, gru, tanh, relu };

/// Each sequence by itself, unit by unit. Inputs: input, weight, bias, projection, first hidden state, first cell
/// state; what the op does not have is undefined.
TensorList naive_recurrent(Kind kind, const TensorList& in, const Segments& segments, bool reverse) {
  const Matrix input(in[0]), weight(in[1]), bias(in[2]), projection(in[3]), hidden(in[4]), cell(in[5]);
  const std::size_t gates = kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1;
  const std::size_t units = input.columns / gates, width = weight.columns;
  Doubles rows(static_cast<std::size_t>(segments.rows()) * width), last_hidden, last_cell;
  for (std::int64_t s = 0; s < segments.count(); ++s) {
    Doubles h = hidden.row(static_cast<std::size_t>(s), width), c = cell.row(static_cast<std::size_t>(s), units);
    for (std::int64_t t = 0; t < segments.length(s); ++t) {
      const auto row = static_cast<std::size_t>(reverse ? segments.end(s) - 1 - t : segments.begin(s) + t);
      const Doubles x = input.row(row, gates * units), product = weight.times(h);
      const auto of_state = [&](std::size_t j) { return product[j] + (bias.defined() ? bias.values[j] : 0.0); };
      const auto sum = [&](std::size_t gate, std::size_t u) {
        return x[gate * units + u] + of_state(gate * units + u);
      };
      Doubles next(units);
      for (std::size_t u = 0; u < units; ++u) switch (kind) {
          case Kind::lstm:
            c[u] = logistic(sum(1, u)) * c[u] + logistic(sum(0, u)) * std::tanh(sum(2, u));
            next[u] = logistic(sum(3, u)) * std::tanh(c[u]);
            break;
          case Kind::gru: {
            const double fresh = std::tanh(x[2 * units + u] + logistic(sum(0, u)) * of_state(2 * units + u));
            next[u] = (1 - logistic(sum(1, u))) * fresh + logistic(sum(1, u)) * h[u];
            break;
          }
          case Kind::tanh:
            next[u] = std::tanh(sum(0, u));
            break;
          case Kind::relu:
            next[u] = std::max(sum(0, u), 0.0);
            break;
        }
      h = projection.defined() ? projection.times(next) : next;
      for (std::size_t j = 0; j < width; ++j) rows[row * width + j] = h[j];
    }
    last_hidden.insert(last_hidden.end(), h.begin(), h.end());
    last_cell.insert(last_cell.end(), c.begin(), c.end());
  }
  const auto columns = static_cast<std::int64_t>(width);
  const DType dtype = in[0].dtype();
  TensorList results = {from_doubles(rows, {segments.rows(), columns}, dtype),
                        from_doubles(last_hidden, {segments.count(), columns}, dtype)};
  if (kind == Kind::lstm)
    results.push_back(from_doubles(last_cell, {segments.count(), static_cast<std::int64_t>(units)}, dtype));
  return results;
}

struct Case {
  std::string name;
  Segments segments;
  std::int64_t units;
  bool first = false;  // with a state to begin with
  bool reverse = false;
  std::int64_t projection = 0;  // of an lstm: the width; 0: none
  bool bias = true;             // of a gru
};

std::vector<Case> cases() {
  const Segments ragged = Segments::from_lengths({2, 0, 4, 1});
  return {
      {"ragged", ragged, 3},
      {"first state", ragged, 2, true},
      {"reverse", ragged, 2, false, true},
      {"reverse, first state", ragged, 3, true, true},
      {"one sequence", Segments::single(5), 2, true},
      {"one row each", Segments::from_lengths({1, 1, 1}), 2, true},
      {"more units than a vector holds", Segments::from_lengths({1, 2}), 9, true},
      {"more units than a block holds", Segments::from_lengths({2}), 26},
      {"more sequences than a group holds", Segments::from_lengths({1, 2, 1, 0, 1, 3, 1, 1, 2, 1, 1}), 2, true},
      {"one unit", ragged, 1, true},
      {"no rows", Segments::from_lengths({0, 0}), 2, true},
      {"no rows, no first state", Segments::from_lengths({0, 0}), 2},
      {"no segments", Segments(), 2, true},
  };
}

std::int64_t gates_of(Kind kind) { return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1; }

TensorList run(Kind kind, const TensorList& in, const Case& c) {
  if (kind == Kind::lstm) {
    const LstmResult result = lstm(in[0], c.segments, in[1], {in[4], in[5]}, in[3], c.reverse);
    return {result.rows, result.hidden, result.cell};
  }
  const RecurrentResult result =
      kind == Kind::gru ? gru(in[0], c.segments, in[1], in[2], in[4], c.reverse)
                        : rnn(in[0], c.segments, in[1], in[4],
                              kind == Kind::relu ? RnnNonlinearity::relu : RnnNonlinearity::tanh, c.reverse);
  return {result.rows, result.hidden};
}

Sample sample_of(SampleMaker& make, Kind kind, const Case& c, const std::string& name) {
  const std::int64_t gates = gates_of(kind), width = c.projection > 0 ? c.projection : c.units;
  const std::int64_t count = c.segments.count();
  // Sums of moderate size: far out the gates are flat, and nothing would depend on anything.
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  TensorList inputs = {make.normal({c.segments.rows(), gates * c.units}),
                       make.uniform({gates * c.units, width}, -scale, scale),
                       kind == Kind::gru && c.bias ? make.normal({gates * c.units}) : Tensor(),
                       c.projection > 0 ? make.normal({width, c.units}) : Tensor(),
                       c.first ? make.normal({count, width}) : Tensor(),
                       c.first && kind == Kind::lstm ? make.normal({count, c.units}) : Tensor()};
  return {.name = name,
          .inputs = std::move(inputs),
          .run = [kind, c](const TensorList& in) { return run(kind, in, c); },
          .reference = [kind, c](const TensorList& in) { return naive_recurrent(kind, in, c.segments, c.reverse); }};
}

std::vector<Sample> samples_of_lstm(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) samples.push_back(sample_of(make, Kind::lstm, c, c.name));
  const Segments ragged = Segments::from_lengths({2, 0, 3, 1});
  for (const Case& c :
       {Case{"projection", ragged, 3, true, false, 2}, Case{"projection, reverse", ragged, 3, false, true, 2},
        Case{"wide projection", ragged, 2, true, false, 18}})
    samples.push_back(sample_of(make, Kind::lstm, c, c.name));
  return samples;
}

std::vector<Sample> samples_of_gru(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) samples.push_back(sample_of(make, Kind::gru, c, c.name));
  Case c{"no bias", Segments::from_lengths({2, 0, 3, 1}), 3, true};
  c.bias = false;
  samples.push_back(sample_of(make, Kind::gru, c, c.name));
  return samples;
}

std::vector<Sample> samples_of_rnn(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) samples.push_back(sample_of(make, Kind::tanh, c, c.name));
  for (const Case& c : cases()) samples.push_back(sample_of(make, Kind::relu, c, c.name + ", relu"));
  return samples;
}

std::vector<ErrorSample> lstm_errors() {
  struct Operands {
    Tensor input = zeros({3, 8}), weight = zeros({8, 2});
    LstmState first = {};
    Tensor projection = {};
  };
  const auto call = [](const Operands& o) {
    return [=] { lstm(o.input, Segments::from_lengths({1, 2}), o.weight, o.first, o.projection); };
  };
  return {
      {"integers", call({.input = zeros({3, 8}, int64)}), ErrorKind::dtype, "lstm: needs floating point"},
      {"mixed dtypes", call({.weight = zeros({8, 2}, float64)}), ErrorKind::dtype,
       "the weight has another dtype than the input; got float64 and float32"},
      {"rank", call({.input = zeros({3, 2, 4})}), ErrorKind::shape, "input does not fit; got (3, 2, 4)"},
      {"rows", call({.input = zeros({4, 8})}), ErrorKind::shape, "expected (3, 4H)"},
      {"gates", call({.input = zeros({3, 6})}), ErrorKind::shape, "expected (3, 4H)"},
      {"no units", call({.input = zeros({3, 0})}), ErrorKind::shape, "expected (3, 4H)"},
      {"weight", call({.weight = zeros({8, 3})}), ErrorKind::shape,
       "the weight does not fit; got (8, 3); expected (8, 2): gates · units"},
      {"no weight", call({.weight = {}}), ErrorKind::argument, "the weight is undefined"},
      {"hidden state", call({.first = {.hidden = zeros({3, 2})}}), ErrorKind::shape,
       "the first hidden state does not fit; got (3, 2); expected (2, 2): segments"},
      {"cell state", call({.first = {.cell = zeros({2, 1})}}), ErrorKind::shape,
       "the first cell state does not fit; got (2, 1); expected (2, 2): segments, units"},
      {"projection", call({.projection = zeros({3, 3})}), ErrorKind::shape,
       "the projection does not fit; got (3, 3); expected (P, 2)"},
      {"projection's width", call({.projection = zeros({3, 2})}), ErrorKind::shape,
       "the weight does not fit; got (8, 2); expected (8, 3)"},
  };
}

std::vector<ErrorSample> gru_errors() {
  struct Operands {
    Tensor input = zeros({3, 6}), weight = zeros({6, 2}), bias = zeros({6}), first = {};
  };
  const auto call = [](const Operands& o) {
    return [=] { gru(o.input, Segments::from_lengths({1, 2}), o.weight, o.bias, o.first); };
  };
  return {
      {"gates", call({.input = zeros({3, 8})}), ErrorKind::shape, "gru: input does not fit; got (3, 8)"},
      {"weight", call({.weight = zeros({2, 6})}), ErrorKind::shape, "expected (6, 2): gates · units"},
      {"bias", call({.bias = zeros({2})}), ErrorKind::shape, "the bias does not fit; got (2,); expected (6,)"},
      {"bias's dtype", call({.bias = zeros({6}, float64)}), ErrorKind::dtype, "the bias has another dtype"},
      {"first state", call({.first = zeros({1, 2})}), ErrorKind::shape, "the first hidden state does not fit"},
  };
}

std::vector<ErrorSample> rnn_errors() {
  const auto call = [](const Tensor& input, const Tensor& weight, const Tensor& first = {}) {
    return [=] { rnn(input, Segments::from_lengths({1, 2}), weight, first); };
  };
  return {
      {"rows", call(zeros({2, 2}), zeros({2, 2})), ErrorKind::shape, "rnn: input does not fit; got (2, 2)"},
      {"weight", call(zeros({3, 2}), zeros({2, 3})), ErrorKind::shape, "the weight does not fit; got (2, 3)"},
      {"first state", call(zeros({3, 2}), zeros({2, 2}), zeros({2, 3})), ErrorKind::shape, "expected (2, 2): segments"},
      {"bools", call(zeros({3, 2}, boolean), zeros({2, 2})), ErrorKind::dtype, "rnn: needs floating point"},
  };
}

}  // namespace

SampleList recurrent_samples() {
  return {
      {"lstm", samples_of_lstm, lstm_errors}, {"gru", samples_of_gru, gru_errors}, {"rnn", samples_of_rnn, rnn_errors}};
}

}  // namespace samples
