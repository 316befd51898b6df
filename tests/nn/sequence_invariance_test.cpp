// A sequence gets the same result and the same gradients alone, in a batch, in another order, and beside neighbours
// full of NaN: for every module of nn/ that is told where sequences end. One that is missing from the list below fails
// the suite.

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/tape/engine.h"
#include "saw/nn/nn.h"
#include "support/files.h"
#include "support/golden.h"

using namespace saw;

namespace {

constexpr std::int64_t width = 6;
constexpr double tolerance = 1e-12;  // float64; a product may add in another order when it has other rows beside it

/// A module under test: x (N, width) and segments to the result, and the segments of the result.
struct Subject {
  std::unique_ptr<nn::Module> module;
  std::function<Tensor(const Tensor& x, const Segments& segments)> run;
  std::function<Segments(const Segments& segments)> result_segments = [](const Segments& s) { return s; };
};

struct Entry {
  std::string class_name;
  std::string variant;
  std::function<Subject()> make;
};

template <class M, class... Arguments>
Subject plain(Arguments&&... arguments) {
  auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
  const M& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s); }};
}

/// The rows of a recurrent net.
template <class M, class Options>
Subject recurrent(const Options& options) {
  auto module = std::make_unique<M>(options);
  const M& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s).rows; }};
}

Subject depthwise_convolution(std::int64_t kernel, const nn::Conv1dOptions& options) {
  auto module = std::make_unique<nn::DepthwiseConv1d>(width, kernel, options);
  const nn::DepthwiseConv1d& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s); },
          [&reference](const Segments& s) { return reference.output_segments(s); }};
}

Subject convolution(std::int64_t kernel, const nn::Conv1dOptions& options) {
  auto module = std::make_unique<nn::Conv1d>(width, 4, kernel, options);
  const nn::Conv1d& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s); },
          [&reference](const Segments& s) { return reference.output_segments(s); }};
}

Subject transposed_convolution(std::int64_t kernel, const nn::ConvTranspose1dOptions& options) {
  auto module = std::make_unique<nn::ConvTranspose1d>(width, 4, kernel, options);
  const nn::ConvTranspose1d& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s); },
          [&reference](const Segments& s) { return reference.output_segments(s); }};
}

/// One row per sequence, whatever its length.
Segments row_per_sequence(const Segments& segments) {
  return Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(segments.count()), 1));
}

template <class M, class... Arguments>
Subject pooling(Arguments&&... arguments) {
  Subject subject = plain<M>(std::forward<Arguments>(arguments)...);
  subject.result_segments = row_per_sequence;
  return subject;
}

/// Batch norm with running statistics: in training it mixes the sequences of a batch, which conformer_test.cpp is
/// about.
template <class M, class... Arguments>
Subject evaluated(Arguments&&... arguments) {
  Subject subject = plain<M>(std::forward<Arguments>(arguments)...);
  subject.module->eval();
  return subject;
}

/// A module that says itself which segments it gives.
template <class M, class... Arguments>
Subject subsampling(Arguments&&... arguments) {
  auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
  module->eval();
  const M& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s).rows; },
          [&reference](const Segments& s) { return reference.output_segments(s); }};
}

/// ConvolutionSubsampling wants more features than the rows of this test have: they are spread over 9.
struct WideSubsampling : nn::Module {
  nn::Linear& spread = child<nn::Linear>("spread", width, 9);
  nn::ConvolutionSubsampling& subsampling = child<nn::ConvolutionSubsampling>("subsampling", 9, 4);

  nn::Sequences forward(const Tensor& x, const Segments& segments) const {
    return subsampling.forward(spread.forward(x), segments);
  }
  Segments output_segments(const Segments& segments) const { return subsampling.output_segments(segments); }
};

/// Position by position, across positions, and behind a change of the segments.
Subject sequential() {
  auto module = std::make_unique<nn::Sequential>();
  module->add<nn::Linear>(width, width).add<nn::Conv1d>(width, width, 3, {.stride = 2}).add<nn::GroupNorm>(1, width);
  const nn::Sequential& reference = *module;
  return {std::move(module), [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s); },
          [&reference](const Segments& s) { return reference.output_segments(s); }};
}

Subject cross_attention() {
  auto module = std::make_unique<nn::MultiHeadAttention>(width, 2);
  const nn::MultiHeadAttention& reference = *module;
  return {std::move(module),
          [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, x * 0.5 + 1.0, s, s); }};
}

/// A decoder whose memory is made of its input.
template <class M, class Options>
Subject decoder(const Options& options) {
  auto module = std::make_unique<M>(options);
  const M& reference = *module;
  return {std::move(module),
          [&reference](const Tensor& x, const Segments& s) { return reference.forward(x, s, x * 0.5 + 1.0, s); }};
}

Subject self_attention_weights() {
  auto module = std::make_unique<nn::SelfAttention>(width);
  const nn::SelfAttention& reference = *module;
  return {std::move(module),
          [&reference](const Tensor& x, const Segments& s) { return reference.forward_with_weights(x, s).output; }};
}

/// One loss per sequence, for labels that depend on a row's place alone.
Subject conditional_random_field() {
  auto module = std::make_unique<nn::ConditionalRandomField>(width);
  const nn::ConditionalRandomField& reference = *module;
  return {std::move(module),
          [&reference](const Tensor& x, const Segments& s) {
            std::vector<std::int64_t> labels;
            for (std::int64_t b = 0; b < s.count(); ++b)
              for (std::int64_t t = 0; t < s.length(b); ++t) labels.push_back(t * t % width);
            return reference.forward(x, tensor(labels), s, {.reduction = Reduction::none});
          },
          row_per_sequence};
}

const std::vector<Entry>& entries() {
  const nn::TransformerOptions encoder{.width = width, .heads = 2, .layers = 2, .dropout = 0.0};
  nn::TransformerOptions pre_norm = encoder;
  pre_norm.pre_norm = pre_norm.final_norm = true;
  pre_norm.attention = AttentionOptions::window(2, 1);
  const nn::ConformerOptions conformer{.width = width, .heads = 2, .layers = 2, .kernel = 5, .dropout = 0.0};
  nn::ConformerOptions streaming = conformer.streaming(3);
  streaming.norm = nn::ConformerNorm::group;
  nn::ConformerOptions torchaudio = nn::ConformerOptions::torchaudio(width, 2, 9, 2, 3);
  torchaudio.convolution_first = true;
  static const std::vector<Entry> all = {
      {"MeanPooling", "", [] { return pooling<nn::MeanPooling>(); }},
      {"MaxPooling", "", [] { return pooling<nn::MaxPooling>(); }},
      {"StatisticsPooling", "", [] { return pooling<nn::StatisticsPooling>(); }},
      {"SelfAttentionPooling", "", [] { return pooling<nn::SelfAttentionPooling>(width); }},
      {"ConformerConvolution", "", [conformer] { return evaluated<nn::ConformerConvolution>(conformer); }},
      {"ConformerLayer", "", [conformer] { return evaluated<nn::ConformerLayer>(conformer); }},
      {"Conformer", "paper", [conformer] { return evaluated<nn::Conformer>(conformer); }},
      {"Conformer", "streaming, group norm", [streaming] { return evaluated<nn::Conformer>(streaming); }},
      {"Conformer", "torchaudio", [torchaudio] { return evaluated<nn::Conformer>(torchaudio); }},
      {"ConvolutionSubsampling", "", [] { return subsampling<WideSubsampling>(); }},
      {"ConformerEncoder", "every frame",
       [conformer] {
         return subsampling<nn::ConformerEncoder>(
             nn::ConformerEncoderOptions{.features = width, .subsampling = false, .conformer = conformer});
       }},
      {"ConditionalRandomField", "", conditional_random_field},
      {"Sequential", "", sequential},
      {"Conv1d", "kernel 3", [] { return convolution(3, {}); }},
      {"Conv1d", "kernel 4, stride 2", [] { return convolution(4, {.stride = 2}); }},
      {"Conv1d", "dilation 2, no padding",
       [] { return convolution(3, {.dilation = 2, .padding_left = 0, .padding_right = 0}); }},
      {"Conv1d", "two groups", [] { return convolution(3, {.groups = 2}); }},
      {"ConvTranspose1d", "kernel 3", [] { return transposed_convolution(3, {}); }},
      {"ConvTranspose1d", "kernel 4, stride 2",
       [] { return transposed_convolution(4, {.stride = 2, .padding = 1, .groups = 2}); }},
      {"DepthwiseConv1d", "kernel 5", [] { return depthwise_convolution(5, {}); }},
      {"DepthwiseConv1d", "causal", [] { return depthwise_convolution(4, {.padding_right = 0}); }},
      {"DepthwiseConv1d", "stride 2, dilation 3",
       [] { return depthwise_convolution(3, {.stride = 2, .dilation = 3, .padding_left = 2, .padding_right = 1}); }},
      {"GroupNorm", "two groups", [] { return plain<nn::GroupNorm>(2, width); }},
      {"GroupNorm", "one group", [] { return plain<nn::GroupNorm>(1, width); }},
      {"SinusoidalPositions", "", [] { return plain<nn::SinusoidalPositions>(width); }},
      {"LearnedPositions", "", [] { return plain<nn::LearnedPositions>(9, width); }},
      {"SelfAttention", "fused", [] { return plain<nn::SelfAttention>(width); }},
      {"SelfAttention", "with weights", self_attention_weights},
      {"SelfAttention", "additive",
       [] { return plain<nn::SelfAttention>(width, nn::SelfAttentionOptions{.score = nn::AttentionScore::additive}); }},
      {"SelfAttention", "relu by length",
       [] {
         return plain<nn::SelfAttention>(
             width,
             nn::SelfAttentionOptions{.normalisation = nn::AttentionNormalisation::relu, .divide_by_length = true});
       }},
      {"MultiHeadAttention", "full", [] { return plain<nn::MultiHeadAttention>(width, 3); }},
      {"MultiHeadAttention", "causal",
       [] {
         return plain<nn::MultiHeadAttention>(width, 2,
                                              nn::MultiHeadAttentionOptions{.attention = AttentionOptions::causal()});
       }},
      {"MultiHeadAttention", "window",
       [] {
         return plain<nn::MultiHeadAttention>(
             width, 1, nn::MultiHeadAttentionOptions{.attention = AttentionOptions::window(1, 2)});
       }},
      {"MultiHeadAttention", "rotary, linear biases",
       [] {
         return plain<nn::MultiHeadAttention>(
             width, 1, nn::MultiHeadAttentionOptions{.attention = {.alibi_slopes = {0.5}}, .rotary = RotaryOptions{}});
       }},
      {"MultiHeadAttention", "cross", cross_attention},
      {"RelativeMultiHeadAttention", "full", [] { return plain<nn::RelativeMultiHeadAttention>(width, 3); }},
      {"RelativeMultiHeadAttention", "window",
       [] {
         return plain<nn::RelativeMultiHeadAttention>(
             width, 2, nn::RelativeMultiHeadAttentionOptions{.attention = AttentionOptions::window(1, 4)});
       }},
      {"LSTM", "two layers, both directions",
       [] {
         return recurrent<nn::LSTM>(
             nn::LSTMOptions{.input_size = width, .hidden_size = 5, .num_layers = 2, .bidirectional = true});
       }},
      {"LSTM", "projection",
       [] { return recurrent<nn::LSTM>(nn::LSTMOptions{.input_size = width, .hidden_size = 5, .proj_size = 3}); }},
      {"GRU", "two layers, both directions",
       [] {
         return recurrent<nn::GRU>(
             nn::GRUOptions{.input_size = width, .hidden_size = 5, .num_layers = 2, .bidirectional = true});
       }},
      {"RNN", "tanh, both directions",
       [] { return recurrent<nn::RNN>(nn::RNNOptions{.input_size = width, .hidden_size = 5, .bidirectional = true}); }},
      {"RNN", "relu",
       [] {
         return recurrent<nn::RNN>(
             nn::RNNOptions{.input_size = width, .hidden_size = 5, .nonlinearity = RnnNonlinearity::relu});
       }},
      {"TransformerEncoderLayer", "", [encoder] { return plain<nn::TransformerEncoderLayer>(encoder); }},
      {"TransformerEncoder", "post-norm", [encoder] { return plain<nn::TransformerEncoder>(encoder); }},
      {"TransformerEncoder", "pre-norm, window", [pre_norm] { return plain<nn::TransformerEncoder>(pre_norm); }},
      {"RecurrentDecoder", "",
       [] {
         return decoder<nn::RecurrentDecoder>(
             nn::RecurrentDecoderOptions{.input_size = width, .hidden_size = 5, .memory_size = width});
       }},
      {"TransformerDecoderLayer", "", [encoder] { return decoder<nn::TransformerDecoderLayer>(encoder); }},
      {"TransformerDecoder", "post-norm", [encoder] { return decoder<nn::TransformerDecoder>(encoder); }},
      {"TransformerDecoder", "pre-norm", [pre_norm] { return decoder<nn::TransformerDecoder>(pre_norm); }},
  };
  return all;
}

// ---- running a subject over sequences ----

struct Outcome {
  TensorList outputs;          // per sequence
  TensorList input_gradients;  // per sequence
  StateDict parameter_gradients;
};

TensorList pieces(const Tensor& rows, const Segments& segments) {
  TensorList result;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    result.push_back(rows.slice(0, segments.begin(b), segments.end(b)));
  return result;
}

Segments segments_of(const TensorList& sequences) {
  std::vector<std::int64_t> lengths;
  for (const Tensor& sequence : sequences) lengths.push_back(sequence.size(0));
  return Segments::from_lengths(lengths);
}

/// Runs the sequences as one batch, and backward from `upstream`: one gradient per sequence, for its results.
Outcome run_batch(Subject& subject, const TensorList& sequences, const TensorList& upstream) {
  subject.module->zero_grad();
  const Segments segments = segments_of(sequences);
  const Tensor x = cat(sequences, 0).clone().set_requires_grad(true);
  const Tensor y = subject.run(x, segments);
  y.backward(cat(upstream, 0));
  Outcome outcome{pieces(y.detach(), subject.result_segments(segments)), pieces(x.grad(), segments), {}};
  for (const auto& [name, tensor] : subject.module->named_parameters())
    outcome.parameter_gradients.emplace_back(
        name, tensor.grad().defined() ? tensor.grad().clone() : zeros(tensor.shape(), tensor.dtype()));
  return outcome;
}

/// Runs each sequence by itself; parameters' gradients are those of all together.
Outcome run_alone(Subject& subject, const TensorList& sequences, const TensorList& upstream) {
  Outcome outcome;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    Outcome one = run_batch(subject, {sequences[i]}, {upstream[i]});
    outcome.outputs.push_back(one.outputs[0]);
    outcome.input_gradients.push_back(one.input_gradients[0]);
    if (i == 0) {
      outcome.parameter_gradients = one.parameter_gradients;
    } else {
      for (std::size_t p = 0; p < one.parameter_gradients.size(); ++p)
        outcome.parameter_gradients[p].second.add_(one.parameter_gradients[p].second);
    }
  }
  return outcome;
}

TensorList permuted(const TensorList& list, const std::vector<std::size_t>& order) {
  TensorList result;
  for (const std::size_t i : order) result.push_back(list[i]);
  return result;
}

void check_same(const TensorList& actual, const TensorList& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    CHECK_EQ(test::difference(actual[i], expected[i], tolerance, tolerance), "");
  }
}

void check_same(const StateDict& actual, const StateDict& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(actual[i].first);
    CHECK_EQ(test::difference(actual[i].second, expected[i].second, tolerance, tolerance), "");
  }
}

// ---- what nn/ declares ----

/// The classes in nn/*.h with a forward that takes `const Segments&`.
std::set<std::string> classes_over_sequences() {
  std::set<std::string> result;
  const std::regex no_code("//[^\n]*|\\{\\}");  // and {}, which default arguments are made of
  const std::regex class_head("\\b(?:class|struct)\\s+(\\w+)[^;{]*$");
  const std::regex forward("\\bforward\\w*\\s*\\([^)]*const\\s+Segments\\s*&");
  for (const auto& file : std::filesystem::directory_iterator(test::directory().parent_path() / "nn")) {
    if (file.path().extension() != ".h") continue;
    const std::string text = std::regex_replace(test::read_file(file.path()), no_code, "");
    std::vector<std::string> scopes;  // the class that each open brace belongs to, "" for other braces
    std::string statement;
    for (const char c : text) {
      if (c != ';' && c != '{' && c != '}') {
        statement += c;
        continue;
      }
      if (std::regex_search(statement, forward)) {
        REQUIRE_FALSE(scopes.empty());
        result.insert(scopes.back());
      }
      std::smatch match;
      if (c == '{') scopes.push_back(std::regex_search(statement, match, class_head) ? match[1].str() : "");
      if (c == '}') scopes.pop_back();
      statement.clear();
    }
  }
  return result;
}

}  // namespace

TEST_CASE("every module over sequences is in the list of this test") {
  std::set<std::string> listed;
  for (const Entry& entry : entries()) listed.insert(entry.class_name);
  const std::set<std::string> declared = classes_over_sequences();
  for (const std::string& name : declared) {
    CAPTURE(name);
    CHECK_MESSAGE(listed.count(name) == 1, "a module takes Segments and is not tested for sequence invariance");
  }
  for (const std::string& name : listed) {
    CAPTURE(name);
    CHECK_MESSAGE(declared.count(name) == 1, "the list names a module that nn/ does not declare");
  }
}

TEST_CASE("a sequence does not see its neighbours") {
  const GeneratorGuard seeded(Generator(21));
  TensorList sequences;
  for (const std::int64_t length : {4, 1, 9, 0, 3, 6}) sequences.push_back(randn({length, width}, float64));

  for (const Entry& entry : entries()) {
    CAPTURE(entry.class_name);
    CAPTURE(entry.variant);
    Subject subject = entry.make();
    subject.module->to(float64);
    TensorList upstream;
    for (const Tensor& sequence : sequences) {
      const NoGradGuard no_grad;
      const Tensor y = subject.run(sequence, Segments::single(sequence.size(0)));
      upstream.push_back(randn(y.shape(), float64));
    }

    const Outcome alone = run_alone(subject, sequences, upstream);
    const Outcome batched = run_batch(subject, sequences, upstream);
    check_same(batched.outputs, alone.outputs);
    check_same(batched.input_gradients, alone.input_gradients);
    check_same(batched.parameter_gradients, alone.parameter_gradients);

    const std::vector<std::size_t> order = {5, 3, 0, 2, 4, 1};
    const Outcome reordered = run_batch(subject, permuted(sequences, order), permuted(upstream, order));
    check_same(reordered.outputs, permuted(alone.outputs, order));
    check_same(reordered.input_gradients, permuted(alone.input_gradients, order));
    check_same(reordered.parameter_gradients, alone.parameter_gradients);

    // Parameters see every row, so their gradients are not compared here: 0 · NaN is NaN.
    for (std::size_t kept = 0; kept < sequences.size(); ++kept) {
      CAPTURE(kept);
      TensorList poisoned, silent;
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        poisoned.push_back(i == kept ? sequences[i]
                                     : full_like(sequences[i], std::numeric_limits<double>::quiet_NaN()));
        silent.push_back(i == kept ? upstream[i] : zeros_like(upstream[i]));
      }
      const Outcome beside = run_batch(subject, poisoned, silent);
      CHECK_EQ(test::difference(beside.outputs[kept], alone.outputs[kept], tolerance, tolerance), "");
      CHECK_EQ(test::difference(beside.input_gradients[kept], alone.input_gradients[kept], tolerance, tolerance), "");
    }
  }
}
