// What a training step of a BiLSTM tagger costs: word embedding 100, two layers with 200 units for each direction,
// tags; 32 sentences of 8 to 31 words, the same lengths as in peers/pytorch_recurrent_step.py.
//
//   build/bench/recurrent_step                    600 words
//   build/bench/recurrent_step --lengths equal    32 sentences of 19 words
//   build/bench/recurrent_step --crf              with and without a conditional random field, by turns

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "step_timing.h"

using namespace saw;

namespace {

struct Options {
  std::string lengths = "ragged", cell = "lstm";
  bool crf = false;
  std::int64_t steps = 20, rounds = 5, threads = 0;
};

constexpr std::int64_t vocabulary = 5000, tags = 17, sentences = 32;

struct Tagger : nn::Module {
  nn::Embedding& words = child<nn::Embedding>("words", vocabulary, 100);
  nn::LSTM* lstm = nullptr;
  nn::GRU* gru = nullptr;
  nn::Linear& output = child<nn::Linear>("output", 400, tags);
  nn::ConditionalRandomField* crf = nullptr;  // with --crf

  Tagger(const std::string& cell, bool with_crf) {
    if (with_crf) crf = &child<nn::ConditionalRandomField>("crf", tags);
    if (cell == "lstm")
      lstm = &child<nn::LSTM>("lstm", {.input_size = 100, .hidden_size = 200, .num_layers = 2, .bidirectional = true});
    else
      gru = &child<nn::GRU>("gru", {.input_size = 100, .hidden_size = 200, .num_layers = 2, .bidirectional = true});
  }
  Tensor forward(const Tensor& ids, const Segments& segments) const {
    const Tensor x = words.forward(ids);
    return output.forward(lstm != nullptr ? lstm->forward(x, segments).rows : gru->forward(x, segments).rows);
  }
};

/// What deciding the tags together adds, in rounds by turns.
template <class Step>
void compare_crf(const Step& step, const Options& options) {
  std::vector<double> ratios;
  for (std::int64_t round = 0; round <= options.rounds; ++round) {  // the first warms up
    std::array<double, 2> seconds{};
    for (const bool with_crf : {false, true}) {
      const train::Stopwatch watch;
      for (std::int64_t i = 0; i < options.steps; ++i) step(with_crf);
      seconds[with_crf] = watch.seconds() / static_cast<double>(options.steps);
    }
    if (round > 0) ratios.push_back(seconds[1] / seconds[0]);
    if (round > 0)
      fmt::print("step {:.2f} ms, with CRF {:.2f} ms: {:.3f}\n", 1e3 * seconds[0], 1e3 * seconds[1], ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  fmt::print("median {:.3f}\n", ratios[ratios.size() / 2]);
}

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  fmt::print("{}\n", config_string());
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < sentences; ++i) lengths.push_back(options.lengths == "equal" ? 19 : 8 + i * 5 % 24);
  const Segments segments = Segments::from_lengths(lengths);
  const Tensor ids = randint(0, vocabulary, {segments.rows()}), targets = randint(0, tags, {segments.rows()});
  Tagger tagger(options.cell, options.crf);
  optim::AdamW adam(tagger.parameters(), {.learning_rate = 1e-3});
  fmt::print("{}, {} lengths, {} parameters\n", options.cell, options.lengths, tagger.number_of_parameters());
  const auto step = [&](bool with_crf) {
    const Tensor scores = tagger.forward(ids, segments);
    const Tensor loss = with_crf ? tagger.crf->forward(scores, targets, segments) : nn::cross_entropy(scores, targets);
    adam.zero_grad();
    loss.backward();
    adam.step();
    return segments.rows();
  };
  if (options.crf) return compare_crf(step, options);
  bench::time_steps([&](std::size_t) { return step(false); }, "words",
                    {.steps = options.steps, .rounds = options.rounds});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times training steps of a tagger made of recurrent nets.");
  app.add_option("--lengths", options.lengths)->check(CLI::IsMember({"ragged", "equal"}))->capture_default_str();
  app.add_option("--cell", options.cell)->check(CLI::IsMember({"lstm", "gru"}))->capture_default_str();
  app.add_flag("--crf", options.crf, "what a conditional random field on top adds");
  app.add_option("--steps", options.steps, "steps in a round")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return train::run_program("recurrent_step", [&] { run(options); });
}
