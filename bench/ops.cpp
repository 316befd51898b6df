// Every op of the registry on its samples in float32, forward and with backward: what one call costs. Behind them the
// ops that training spends its time in, at sizes of a real step.
//
//   build/bench/ops --benchmark_filter='softmax|attention'
//   build/bench/ops --serve      the cases that PyTorch has too, for bench/compare

#include <benchmark/benchmark.h>
#include <saw/autograd/registry.h>
#include <saw/saw.h>

#include <string>
#include <string_view>

#include "ops_cases.h"
#include "samples/samples.h"
#include "serve.h"

using namespace saw;

namespace {

using Function = std::function<TensorList(const TensorList&)>;

void time_forward(benchmark::State& state, const Function& f, const TensorList& inputs) {
  const NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(f(inputs));
}

void time_backward(benchmark::State& state, const Function& f, const TensorList& inputs) {
  for (auto _ : state) {
    const TensorList outputs = f(inputs);
    TensorList roots;
    GradOptions options;
    for (const Tensor& output : outputs) {
      if (!output.requires_grad()) continue;
      roots.push_back(output);
      options.grad_outputs.push_back(ones(output.shape(), output.dtype()));
    }
    backward(roots, options);
    for (const Tensor& input : inputs)
      if (input.defined()) input.zero_grad();
  }
}

bool any_gradient(const Function& f, const TensorList& inputs) {
  for (const Tensor& output : f(inputs))
    if (output.requires_grad()) return true;
  return false;
}

void add(const std::string& name, const Function& f, TensorList inputs) {
  benchmark::RegisterBenchmark((name + "/forward").c_str(), time_forward, f, inputs);
  for (Tensor& input : inputs)
    if (input.defined() && is_floating(input.dtype())) input = input.clone().set_requires_grad(true);
  if (any_gradient(f, inputs)) benchmark::RegisterBenchmark((name + "/backward").c_str(), time_backward, f, inputs);
}

void add_registry() {
  for (const OpInfo* op : op_registry()) {
    samples::SampleMaker make(float32, 1);
    for (const samples::Sample& sample : samples::find(op->name)->samples(make))
      add(std::string(op->name) + "/" + sample.name, sample.run, sample.inputs);
  }
}

/// A thousand words of sentences of 1 to 40 words, as rows of width 192.
void add_training_sizes() {
  std::vector<std::int64_t> lengths;
  std::int64_t rows = 0;
  Generator generator(1);
  const RandomStream stream(generator);
  for (std::uint64_t i = 0; rows < 1000; ++i) {
    lengths.push_back(stream.integer(i, 1, 41));
    rows += lengths.back();
  }
  const Segments sentences = Segments::from_lengths(lengths);
  const Tensor x = randn({rows, 192}, generator);
  const std::string size = "step/" + std::to_string(rows) + "x192/";
  add(size + "linear", [](const TensorList& in) { return TensorList{linear(in[0], in[1], in[2])}; },
      {x, randn({192, 192}, generator), randn({192}, generator)});
  add(size + "conv1d", [sentences](const TensorList& in) { return TensorList{conv1d(in[0], sentences, in[1], in[2])}; },
      {x, randn({192, 192, 3}, generator), randn({192}, generator)});
  const Tensor heads = x.reshape({rows, 4, 48});
  add(size + "attention",
      [sentences](const TensorList& in) { return TensorList{attention(in[0], in[1], in[2], sentences, sentences)}; },
      {heads, heads, heads});
  add(size + "layer_norm", [](const TensorList& in) { return TensorList{layer_norm(in[0], in[1], in[2])}; },
      {x, ones({192}), zeros({192})});
  add(size + "relu", [](const TensorList& in) { return TensorList{relu(in[0])}; }, {x});
  add(size + "gelu", [](const TensorList& in) { return TensorList{gelu(in[0])}; }, {x});
  add(size + "add", [](const TensorList& in) { return TensorList{in[0] + in[1]}; }, {x, x});
  add(size + "dropout", [](const TensorList& in) { return TensorList{dropout(in[0], 0.33)}; }, {x});
  add(size + "softmax", [](const TensorList& in) { return TensorList{softmax(in[0])}; }, {x});
  const Tensor targets = randint(0, 192, {rows}, generator);
  add(size + "cross_entropy", [targets](const TensorList& in) { return TensorList{cross_entropy(in[0], targets)}; },
      {x});
  add(size + "segment_max", [sentences](const TensorList& in) { return TensorList{segment_max(in[0], sentences)}; },
      {x});
}

struct Size {
  std::int64_t rows, columns;
};
constexpr Size sizes[] = {{64, 64}, {4096, 256}};

/// One call of a case: forward without a graph, or forward and backward from a given gradient to all floating inputs.
std::function<void()> prepare(const bench::MakeCase& make, Size size, bool with_backward) {
  manual_seed(1);
  auto [inputs, run] = make(size.rows, size.columns);
  if (!with_backward)
    return [inputs = inputs, run = run] {
      const NoGradGuard no_grad;
      run(inputs);
    };
  TensorList leaves;
  for (Tensor& input : inputs)
    if (is_floating(input.dtype())) leaves.push_back(input = input.clone().set_requires_grad(true));
  GradOptions options;
  options.allow_unused = true;
  for (const Tensor& output : run(inputs)) options.grad_outputs.push_back(randn(output.shape(), output.dtype()));
  return [inputs = inputs, run = run, leaves, options] { grad(run(inputs), leaves, options); };
}

bool has_gradient(const bench::MakeCase& make) {
  auto [inputs, run] = make(16, 16);
  for (Tensor& input : inputs)
    if (is_floating(input.dtype())) input = input.clone().set_requires_grad(true);
  return run(inputs)[0].requires_grad();
}

void serve_cases() {
  const auto cases = bench::op_cases();
  std::map<std::string, std::function<std::function<void()>()>> calls;
  std::vector<std::string> names;
  for (const auto& [name, make] : cases) {
    const bool differentiable = has_gradient(make);
    for (const Size& size : sizes)
      for (const bool with_backward : {false, true}) {
        if (with_backward && !differentiable) continue;
        names.push_back(
            fmt::format("{}/{}x{}/{}", name, size.rows, size.columns, with_backward ? "backward" : "forward"));
        calls[names.back()] = [&make = make, size, with_backward] { return prepare(make, size, with_backward); };
      }
  }
  bench::serve(names, [&](const std::string& name) { return calls.at(name)(); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--serve") return train::run_program("ops", serve_cases);
  benchmark::AddCustomContext("saw", config_string());
  add_registry();
  add_training_sizes();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
