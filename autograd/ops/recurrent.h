#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// One direction of one layer of a recurrent net over packed rows. What does not depend on the state is computed before,
// for all rows at once: `input` is linear(x, W, b) of the layer's input. The sequences go through together, longest
// first, and leave as they end: nothing is padded, and no step is recorded by itself. A sequence gets the same bits
// alone and in a batch. A sequence without rows hands its first state on.
//
// An undefined first state is 0. `reverse` begins at the last row of each sequence; results stay at their rows, and
// the last state is that of the sequence's first row. All throw Error(shape) and Error(dtype) for operands that do not
// fit.

/// What gru() and rnn() give.
struct RecurrentResult {
  Tensor rows;    ///< (N, H): h_t
  Tensor hidden;  ///< (B, H): the h after the last step of each sequence
};

/// What lstm() gives.
struct LstmResult {
  Tensor rows;    ///< (N, P): h_t
  Tensor hidden;  ///< (B, P): the h after the last step of each sequence
  Tensor cell;    ///< (B, H): its c
};

/// What an LSTM carries from step to step; either may be undefined, which is 0.
struct LstmState {
  Tensor hidden = {};  ///< (B, P)
  Tensor cell = {};    ///< (B, H)
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with a forget gate):
///
///   (i, f, g, o) = input_t + R h_{t−1},   c_t = σ(f) c_{t−1} + σ(i) tanh(g),   h_t = σ(o) tanh(c_t)
///
/// input (N, 4H) with the gates in this order, which is PyTorch's; weight R (4H, P). With a `projection` S (P, H) what
/// goes on is h_t = S (σ(o) tanh(c_t)) (Sak et al. 2014); without one P = H.
///
///   auto [rows, hidden, cell] = lstm(linear(x, weight_ih, bias), sentences, weight_hh);
LstmResult lstm(const Tensor& input, const Segments& segments, const Tensor& weight, const LstmState& first = {},
                const Tensor& projection = {}, bool reverse = false);

/// Gated recurrent unit (Cho et al. 2014) as PyTorch and cuDNN have it, the reset gate behind the product:
///
///   r = σ(input_r + R_r h + b_r),  z = σ(input_z + R_z h + b_z),  n = tanh(input_n + r (R_n h + b_n)),
///   h_t = (1 − z) n + z h   with h = h_{t−1}
///
/// input (N, 3H) with the gates in the order r, z, n; weight R (3H, H), bias b (3H) or undefined, first state (B, H).
RecurrentResult gru(const Tensor& input, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
                    const Tensor& first = {}, bool reverse = false);

/// What a plain recurrent net puts its sums through.
enum class RnnNonlinearity {
  tanh,  ///< the hyperbolic tangent
  relu,  ///< max(0, x), which lets states grow without bound
};

/// A plain recurrent net (Elman 1990): h_t = tanh(input_t + R h_{t−1}), or relu(…). input (N, H), weight R (H, H),
/// first state (B, H).
RecurrentResult rnn(const Tensor& input, const Segments& segments, const Tensor& weight, const Tensor& first = {},
                    RnnNonlinearity nonlinearity = RnnNonlinearity::tanh, bool reverse = false);

}  // namespace saw
