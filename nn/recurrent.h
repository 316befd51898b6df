#pragma once

#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/recurrent.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// For LSTM.
struct LSTMOptions {
  std::int64_t input_size = 0;   ///< width of the rows; must be given
  std::int64_t hidden_size = 0;  ///< H, units of a layer and direction; must be given
  std::int64_t num_layers = 1;   ///< each gets what the one before makes
  bool bias = true;              ///< of both products
  double dropout = 0.0;          ///< on what each layer but the last hands on
  bool bidirectional = false;    ///< a second net reads each sequence from its end; both results side by side
  std::int64_t proj_size = 0;    ///< P, the width that the hidden state is projected to; 0: not at all
};

/// For GRU.
struct GRUOptions {
  std::int64_t input_size = 0;   ///< width of the rows; must be given
  std::int64_t hidden_size = 0;  ///< H, units of a layer and direction; must be given
  std::int64_t num_layers = 1;   ///< each gets what the one before makes
  bool bias = true;              ///< of both products
  double dropout = 0.0;          ///< on what each layer but the last hands on
  bool bidirectional = false;    ///< a second net reads each sequence from its end; both results side by side
};

/// For RNN.
struct RNNOptions {
  std::int64_t input_size = 0;                           ///< width of the rows; must be given
  std::int64_t hidden_size = 0;                          ///< H, units of a layer and direction; must be given
  std::int64_t num_layers = 1;                           ///< each gets what the one before makes
  RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;  ///< of the sums
  bool bias = true;                                      ///< of both products
  double dropout = 0.0;                                  ///< on what each layer but the last hands on
  bool bidirectional = false;  ///< a second net reads each sequence from its end; both results side by side
};

/// What LSTM, GRU and RNN share: layers, directions and the names of their parameters, which are PyTorch's. Layer k has
/// `weight_ih_l<k>` (gates · H, in), `weight_hh_l<k>` (gates · H, P), `bias_ih_l<k>` and `bias_hh_l<k>` (gates · H),
/// with a projection `weight_hr_l<k>` (P, H); the other direction's end in `_reverse`. All uniform in ± 1/√H at first.
class RecurrentLayers : public Module {
 public:
  /// Layers times directions: the first axis of states.
  std::int64_t state_count() const { return static_cast<std::int64_t>(directions_.size()); }

 protected:
  /// The options of all three, as they are in theirs.
  struct Sizes {
    const char* layer;         ///< the class, for errors
    std::int64_t gates;        ///< sums of a unit: 4 of an LSTM, 3 of a GRU, 1
    std::int64_t input_size;   ///< width of the rows
    std::int64_t hidden_size;  ///< units of a layer and direction
    std::int64_t num_layers;   ///< each gets what the one before makes
    bool bias;                 ///< of both products
    double dropout;            ///< between layers
    bool bidirectional;        ///< a second net reads each sequence from its end
    std::int64_t proj_size;    ///< 0: no projection
  };
  /// The parameters of one direction of one layer; undefined where there are none.
  struct Direction {
    const Tensor& weight_ih;  ///< (gates · H, in)
    const Tensor& weight_hh;  ///< (gates · H, P)
    const Tensor& bias_ih;    ///< (gates · H)
    const Tensor& bias_hh;    ///< (gates · H)
    const Tensor& weight_hr;  ///< (P, H)
    bool reverse;             ///< reads each sequence from its end
  };

  explicit RecurrentLayers(const Sizes& sizes);

  /// One direction of one layer.
  virtual LstmResult run(const Tensor& x, const Segments& segments, const Direction& direction,
                         const LstmState& first) const = 0;
  /// All of them; states have a leading axis of layers times directions.
  LstmResult run_layers(const Tensor& x, const Segments& segments, const LstmState& first) const;
  /// Checks what a step function gets, and returns one segment per row.
  Segments step_segments(const Tensor& x) const;

 private:
  Direction make_direction(std::int64_t layer, bool reverse);
  void check(const Tensor& x, const Segments& segments, const LstmState& first) const;

  Sizes sizes_;
  std::vector<Direction> directions_;  // of layer 0, of layer 1, …
};

/// Long short-term memory inside each segment, stacked and in both directions if wanted: x (N, input_size) → rows
/// (N, D·P), where P is proj_size or else hidden_size, and D is 2 when bidirectional, the forward half first. Formula:
/// saw::lstm(). Sequences are neither padded nor sorted by the caller; those without rows have no result and hand
/// their first state on.
///
///   nn::LSTM lstm({.input_size = 100, .hidden_size = 200, .num_layers = 2, .bidirectional = true});
///   auto [rows, hidden, cell] = lstm.forward(x, sentences);   // (N, 400), (4, B, 200), (4, B, 200)
class LSTM : public RecurrentLayers {
 public:
  using Options = LSTMOptions;

  /// Throws Error(argument) for sizes below 1, and a proj_size that is not below hidden_size.
  explicit LSTM(const LSTMOptions& options);

  /// `first` is what each sequence begins with, hidden (layers · D, B, P) and cell (layers · D, B, H); undefined: 0.
  /// The last states have the same shapes, the directions of a layer side by side.
  LstmResult forward(const Tensor& x, const Segments& segments, const LstmState& first = {}) const;
  /// The next row of each of B streams: x (B, input_size) → rows (B, P), and the state for the step after it. Frame by
  /// frame gives the bits that forward() gives at once. Throws Error(argument) when bidirectional.
  ///
  ///   LstmState state;
  ///   for (…) { auto [rows, hidden, cell] = lstm.step(frame, state); state = {hidden, cell}; }
  LstmResult step(const Tensor& x, const LstmState& state) const;

 protected:
  LstmResult run(const Tensor& x, const Segments& segments, const Direction& direction,
                 const LstmState& first) const override;
};

/// Gated recurrent units inside each segment; shapes as LSTM's with P = H and one state. Formula: saw::gru().
class GRU : public RecurrentLayers {
 public:
  using Options = GRUOptions;

  /// Throws Error(argument) for sizes below 1.
  explicit GRU(const GRUOptions& options);

  /// `first` (layers · D, B, H) or undefined, which is 0.
  RecurrentResult forward(const Tensor& x, const Segments& segments, const Tensor& first = {}) const;
  /// The next row of each of B streams: x (B, input_size) → rows (B, H) and the state for the step after it; see LSTM.
  RecurrentResult step(const Tensor& x, const Tensor& state) const;

 protected:
  LstmResult run(const Tensor& x, const Segments& segments, const Direction& direction,
                 const LstmState& first) const override;
};

/// A plain recurrent net inside each segment; shapes as LSTM's with P = H and one state. Formula: saw::rnn().
class RNN : public RecurrentLayers {
 public:
  using Options = RNNOptions;

  /// Throws Error(argument) for sizes below 1.
  explicit RNN(const RNNOptions& options);

  /// `first` (layers · D, B, H) or undefined, which is 0.
  RecurrentResult forward(const Tensor& x, const Segments& segments, const Tensor& first = {}) const;
  /// The next row of each of B streams: x (B, input_size) → rows (B, H) and the state for the step after it; see LSTM.
  RecurrentResult step(const Tensor& x, const Tensor& state) const;

 protected:
  LstmResult run(const Tensor& x, const Segments& segments, const Direction& direction,
                 const LstmState& first) const override;

 private:
  RnnNonlinearity nonlinearity_;
};

}  // namespace nn
}  // namespace saw
