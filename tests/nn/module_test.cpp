// Registration, names, state dicts, modes, tied weights.

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/tape/engine.h"
#include "saw/nn/nn.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

/// Word tags, with one of everything that a module can own.
struct Tagger : nn::Module {
  nn::Embedding& words = child<nn::Embedding>("words", 7, 4);
  nn::ModuleList<nn::Linear>& layers = child<nn::ModuleList<nn::Linear>>("layers");
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.5);
  const Tensor& scale = param("scale", {4}, nn::init::constant(2.0));
  const Tensor& seen = buffer("seen", zeros({7}));
  const Tensor& scratch = buffer("scratch", zeros({2}), false);

  Tagger() {
    layers.add(4, 4);
    layers.add(4, 4, nn::LinearOptions{.bias = false});
  }
  Tensor forward(const Tensor& ids) {
    Tensor x = words.forward(ids);
    for (nn::Linear& layer : layers) x = dropout.forward(layer.forward(x));
    return x * scale;
  }
};

/// A module made as a test says.
struct Built : nn::Module {
  explicit Built(const std::function<void(Built&)>& build) { build(*this); }
  using nn::Module::buffer;
  using nn::Module::child;
  using nn::Module::param;
  using nn::Module::param_if;
};

std::vector<std::string> names(const StateDict& state) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : state) result.push_back(name);
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("names follow the tree, own parameters first, in the order of creation") {
  Tagger tagger;
  CHECK(names(tagger.named_parameters()) ==
        Names{"scale", "words.weight", "layers.0.weight", "layers.0.bias", "layers.1.weight"});
  CHECK(names(tagger.named_buffers()) == Names{"seen", "scratch"});
  CHECK(names(tagger.state_dict()) ==
        Names{"scale", "seen", "words.weight", "layers.0.weight", "layers.0.bias", "layers.1.weight"});
  CHECK(tagger.parameters().size() == 5);
  CHECK(tagger.number_of_parameters() == 4 + 28 + 16 + 4 + 16);
  CHECK(tagger.layers[1].path() == "layers.1");
  CHECK(tagger.path().empty());
  CHECK(tagger.layers.name() == "layers");
  CHECK(tagger.type_name() == "Tagger");
  CHECK(tagger.layers.type_name() == "ModuleList<Linear>");
  for (const auto& [name, tensor] : tagger.named_parameters()) {
    CHECK(tensor.requires_grad());
    CHECK(tensor.name() == name);
  }
  // Also when they are asked of a part, leaves are named from the root.
  CHECK(names(tagger.layers.named_parameters()) == Names{"0.weight", "0.bias", "1.weight"});
  CHECK(tagger.layers[0].weight.name() == "layers.0.weight");
}

TEST_CASE("names that are empty, dotted or taken are refused") {
  const auto refused = [](const std::function<void(Built&)>& build) {
    return test::error_text(ErrorKind::argument, [&] { Built module(build); });
  };
  CHECK_EQ(refused([](Built& m) { m.param("", {1}, nn::init::zeros()); }),
           "Built: a name must not be empty and has no dots; got \"\"");
  CHECK_EQ(refused([](Built& m) { m.child<nn::Linear>("a.b", 1, 1); }),
           "Built: a name must not be empty and has no dots; got \"a.b\"");
  const std::string taken = "Built: the name \"a\" is taken; expected another for each parameter, buffer and module";
  CHECK_EQ(refused([](Built& m) {
             m.param("a", {1}, nn::init::zeros());
             m.param("a", {1}, nn::init::zeros());
           }),
           taken);
  CHECK_EQ(refused([](Built& m) {
             m.child<nn::Linear>("a", 1, 1);
             m.buffer("a", zeros({1}));
           }),
           taken);
  CHECK_EQ(refused([](Built& m) {
             m.param_if(false, "a", {1}, nn::init::zeros());
             m.child<nn::Linear>("a", 1, 1);
           }),
           taken);
}

TEST_CASE("a state dict shares memory, a snapshot does not") {
  Tagger tagger;
  const StateDict state = tagger.state_dict();
  const StateDict best = tagger.snapshot();
  {
    const NoGradGuard no_grad;
    tagger.scale.fill_(5.0);
  }
  CHECK(find_tensor(state, "scale").to_vector<float>() == std::vector<float>(4, 5.0f));
  CHECK(find_tensor(best, "scale").to_vector<float>() == std::vector<float>(4, 2.0f));
  CHECK_FALSE(find_tensor(state, "scale").requires_grad());
  CHECK_FALSE(find_tensor(best, "scale").requires_grad());

  tagger.load_state_dict(best);
  CHECK(tagger.scale.to_vector<float>() == std::vector<float>(4, 2.0f));
  CHECK(tagger.scale.requires_grad());
  tagger.load_state_dict(tagger.state_dict());  // its own memory
  CHECK(tagger.scale.to_vector<float>() == std::vector<float>(4, 2.0f));
}

TEST_CASE("a state that does not fit is refused whole, with every name") {
  Tagger tagger;
  const std::vector<float> before = tagger.layers[0].weight.to_vector<float>();
  StateDict state = tagger.snapshot();
  for (auto& [name, tensor] : state) {
    if (name == "scale") tensor = zeros({5});
    if (name == "seen") tensor = zeros({7}, float64);
    if (name == "layers.0.weight") tensor = ones({4, 4});
    if (name == "layers.0.bias") name = "layers.0.offset";
    if (name == "words.weight") name = "word.weight";
  }
  const auto load = [&](bool strict) {
    return test::error_text(ErrorKind::argument, [&] { tagger.load_state_dict(state, strict); });
  };
  CHECK_EQ(
      load(true),
      "load_state_dict: the state does not fit this Tagger; missing: words.weight, layers.0.bias; unexpected: "
      "word.weight, layers.0.offset; mismatched: scale (got float32 (5,), expected float32 (4,)), seen (got float64 "
      "(7,), expected float32 (7,))");
  CHECK(load(false).find("mismatched: scale") != std::string::npos);
  CHECK(tagger.layers[0].weight.to_vector<float>() == before);

  state.erase(state.begin(), state.begin() + 2);  // the mismatched ones
  const nn::Module::Unmatched unmatched = tagger.load_state_dict(state, false);
  CHECK(unmatched.missing == Names{"scale", "seen", "words.weight", "layers.0.bias"});
  CHECK(unmatched.unexpected == Names{"word.weight", "layers.0.offset"});
  CHECK(tagger.layers[0].weight.to_vector<float>() == std::vector<float>(16, 1.0f));
}

TEST_CASE("train and eval reach every module and no gradient") {
  Tagger tagger;
  CHECK(tagger.dropout.is_training());
  tagger.eval();
  CHECK_FALSE(tagger.dropout.is_training());
  CHECK_FALSE(tagger.is_training());
  const Tensor ids = tensor(std::vector<std::int64_t>{1, 2, 2});
  const Tensor y = tagger.forward(ids);
  CHECK(y.requires_grad());
  CHECK(y.to_vector<float>() == tagger.forward(ids).to_vector<float>());
  y.sum().backward();
  CHECK(tagger.scale.grad().defined());
  tagger.train();
  CHECK(tagger.dropout.is_training());
  CHECK(tagger.scale.grad().defined());
  CHECK(tagger.forward(ids).to_vector<float>() != y.to_vector<float>());
  tagger.zero_grad();
  for (const Tensor& parameter : tagger.parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("modules added to one in evaluation are in evaluation too") {
  Tagger tagger;
  tagger.eval();
  CHECK_FALSE(tagger.layers.add(4, 4).is_training());
}

TEST_CASE("tied parameters are one parameter under two names") {
  struct Tied : nn::Module {
    nn::Embedding& words = child<nn::Embedding>("words", 7, 4);
    nn::Linear& tags = child<nn::Linear>("tags", 4, 7, nn::LinearOptions{.bias = false});
    Tied() { tie("tags.weight", words.weight); }
    Tensor forward(const Tensor& ids) { return tags.forward(words.forward(ids)); }
  };
  Tied model;
  CHECK(names(model.named_parameters()) == Names{"words.weight"});
  CHECK(model.parameters().size() == 1);
  CHECK(model.number_of_parameters() == 28);
  CHECK(names(model.state_dict()) == Names{"words.weight", "tags.weight"});

  model.to(float64);
  CHECK(model.tags.weight.is_same(model.words.weight));
  CHECK(model.tags.weight.dtype() == float64);

  // Both uses add to one gradient: that of Σ (E E_iᵀ) for one id i is Σ_r E_r in row i and E_i in every row.
  model.forward(tensor(std::vector<std::int64_t>{3})).sum().backward();
  const Tensor table = model.words.weight.detach();
  Tensor expected = table.select(0, 3).unsqueeze(0).expand({7, 4}).clone();
  for (std::int64_t r = 0; r < 7; ++r) expected.select(0, 3).add_(table.select(0, r));
  CHECK_EQ(test::difference(model.words.weight.grad(), expected, 1e-12, 1e-12), "");

  CHECK_EQ(test::error_text(ErrorKind::argument, [&] { model.tags.tie("bias", zeros({7})); }),
           "tie: Linear has no parameter \"bias\"");
  CHECK_EQ(test::error_text(ErrorKind::shape,
                            [&] {
                              model.tags.tie("weight", zeros({4, 7}, float64));
                            }),
           "tie: parameter \"weight\" of Linear does not fit; got float64 (4, 7); expected float64 (7, 4)");
}

TEST_CASE("to converts floating tensors alone and keeps values") {
  struct Counter : nn::Module {
    const Tensor& rate = param("rate", {2}, nn::init::constant(0.5));
    const Tensor& steps = buffer("steps", tensor(std::vector<std::int64_t>{3}));
    const Tensor& mean = buffer("mean", ones({2}));
  };
  Counter counter;
  counter.to(float64);
  CHECK(counter.rate.dtype() == float64);
  CHECK(counter.rate.requires_grad());
  CHECK(counter.rate.is_leaf());
  CHECK(counter.rate.to_vector<double>() == std::vector<double>{0.5, 0.5});
  CHECK(counter.mean.dtype() == float64);
  CHECK_FALSE(counter.mean.requires_grad());
  CHECK(counter.steps.dtype() == int64);
  const Tensor same = counter.rate;
  counter.to(float64);
  CHECK(same.is_same(counter.rate));
  CHECK_EQ(test::error_text(ErrorKind::dtype, [&] { counter.to(int64); }),
           "to: parameters are floating point; got int64; expected float32 or float64");
}

TEST_CASE("frozen parameters get no gradient") {
  Tagger tagger;
  tagger.words.set_requires_grad(false);
  tagger.forward(tensor(std::vector<std::int64_t>{1})).sum().backward();
  CHECK_FALSE(tagger.words.weight.requires_grad());
  CHECK(tagger.layers[0].weight.grad().defined());
  tagger.set_requires_grad(true);
  CHECK(tagger.words.weight.requires_grad());
}

TEST_CASE("anomalies name the module") {
  Tagger tagger;
  {
    const NoGradGuard no_grad;
    tagger.layers[1].weight.fill_(std::numeric_limits<double>::quiet_NaN());
  }
  const AnomalyGuard anomaly;
  const std::string message =
      test::error_text(ErrorKind::autograd, [&] { tagger.forward(tensor(std::vector<std::int64_t>{1})); });
  CHECK(message.find("layers.1") != std::string::npos);
}

TEST_CASE("sequential applies its modules in turn") {
  struct Net : nn::Module {
    nn::Sequential& net =
        child<nn::Sequential>("net").add<nn::Linear>(3, 5).add<nn::ReLU>().add<nn::Linear>(5, 2, nn::LinearOptions{});
  };
  Net model;
  CHECK(names(model.named_parameters()) == Names{"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"});
  CHECK(model.net.size() == 3);
  const Tensor x = randn({4, 3});
  const Tensor y = model.net.forward(x);
  CHECK(y.shape() == Shape{4, 2});
  nn::Sequential nothing;
  CHECK(nothing.forward(x).is_same(x));
}

TEST_CASE("a summary lists modules, shapes, counts and totals") {
  Tagger tagger;
  tagger.layers[1].tie("weight", tagger.layers[0].weight);
  tagger.words.set_requires_grad(false);
  CHECK_EQ(nn::summary(tagger),
           "module     type                parameters     count\n"
           "(model)    Tagger              scale (4,)         4\n"
           "  words    Embedding           weight (7, 4)     28\n"
           "  layers   ModuleList<Linear>\n"
           "    0      Linear              weight (4, 4)     16\n"
           "                               bias (4,)          4\n"
           "    1      Linear              weight (4, 4)   tied\n"
           "  dropout  Dropout\n"
           "52 parameters (24 trainable), 208 bytes\n");
  nn::Linear large(1000, 1283, {.bias = false});
  CHECK(nn::summary(large).find("1,283,000 parameters (1,283,000 trainable), 4.9 MiB") != std::string::npos);
}
