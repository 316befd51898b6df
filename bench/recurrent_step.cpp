// What a training step of a BiLSTM tagger costs: word embedding 100, two layers with 200 units for each direction,
// tags; 32 sentences of 8 to 31 words, the same lengths as in peers/pytorch_recurrent_step.py.
//
//   build/bench/recurrent_step                    600 words
//   build/bench/recurrent_step --lengths equal    32 sentences of 19 words

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "step_timing.h"

using namespace saw;

namespace {

struct Options {
  std::string lengths = "ragged", cell = "lstm";
  std::int64_t steps = 20, rounds = 5, threads = 0;
};

constexpr std::int64_t vocabulary = 5000, tags = 17, sentences = 32;

struct Tagger : nn::Module {
  nn::Embedding& words = child<nn::Embedding>("words", vocabulary, 100);
  nn::LSTM* lstm = nullptr;
  nn::GRU* gru = nullptr;
  nn::Linear& output = child<nn::Linear>("output", 400, tags);

  explicit Tagger(const std::string& cell) {
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

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  fmt::print("{}\n", config_string());
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < sentences; ++i) lengths.push_back(options.lengths == "equal" ? 19 : 8 + i * 5 % 24);
  const Segments segments = Segments::from_lengths(lengths);
  const Tensor ids = randint(0, vocabulary, {segments.rows()}), targets = randint(0, tags, {segments.rows()});
  Tagger tagger(options.cell);
  optim::AdamW adam(tagger.parameters(), {.learning_rate = 1e-3});
  fmt::print("{}, {} lengths, {} parameters\n", options.cell, options.lengths, tagger.number_of_parameters());
  const auto step = [&](std::size_t) {
    const Tensor loss = nn::cross_entropy(tagger.forward(ids, segments), targets);
    adam.zero_grad();
    loss.backward();
    adam.step();
    return segments.rows();
  };
  bench::time_steps(step, "words", {.steps = options.steps, .rounds = options.rounds});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times training steps of a tagger made of recurrent nets.");
  app.add_option("--lengths", options.lengths)->check(CLI::IsMember({"ragged", "equal"}))->capture_default_str();
  app.add_option("--cell", options.cell)->check(CLI::IsMember({"lstm", "gru"}))->capture_default_str();
  app.add_option("--steps", options.steps, "steps in a round")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return train::run_program("recurrent_step", [&] { run(options); });
}
