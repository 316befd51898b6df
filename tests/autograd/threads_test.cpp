// Work large enough to be split: the same bits with any number of threads, op by op and over a training loop.

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>

#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/registry.h"
#include "support/tensors.h"

namespace {

using saw::Segments;
using saw::Tensor;
using saw::TensorList;

struct Work {
  std::string name;
  TensorList inputs;
  saw::TensorFunction run;
};

/// Calls of the ops whose kernels sum, scatter or share something between rows, over several chunks of work.
std::vector<Work> large_work() {
  saw::Generator generator(21);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator); };
  std::vector<std::int64_t> lengths;
  std::int64_t rows = 0;
  for (std::int64_t i = 0; rows < 6000; ++i) {
    lengths.push_back((i * 37) % 83);
    rows += lengths.back();
  }
  const auto segments = Segments::from_lengths(lengths);
  const Tensor wide = normal({rows, 48});
  const Tensor heads = normal({rows, 4, 12});
  const Tensor index = saw::randint(0, 500, {20000}, generator);
  const Tensor targets = saw::randint(0, 48, {rows}, generator);
  const auto one = [](const std::function<Tensor(const TensorList&)>& f) {
    return [f](const TensorList& in) { return TensorList{f(in)}; };
  };
  return {
      {"elementwise", {wide, normal({48})}, one([](const TensorList& in) {
         return saw::gelu(saw::tanh(in[0] * in[1]) / (saw::exp(in[0]) + 1.0));
       })},
      {"sum of all", {normal({700000})}, one([](const TensorList& in) { return saw::sum(in[0]); })},
      {"sum of rows", {wide}, one([](const TensorList& in) { return saw::sum(in[0], {0}); })},
      {"mean of columns", {wide}, one([](const TensorList& in) { return saw::mean(in[0], {1}); })},
      {"var", {wide}, one([](const TensorList& in) { return saw::var(in[0], {0}); })},
      {"norm", {normal({500000})}, one([](const TensorList& in) { return saw::norm(in[0]); })},
      {"logsumexp", {wide}, one([](const TensorList& in) { return saw::logsumexp(in[0], {0}); })},
      {"amax", {wide}, one([](const TensorList& in) { return saw::amax(in[0], {0}); })},
      {"cumsum", {wide}, one([](const TensorList& in) { return saw::cumsum(in[0], 0); })},
      {"sort",
       {wide},
       [](const TensorList& in) {
         const auto sorted = saw::sort(in[0], 0);
         return TensorList{sorted.values, sorted.indices};
       }},
      {"softmax", {wide}, one([](const TensorList& in) { return saw::softmax(in[0]); })},
      {"log_softmax, first axis", {wide}, one([](const TensorList& in) { return saw::log_softmax(in[0], 0); })},
      {"layer_norm", {wide, normal({48}), normal({48})}, one([](const TensorList& in) {
         return saw::layer_norm(in[0], in[1], in[2]);
       })},
      {"rms_norm", {wide, normal({48})}, one([](const TensorList& in) { return saw::rms_norm(in[0], in[1]); })},
      {"matmul", {normal({300, 200}), normal({200, 250})}, one([](const TensorList& in) {
         return saw::matmul(in[0], in[1]);
       })},
      {"matmul, long inner axis", {normal({20, 20000}), normal({20000, 24})}, one([](const TensorList& in) {
         return saw::matmul(in[0], in[1]);
       })},
      {"matmul, batched", {normal({64, 30, 40}), normal({64, 40, 20})}, one([](const TensorList& in) {
         return saw::matmul(in[0], in[1]);
       })},
      {"linear", {wide, normal({96, 48}), normal({96})}, one([](const TensorList& in) {
         return saw::linear(in[0], in[1], in[2]);
       })},
      {"embedding", {normal({500, 32})}, one([index](const TensorList& in) { return saw::embedding(in[0], index); })},
      {"index_select", {normal({500, 32})}, one([index](const TensorList& in) {
         return saw::index_select(in[0], 0, index);
       })},
      {"index_add", {normal({500, 32}), normal({20000, 32})}, one([index](const TensorList& in) {
         return saw::index_add(in[0], 0, index, in[1]);
       })},
      {"scatter_add", {normal({500, 1}), normal({20000, 1})}, one([index](const TensorList& in) {
         return saw::scatter_add(in[0], 0, index.unsqueeze(1), in[1]);
       })},
      {"cross_entropy", {wide}, one([targets](const TensorList& in) {
         return saw::cross_entropy(in[0], targets, {.label_smoothing = 0.1});
       })},
      {"segment_sum", {wide}, one([segments](const TensorList& in) { return saw::segment_sum(in[0], segments); })},
      {"segment_softmax", {wide}, one([segments](const TensorList& in) {
         return saw::segment_softmax(in[0], segments);
       })},
      {"segment_max", {wide}, one([segments](const TensorList& in) { return saw::segment_max(in[0], segments); })},
      {"context_window", {wide}, one([segments](const TensorList& in) {
         return saw::context_window(in[0], segments, 2, 1);
       })},
      {"conv1d", {wide, normal({32, 48, 3}), normal({32})}, one([segments](const TensorList& in) {
         return saw::conv1d(in[0], segments, in[1], in[2]);
       })},
      {"attention", {heads, normal({rows, 4, 12}), normal({rows, 4, 12})}, one([segments](const TensorList& in) {
         return saw::attention(in[0], in[1], in[2], segments, segments);
       })},
      {"attention with window and dropout",
       {heads, normal({rows, 4, 12}), normal({rows, 4, 12})},
       one([segments](const TensorList& in) {
         saw::manual_seed(4);
         saw::AttentionOptions options = saw::AttentionOptions::window(5, 3);
         options.dropout = 0.2;
         return saw::attention(in[0], in[1], in[2], segments, segments, options);
       })},
      {"dropout", {wide}, one([](const TensorList& in) {
         saw::Generator mask(9);
         return saw::dropout(in[0], 0.4, mask);
       })},
      {"cat", {wide, normal({rows, 16})}, one([](const TensorList& in) {
         return saw::cat({in[0], in[1]}, 1);
       })},
  };
}

TEST_CASE("threads: large ops give the same bits with 1, 2 and 3 threads, forward and backward") {
  for (const Work& work : large_work()) {
    TensorList first;
    for (const int threads : {1, 2, 3}) {
      const test::Threads scope(threads);
      TensorList leaves;
      for (const Tensor& input : work.inputs) leaves.push_back(input.clone().set_requires_grad(true));
      TensorList results = work.run(leaves);
      for (const Tensor& gradient : test::gradients_of(results, leaves)) {
        CHECK_MESSAGE(gradient.defined(), work.name);
        results.push_back(gradient);
      }
      if (threads == 1) {
        first = results;
        continue;
      }
      for (std::size_t i = 0; i < results.size(); ++i)
        CHECK_MESSAGE(test::same_bits(first[i], results[i]), work.name, ", ", threads, " threads, result ", i);
    }
  }
}

TEST_CASE("threads: a training loop gives the same weights bit for bit with 1 and 2 threads") {
  const auto train = [](int threads) {
    const test::Threads scope(threads);
    saw::manual_seed(6);
    saw::Generator generator(7);
    const auto parameter = [&](const saw::Shape& shape) {
      return (saw::randn(shape, generator) * 0.1).set_requires_grad(true);
    };
    const TensorList weights{parameter({200, 32}), parameter({32, 32, 3}), parameter({96, 32}), parameter({32}),
                             parameter({32}),      parameter({17, 32}),    parameter({17})};
    std::vector<float> losses;
    for (int step = 0; step < 12; ++step) {
      const auto segments = Segments::from_lengths({13, 1, 40, 0, 77 + step, 25});
      const Tensor words = saw::randint(0, 200, {segments.rows()}, generator);
      const Tensor tags = saw::randint(0, 17, {segments.rows()}, generator);
      Tensor x = saw::dropout(saw::embedding(weights[0], words), 0.2);
      x = x + saw::relu(saw::conv1d(x, segments, weights[1]));
      const TensorList parts = saw::split(saw::linear(x, weights[2]).reshape({segments.rows(), 12, 8}), 4, 1);
      const Tensor seen = saw::attention(parts[0], parts[1], parts[2], segments, segments);
      x = saw::layer_norm(x + seen.reshape({segments.rows(), 32}), weights[3], weights[4]);
      const Tensor loss = saw::cross_entropy(saw::linear(x, weights[5], weights[6]), tags);
      loss.backward();
      losses.push_back(static_cast<float>(loss.item()));
      const saw::NoGradGuard no_grad;
      for (const Tensor& weight : weights) {
        weight.add_(weight.grad(), -0.1);
        weight.zero_grad();
      }
    }
    TensorList result{saw::tensor(losses)};
    for (const Tensor& weight : weights) result.push_back(weight.detach());
    return result;
  };
  const TensorList alone = train(1);
  CHECK(test::same_bits(alone, train(2)));
  CHECK(test::same_bits(alone, train(3)));
  CHECK(test::same_bits(alone, train(1)));
  for (const float loss : alone[0].to_vector<float>()) CHECK(std::isfinite(loss));
}

}  // namespace
