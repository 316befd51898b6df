// What a training step costs: milliseconds, the ratio to the time of its matrix products alone, peak memory,
// allocations.
//
//   build/bench/train_step --train en_ewt-ud-train.conllu

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>

#include "../examples/pos_taggers.h"
#include "step_timing.h"

using namespace saw;
using namespace saw::examples;

namespace {

struct Options {
  std::string train = SAW_EXAMPLES_CORPUS "/train.conllu", model = "attention";
  std::int64_t tokens = 1024, steps = 40, rounds = 5, threads = 0;
  bool inference = false, crf = false;
};

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  fmt::print("{}\n", config_string());
  const data::Corpus corpus = data::read_conllu(options.train);
  const TaggingVocabularies vocabularies(corpus);
  const data::TaggingCorpus training(corpus, vocabularies);
  const auto batches = data::token_batches(
      training, {.tokens = options.tokens, .shuffle_seed = 1, .sentences = options.inference ? 1 : 0});
  const auto tagger = make_tagger({.model = options.model, .crf = options.crf}, vocabularies);
  optim::AdamW adam(tagger->parameters(), {.learning_rate = 1e-3});
  const auto step = [&](std::size_t i) {
    const TaggingBatch batch = batches[i % batches.size()];
    if (options.inference) {
      const NoGradGuard no_grad;
      tagger->decide(batch);
      return batch.words.numel();
    }
    const Tensor loss = tagger->loss(batch);
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(tagger->parameters(), 5.0);
    adam.step();
    return batch.words.numel();
  };
  tagger->train(!options.inference);
  fmt::print("model {}, {} parameters\n", options.model, tagger->number_of_parameters());
  bench::time_steps(step, "words", {.steps = options.steps, .rounds = options.rounds});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times training steps of the part-of-speech tagger.");
  app.add_option("--train", options.train, "CoNLL-U file")->capture_default_str();
  app.add_option("--model", options.model)
      ->check(CLI::IsMember({"attention", "bilstm", "window", "position"}))
      ->capture_default_str();
  app.add_option("--tokens", options.tokens, "words a batch")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", options.steps, "different batches")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds, "passes over them")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  app.add_flag("--crf", options.crf, "a conditional random field on top");
  app.add_flag("--inference", options.inference, "one sentence at a time, without training");
  CLI11_PARSE(app, argc, argv);
  return train::run_program("train_step", [&] { run(options); });
}
