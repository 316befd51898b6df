// Modules of a tree by path, freezing by pattern, hooks, containers, options in braces, and errors that say where.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/loss.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

struct Tagger : nn::Module {
  nn::Embedding& words = child<nn::Embedding>("words", 7, 4);
  nn::TransformerEncoder& encoder =
      child<nn::TransformerEncoder>("encoder", {.width = 4, .heads = 2, .layers = 2, .dropout = 0.0});
  nn::Linear& tags = child<nn::Linear>("tags", 4, 3, {.bias = false});

  Tensor forward(const Tensor& ids, const Segments& sentences) {
    return tags.forward(encoder.forward(words.forward(ids), sentences));
  }
};

Tensor some_ids() { return tensor(std::vector<std::int64_t>{1, 2, 2, 6, 0}); }
Segments some_sentences() { return Segments::from_lengths({3, 2}); }

std::string error_of(const std::function<void()>& call, ErrorKind kind = ErrorKind::argument) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "nothing thrown";
}

std::vector<std::string> paths(const nn::Module& module) {
  std::vector<std::string> result;
  for (const auto& [path, part] : module.modules()) result.push_back(path);
  return result;
}

std::vector<std::string> frozen(const nn::Module& module) {
  std::vector<std::string> result;
  for (const auto& [name, parameter] : module.named_parameters())
    if (!parameter.requires_grad()) result.push_back(name);
  return result;
}

using Names = std::vector<std::string>;

TEST_CASE("attention and positions show forward hooks their input and output, once") {
  const Segments segments = Segments::from_lengths({3, 2});
  const Tensor x = randn({5, 8});
  const auto check = [&](auto&& layer) {
    CAPTURE(layer.type_name());
    int calls = 0;
    Tensor seen;
    layer.register_forward_hook([&](const nn::Module&, const Tensor& input, const Tensor& output) {
      ++calls;
      CHECK(input.is_same(x));
      seen = output;
      return Tensor();
    });
    const Tensor y = layer.forward(x, segments);
    CHECK(calls == 1);
    CHECK(seen.is_same(y));
  };
  check(nn::MultiHeadAttention(8, 2));
  check(nn::SelfAttention(8));
  check(nn::RelativeMultiHeadAttention(8, 2));
  check(nn::SinusoidalPositions(8));
  check(nn::LearnedPositions(4, 8));
}

TEST_CASE("names that are none are refused by look-ups and states") {
  struct Two : nn::Module {
    nn::ModuleDict<nn::Linear>& dict = child<nn::ModuleDict<nn::Linear>>("dict");
    Two() { dict.add("a", 2, 2); }
  };
  Two two;
  CHECK_THROWS_AS(two.dict[""], saw::Error);
  CHECK_THROWS_AS(two.dict["a."], saw::Error);
  CHECK_THROWS_AS(two.find_module("dict."), saw::Error);
  CHECK_THROWS_AS(nn::ModuleDict<nn::Linear>()[""], saw::Error);
  StateDict state = two.state_dict();
  state.push_back(state.front());
  CHECK_THROWS_AS(two.load_state_dict(state), saw::Error);
}

}  // namespace

TEST_CASE("modules come with their paths, apply reaches all from inside out") {
  Tagger tagger;
  const Names all = paths(tagger);
  CHECK(all.front().empty());
  CHECK(std::vector<std::string>(all.begin() + 1, all.begin() + 5) ==
        Names{"words", "encoder", "encoder.layers", "encoder.layers.0"});
  CHECK(all.back() == "tags");
  CHECK(std::find(all.begin(), all.end(), "encoder.layers.1.self_attn.out_proj") != all.end());
  CHECK(paths(tagger.encoder).at(1) == "layers");

  Names order;
  tagger.apply([&](nn::Module& module) { order.push_back(module.path()); });
  CHECK(order.size() == all.size());
  CHECK(order.front() == "words");
  CHECK(order.back().empty());
  CHECK(std::find(order.begin(), order.end(), "encoder") > std::find(order.begin(), order.end(), "encoder.layers.1"));
  tagger.apply([](nn::Module& module) {
    if (auto* linear = dynamic_cast<nn::Linear*>(&module)) nn::init::constant(linear->weight, 0.25);
  });
  CHECK(tagger.tags.weight.to_vector<float>() == std::vector<float>(12, 0.25f));
}

TEST_CASE("modules and parameters are found by path") {
  Tagger tagger;
  CHECK(&tagger.find_module("") == &tagger);
  CHECK(tagger.find_module("encoder.layers.1").path() == "encoder.layers.1");
  CHECK(&tagger.find_module<nn::Linear>("tags") == &tagger.tags);
  CHECK(&tagger.encoder.find_module<nn::Linear>("layers.0.linear1").weight ==
        &tagger.find_parameter("encoder.layers.0.linear1.weight"));
  const Tensor& weight = tagger.find_parameter("tags.weight");
  tagger.to(float64);
  CHECK(weight.dtype() == float64);

  CHECK_EQ(error_of([&] { tagger.find_module("encoder.layer.1"); }),
           "find_module: there is no \"encoder.layer.1\" in this Tagger; encoder has layers");
  CHECK_EQ(error_of([&] { tagger.find_module("decoder"); }),
           "find_module: there is no \"decoder\" in this Tagger; Tagger has words, encoder, tags");
  CHECK_EQ(error_of([&] { tagger.find_module("tags.x"); }),
           "find_module: there is no \"tags.x\" in this Tagger; tags has no modules");
  CHECK_EQ(error_of([&] { tagger.find_module<nn::Linear>("words"); }),
           "find_module: \"words\" is another module; got Embedding; expected Linear");
  CHECK_EQ(error_of([&] { tagger.find_parameter("tags.bias"); }),
           "find_parameter: there is no \"tags.bias\" in this Tagger; tags has weight");
  CHECK_EQ(error_of([&] { tagger.find_parameter("scale"); }),
           "find_parameter: there is no \"scale\" in this Tagger; Tagger has no parameters");
}

TEST_CASE("names fit patterns") {
  CHECK(name_matches("encoder.layers.0.bias", "encoder.*"));
  CHECK(name_matches("encoder.layers.0.bias", "*.bias"));
  CHECK(name_matches("encoder.layers.0.bias", "encoder.layers.?.bias"));
  CHECK(name_matches("encoder.layers.0.bias", "*.layers.*.b*s"));
  CHECK(name_matches("bias", "*"));
  CHECK(name_matches("", "*"));
  CHECK(name_matches("aab", "*ab"));
  CHECK_FALSE(name_matches("bias", "*.bias"));
  CHECK_FALSE(name_matches("encoder.layers.10.bias", "encoder.layers.?.bias"));
  CHECK_FALSE(name_matches("encoders.bias", "encoder.*"));
  CHECK_FALSE(name_matches("a", ""));
}

TEST_CASE("freezing follows patterns and leaves the rest") {
  Tagger tagger;
  const std::int64_t count = tagger.freeze("encoder.layers.0.*");
  CHECK(count == 12);
  for (const std::string& name : frozen(tagger)) CHECK(name_matches(name, "encoder.layers.0.*"));
  CHECK(static_cast<std::int64_t>(frozen(tagger).size()) == count);
  CHECK(tagger.unfreeze("*.layers.0.norm?.weight") == 2);
  CHECK(static_cast<std::int64_t>(frozen(tagger).size()) == count - 2);

  tagger.forward(some_ids(), some_sentences()).sum().backward();
  CHECK_FALSE(tagger.find_parameter("encoder.layers.0.linear1.weight").grad().defined());
  CHECK(tagger.find_parameter("encoder.layers.0.norm1.weight").grad().defined());
  CHECK(tagger.words.weight.grad().defined());

  CHECK_EQ(error_of([&] { tagger.tags.freeze("encoder.*"); }),
           "freeze: no parameter of this Linear fits \"encoder.*\"; there are weight");
  CHECK(error_of([&] { tagger.unfreeze("decoder.*"); }).ends_with(" and 16 more"));

  struct Tied : nn::Module {
    nn::Embedding& words = child<nn::Embedding>("words", 7, 4);
    nn::Linear& tags = child<nn::Linear>("tags", 4, 7, {.bias = false});
    Tied() { tie("tags.weight", words.weight); }
  };
  Tied tied;
  CHECK(tied.freeze("tags.*") == 1);  // also by its second name
  CHECK_FALSE(tied.words.weight.requires_grad());
}

TEST_CASE("forward hooks see inputs and outputs, may replace them, and can be removed") {
  Tagger tagger;
  tagger.eval();
  const Tensor ids = some_ids();
  const Segments sentences = some_sentences();
  const Tensor plain = tagger.forward(ids, sentences);

  Names seen;
  std::vector<HookHandle> handles;
  for (const auto& [path, module] : tagger.modules())
    handles.push_back(module->register_forward_hook([&](const nn::Module& m, const Tensor&, const Tensor&) {
      seen.push_back(m.path());
      return Tensor();
    }));
  CHECK(test::difference(tagger.forward(ids, sentences), plain, 0.0, 0.0).empty());
  CHECK(seen.front() == "words");
  CHECK(seen.back() == "tags");
  for (const char* path : {"encoder", "encoder.layers.1", "encoder.layers.0.linear2", "encoder.layers.0.self_attn",
                           "encoder.layers.1.norm1"})
    CHECK(std::count(seen.begin(), seen.end(), path) == 1);
  for (HookHandle& handle : handles) handle.remove();
  seen.clear();
  tagger.forward(ids, sentences);
  CHECK(seen.empty());

  Tensor input, output;
  HookHandle watching = tagger.tags.register_forward_hook([&](const nn::Module&, const Tensor& x, const Tensor& y) {
    input = x;
    output = y;
    return Tensor();
  });
  HookHandle doubling =
      tagger.tags.register_forward_hook([](const nn::Module&, const Tensor&, const Tensor& y) { return y * 2.0; });
  const Tensor doubled = tagger.forward(ids, sentences);
  CHECK(input.shape() == Shape{5, 4});
  CHECK(test::difference(output, plain, 0.0, 0.0).empty());
  CHECK(test::difference(doubled, plain * 2.0, 0.0, 0.0).empty());
  CHECK(doubled.requires_grad());
  doubling.remove();
  doubling.remove();
  CHECK(test::difference(tagger.forward(ids, sentences), plain, 0.0, 0.0).empty());
  watching.remove();

  // A hook may remove itself, and a handle may outlive its module.
  int calls = 0;
  HookHandle once;
  once = tagger.tags.register_forward_hook([&](const nn::Module&, const Tensor&, const Tensor&) {
    ++calls;
    once.remove();
    return Tensor();
  });
  tagger.forward(ids, sentences);
  tagger.forward(ids, sentences);
  CHECK(calls == 1);
  HookHandle orphan;
  {
    nn::Linear gone(2, 2);
    orphan = gone.register_forward_hook([](const nn::Module&, const Tensor&, const Tensor&) { return Tensor(); });
  }
  orphan.remove();
  CHECK_EQ(error_of([&] { tagger.tags.register_forward_hook({}); }), "register_forward_hook: the function is empty");
}

TEST_CASE("a module of one's own takes part in forward hooks by its scope") {
  struct Mine : nn::Module {
    bool hand_over = true;
    Tensor forward(const Tensor& x) {
      if (hand_over) {
        const auto scope = enter(x);
        return scope.output(x * 3.0);
      }
      const auto scope = enter();
      if (x.size(0) == 0) throw std::runtime_error("nothing there");
      return x * 3.0;
    }
  };
  Mine mine;
  int with_output = 0, without = 0;
  mine.register_forward_hook([&](const nn::Module&, const Tensor& x, const Tensor& y) {
    ++(y.defined() ? with_output : without);
    CHECK(x.defined() == y.defined());
    return Tensor();
  });
  mine.forward(ones({2}));
  CHECK(with_output == 1);
  CHECK(without == 0);
  mine.hand_over = false;
  CHECK(mine.forward(ones({2})).to_vector<float>() == std::vector<float>(2, 3.0f));
  CHECK(without == 1);
  CHECK_THROWS_AS(mine.forward(zeros({0})), std::runtime_error);  // no forward ended
  CHECK(without == 1);
}

TEST_CASE("errors end with the path of the module they are thrown in") {
  Tagger tagger;
  const Segments sentences = some_sentences();
  const auto fails = [&](const Tensor& ids, ErrorKind kind) {
    return error_of([&] { tagger.forward(ids, sentences); }, kind);
  };
  CHECK(fails(tensor(std::vector<std::int64_t>{1, 2, 2, 9, 0}), ErrorKind::index).ends_with("; in words"));
  tagger.find_module("encoder.layers.1.linear1").tie("weight", zeros({16, 4}).set_requires_grad(true));
  CHECK(fails(tensor(std::vector<std::int64_t>{1, 2}), ErrorKind::shape).find("; in encoder.layers.0") !=
        std::string::npos);
  tagger.find_module("encoder.layers.1.linear1").to(float64);
  const std::string message = fails(some_ids(), ErrorKind::dtype);
  CHECK(message.ends_with("; in encoder.layers.1.linear1"));
  CHECK(message.find("; in ") == message.rfind("; in "));  // once

  // Nothing remains behind, and what is thrown outside of all modules or in the root has no place.
  CHECK(Error(ErrorKind::argument, "text").what() == std::string("text"));
  nn::Linear root(3, 2);
  CHECK(error_of([&] { root.forward(zeros({2, 4})); }, ErrorKind::shape).find("; in ") == std::string::npos);
  CHECK(error_of([&] { tagger.tags.forward(Tensor()); }).ends_with("; in tags"));
}

TEST_CASE("errors of other threads' modules and of work on other threads say where") {
  struct Checking : nn::Module {
    Tensor forward(const Tensor& x) {
      const auto scope = enter(x);
      parallel_for(0, 64, 1, [](std::int64_t begin, std::int64_t) {
        if (begin == 63) throw Error(ErrorKind::argument, "checking: no");
      });
      return x;
    }
  };
  struct Model : nn::Module {
    Checking& a = child<Checking>("a");
    Checking& b = child<Checking>("b");
  };
  Model model;
  std::string of_a, of_b;
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) of_a = error_of([&] { model.a.forward(zeros({1})); });
  });
  for (int i = 0; i < 20; ++i) of_b = error_of([&] { model.b.forward(zeros({1})); });
  other.join();
  CHECK(of_a == "checking: no; in a");
  CHECK(of_b == "checking: no; in b");
}

TEST_CASE("an error that passes on the text of another names one place") {
  struct Inner : nn::Module {
    Tensor forward(const Tensor& x) {
      const auto scope = enter(x);
      throw Error(ErrorKind::argument, "inner: no");
    }
  };
  struct Outer : nn::Module {
    Inner& inner = child<Inner>("inner");
    Tensor forward(const Tensor& x) {
      const auto scope = enter(x);
      try {
        return inner.forward(x);
      } catch (const Error& error) {
        throw Error(ErrorKind::argument, std::string("outer: ") + error.what());
      }
    }
  };
  struct Model : nn::Module {
    Outer& outer = child<Outer>("outer");
  };
  Model model;
  CHECK_EQ(error_of([&] { model.outer.forward(zeros({1})); }), "outer: inner: no; in outer.inner");
}

TEST_CASE("a long list of names is cut with a count") {
  struct Large : nn::Module {
    nn::ModuleList<nn::Linear>& layers = child<nn::ModuleList<nn::Linear>>("layers");
    Large() {
      for (int i = 0; i < 250; ++i) layers.add(1, 1);
    }
  };
  Large large;
  const std::string message = error_of([&] { large.load_state_dict({{"x", zeros({1})}}); });
  CHECK(message.find("layers.4.bias and 490 more; unexpected: x") != std::string::npos);
  CHECK(message.size() < 400);
  CHECK(large.load_state_dict({{"x", zeros({1})}}, false).missing.size() == 500);
}

TEST_CASE("a module dict keeps modules by name and in order") {
  struct Heads : nn::Module {
    nn::ModuleDict<nn::Linear>& heads = child<nn::ModuleDict<nn::Linear>>("heads");
    nn::ModuleDict<>& parts = child<nn::ModuleDict<>>("parts");
    Heads() {
      heads.add("tags", 4, 3);
      heads.add("arcs", 4, 2, {.bias = false});
      parts.add<nn::Dropout>("dropout", 0.1);
      parts.add<nn::LayerNorm>("norm", 4, {.bias = false});
    }
  };
  Heads model;
  Names names;
  for (const auto& [name, parameter] : model.named_parameters()) names.push_back(name);
  CHECK(names == Names{"heads.tags.weight", "heads.tags.bias", "heads.arcs.weight", "parts.norm.weight"});
  CHECK(model.heads["arcs"].forward(zeros({5, 4})).shape() == Shape{5, 2});
  CHECK(model.heads.contains("tags"));
  CHECK_FALSE(model.heads.contains("tag"));
  CHECK(model.heads.size() == 2);
  names.clear();
  for (const auto& [name, head] : model.heads) names.push_back(name + (head->bias.defined() ? "+" : "-"));
  CHECK(names == Names{"tags+", "arcs-"});
  CHECK(model.parts["dropout"].type_name() == "Dropout");
  CHECK(model.parts.find_module<nn::LayerNorm>("norm").weight.defined());
  CHECK_EQ(error_of([&] { model.heads["tag"]; }),
           "ModuleDict: there is no module \"tag\"; expected one of: tags, arcs");
  CHECK(error_of([&] { model.heads.add("tags", 1, 1); }).find("is taken") != std::string::npos);
}

TEST_CASE("options in braces make the same modules as named ones") {
  struct Net : nn::Module {
    nn::Linear& plain = child<nn::Linear>("plain", 8, 8, {.bias = false});
    nn::Conv1d& conv = child<nn::Conv1d>("conv", 8, 8, 3, {.stride = 2, .bias = false});
    nn::LayerNorm& norm = child<nn::LayerNorm>("norm", 8, {.affine = false});
    nn::MultiHeadAttention& attention = child<nn::MultiHeadAttention>("attention", 8, 2, {.bias = false});
    nn::AdditiveMarginSoftmax& margin = child<nn::AdditiveMarginSoftmax>("margin", 8, 3, {.scale = 10.0});
    nn::Conformer& conformer = child<nn::Conformer>("conformer", {.width = 8, .heads = 2, .kernel = 3});
    nn::ModuleList<nn::Linear>& list = child<nn::ModuleList<nn::Linear>>("list");
    nn::ModuleList<nn::TransformerEncoderLayer>& layers = child<nn::ModuleList<nn::TransformerEncoderLayer>>("layers");
    Net() {
      list.add(8, 8, {.bias = false});
      list.add(8, 8, nn::LinearOptions{});
      const nn::LinearOptions constant{.bias = false};
      list.add(8, 8, constant);
      nn::LinearOptions variable{.bias = false};
      list.add(8, 8, variable);
      child<nn::Linear>("constant", 8, 8, constant);
      child<nn::Linear>("variable", 8, 8, variable);
      child<nn::Linear>("default", 8, 8, {});
      layers.add({.width = 8, .heads = 2});
    }
  };
  Net net;
  CHECK_FALSE(net.plain.bias.defined());
  CHECK_FALSE(net.conv.bias.defined());
  CHECK_FALSE(net.norm.weight.defined());
  CHECK_FALSE(net.list[0].bias.defined());
  CHECK(net.list[1].bias.defined());
  CHECK_FALSE(net.list[2].bias.defined());
  CHECK_FALSE(net.list[3].bias.defined());
  CHECK(net.find_module<nn::Linear>("default").bias.defined());
  CHECK_FALSE(net.find_module<nn::Linear>("constant").bias.defined());
}

TEST_CASE("sequential hands segments to those who want them, and gives its modules back") {
  nn::Sequential net;
  net.add<nn::Linear>(4, 6, {.bias = false})
      .add<nn::Conv1d>(6, 5, 3, {.stride = 2})
      .add<nn::ReLU>()
      .add<nn::GroupNorm>(1, 5)
      .add<nn::MeanPooling>()
      .add<nn::Linear>(5, 2);
  const Segments segments = Segments::from_lengths({5, 0, 3});
  const Tensor x = randn({8, 4});

  const auto& conv = net.get<nn::Conv1d>(1);
  const Segments kept = conv.output_segments(segments);
  CHECK(kept.rows() < segments.rows());
  const Tensor hidden = nn::ReLU().forward(conv.forward(net.get<nn::Linear>(0).forward(x), segments));
  const Tensor pooled = nn::MeanPooling().forward(net.get<nn::GroupNorm>(3).forward(hidden, kept), kept);
  const Tensor expected = net.get<nn::Linear>(5).forward(pooled);
  CHECK(test::difference(net.forward(x, segments), expected, 0.0, 0.0).empty());
  CHECK(net.forward(x, segments).shape() == Shape{3, 2});
  CHECK(net.output_segments(segments) == kept);

  CHECK_EQ(error_of([&] { net.forward(x); }),
           "Sequential: module 1 (Conv1d) looks across positions; hint: forward(x, segments)");
  CHECK(net[2].type_name() == "ReLU");
  CHECK_FALSE(net.get<nn::Linear>(0).bias.defined());
  CHECK_EQ(error_of([&] { net.get<nn::Linear>(1); }), "Sequential: module 1 is another; got Conv1d; expected Linear");
  CHECK_EQ(error_of([&] { net[6]; }), "Sequential: there is no module 6; it has 6, counted from 0");

  // One in another, and one whose forward gives rows and segments.
  nn::Sequential outer;
  outer.add<nn::ConvolutionSubsampling>(8, 4).add<nn::Sequential>();
  outer.get<nn::Sequential>(1).add<nn::Conv1d>(4, 4, 3).add<nn::Dropout>(0.0);
  const Segments utterances = Segments::from_lengths({11, 9});
  const Segments quarter = outer.get<nn::ConvolutionSubsampling>(0).output_segments(utterances);
  CHECK(outer.output_segments(utterances) == quarter);
  CHECK(outer.forward(randn({20, 8}), utterances).shape() == Shape{quarter.rows(), 4});
  nn::Sequential positions;
  positions.add<nn::Sequential>();
  positions.get<nn::Sequential>(0).add<nn::Linear>(4, 2);
  CHECK(positions.forward(x).shape() == Shape{8, 2});
  CHECK(positions.forward(x, segments).shape() == Shape{8, 2});
}
