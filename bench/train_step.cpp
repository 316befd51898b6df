// What a training step costs: milliseconds, the ratio to the time of its matrix products alone, peak memory,
// allocations.
//
//   build/bench/train_step --train en_ewt-ud-train.conllu

#include <fmt/format.h>
#include <saw/autograd/kernels/gemm.h>
#include <saw/autograd/kernels/gemm_log.h>
#include <saw/saw.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <tuple>

#include "../examples/pos_taggers.h"

using namespace saw;
using namespace saw::examples;

namespace {

struct Options {
  std::string train = SAW_EXAMPLES_CORPUS "/train.conllu", model = "attention";
  std::int64_t tokens = 1024, steps = 40, rounds = 5, threads = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The products of a log alone, on data of their own: large ones as saw cuts them over its threads, the small ones of a
/// batch on one thread each. Fastest of `rounds` passes, in seconds.
double time_of_products(const std::vector<kernels::GemmShape>& shapes, std::int64_t rounds) {
  std::size_t a_size = 0, b_size = 0, c_size = 0;
  for (const auto& s : shapes) {
    a_size = std::max(a_size, static_cast<std::size_t>(s.m * s.k));
    b_size = std::max(b_size, static_cast<std::size_t>(s.k * s.n));
    c_size = std::max(c_size, static_cast<std::size_t>(s.m * s.n));
  }
  const std::vector<float> a(a_size, 0.5f), b(b_size, 0.25f);
  std::vector<std::vector<float>> results(static_cast<std::size_t>(num_threads()) + 1, std::vector<float>(c_size));
  double fastest = 1e30;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const train::Stopwatch watch;
    for (const auto& s : shapes) {
      const std::int64_t lda = s.transpose_a ? s.m : s.k, ldb = s.transpose_b ? s.k : s.n;
      if (s.repeats == 1) {
        kernels::gemm_parallel(s.transpose_a, s.transpose_b, s.m, s.n, s.k, 1.0f, a.data(), lda, b.data(), ldb, 0.0f,
                               results[0].data(), s.n);
        continue;
      }
      const std::int64_t halves = num_threads();
      const std::int64_t grain = (s.repeats + halves - 1) / halves;
      parallel_for(0, s.repeats, grain, [&](std::int64_t begin, std::int64_t end) {
        float* c = results[static_cast<std::size_t>(begin / grain) + 1].data();
        for (std::int64_t i = begin; i < end; ++i)
          kernels::gemm(s.transpose_a, s.transpose_b, s.m, s.n, s.k, 1.0f, a.data(), lda, b.data(), ldb, 0.0f, c, s.n);
      });
    }
    fastest = std::min(fastest, watch.seconds());
  }
  return fastest;
}

/// Equal small products together, as the kernels that make them would run them.
std::vector<kernels::GemmShape> merge_repeats(const std::vector<kernels::GemmShape>& shapes) {
  std::map<std::tuple<bool, bool, std::int64_t, std::int64_t, std::int64_t>, std::int64_t> small;
  std::vector<kernels::GemmShape> merged;
  for (const auto& s : shapes) {
    if (s.m * s.n * s.k == 0) continue;
    if (s.repeats == 1)
      merged.push_back(s);
    else
      small[{s.transpose_a, s.transpose_b, s.m, s.n, s.k}] += s.repeats;
  }
  for (const auto& [shape, repeats] : small) {
    const auto& [ta, tb, m, n, k] = shape;
    merged.push_back({ta, tb, m, n, k, sizeof(float), repeats});
  }
  return merged;
}

long minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  fmt::print("{}\n", config_string());
  const data::Corpus corpus = data::read_conllu(options.train);
  const TaggingVocabularies vocabularies(corpus);
  const data::TaggingCorpus training(corpus, vocabularies);
  const auto batches = data::token_batches(training, {.tokens = options.tokens, .shuffle_seed = 1});
  const auto tagger = make_tagger(options.model, vocabularies);
  optim::AdamW adam(tagger->parameters(), {.learning_rate = 1e-3});
  const auto step = [&](std::size_t i) {
    const TaggingBatch batch = batches[i % batches.size()];
    const Tensor loss = nn::cross_entropy(tagger->forward(batch), batch.tags, {.label_smoothing = 0.05});
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(tagger->parameters(), 5.0);
    adam.step();
    return batch.words.numel();
  };

  // The same steps every round: the first warms the allocator, the later ones are steady.
  const auto count = static_cast<std::size_t>(options.steps);
  for (std::size_t i = 0; i < count; ++i) step(i);
  reset_peak_memory();
  const MemoryStats before = memory_stats();
  const long faults_before = minor_faults();
  std::vector<double> seconds, product_seconds, ratios;
  double flops = 0;
  std::int64_t words = 0;
  std::vector<kernels::GemmShape> shapes;
  {
    const kernels::GemmLog log;
    for (std::size_t i = 0; i < count; ++i) words += step(i);
    shapes = merge_repeats(log.shapes());
  }
  for (const auto& s : shapes) flops += 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k * s.repeats);
  // Step and products take turns, so that both see the same machine.
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const train::Stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) step(i);
    seconds.push_back(watch.seconds() / static_cast<double>(count));
    product_seconds.push_back(time_of_products(shapes, 2) / static_cast<double>(count));
    ratios.push_back(seconds.back() / product_seconds.back());
  }
  const MemoryStats after = memory_stats();
  const double steps = static_cast<double>(count) * static_cast<double>(options.rounds + 1);
  const double per_step = median(seconds), products = median(product_seconds);
  fmt::print("model {}, {} parameters, {:.0f} words a step, {} different batches\n", options.model,
             tagger->number_of_parameters(), static_cast<double>(words) / static_cast<double>(count), count);
  fmt::print("step                {:8.2f} ms   {:.0f} words/s\n", 1e3 * per_step,
             static_cast<double>(words) / static_cast<double>(count) / per_step);
  fmt::print("products alone      {:8.2f} ms   {:.2f} GFLOP, {:.1f} GFLOP/s\n", 1e3 * products,
             flops / static_cast<double>(count) * 1e-9, flops / static_cast<double>(count) / products * 1e-9);
  fmt::print("ratio               {:8.2f}      (median of {} rounds, {:.2f} to {:.2f})\n", median(ratios),
             options.rounds, *std::min_element(ratios.begin(), ratios.end()),
             *std::max_element(ratios.begin(), ratios.end()));
  fmt::print("peak                {:8.1f} MB\n", static_cast<double>(after.peak_bytes) * 1e-6);
  fmt::print("allocations         {:8.0f} a step, {:.3f} of them from the system; {:.1f} page faults a step\n",
             static_cast<double>(after.allocations - before.allocations) / steps,
             static_cast<double>(after.system_allocations - before.system_allocations) / steps,
             static_cast<double>(minor_faults() - faults_before) / steps);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times training steps of the part-of-speech tagger.");
  app.add_option("--train", options.train, "CoNLL-U file")->capture_default_str();
  app.add_option("--model", options.model)
      ->check(CLI::IsMember({"attention", "window", "position"}))
      ->capture_default_str();
  app.add_option("--tokens", options.tokens, "words a batch")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", options.steps, "different batches")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds, "passes over them")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return train::run_program("train_step", [&] { run(options); });
}
