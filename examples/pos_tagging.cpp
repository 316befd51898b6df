// Part-of-speech tagging: a label for every word of a sentence, in the three steps of the lecture on self-attention.
//
//   --model position   a fully connected net that sees one word: both saws of "I saw a saw" must get the same tag
//   --model window     the same net over the words before, at and after each word
//   --model attention  convolution and self-attention over the whole sentence, and the characters of each word

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "pos_taggers.h"

using namespace saw;
using namespace saw::examples;

struct Options {
  std::string train = SAW_EXAMPLES_CORPUS "/train.conllu", dev = SAW_EXAMPLES_CORPUS "/dev.conllu",
              test = SAW_EXAMPLES_CORPUS "/test.conllu";
  std::string model = "attention", save, load, tag, metrics;
  std::int64_t epochs = 0, seed = 1, threads = 0;
};

// ---- training and tagging ----

double accuracy(Tagger& tagger, const data::TaggingCorpus& corpus) {
  const NoGradGuard no_grad;
  tagger.eval();
  double right = 0;
  for (const TaggingBatch& batch : data::token_batches(corpus, {.tokens = 4096}))
    right += to(equal(argmax(tagger.forward(batch)), batch.tags), float64).sum().item();
  return right / static_cast<double>(corpus.word_count());
}

void fit(Tagger& tagger, const TaggingVocabularies& vocabularies, const Options& options, train::MetricsFile& metrics,
         const data::Corpus& training) {
  const data::Corpus dev = data::read_conllu(options.dev);
  fmt::print("{}\n{}\n", to_string(data::summary(training)), to_string(data::summary(dev, training)));
  const data::TaggingCorpus train_corpus(training, vocabularies), dev_corpus(dev, vocabularies);

  // Small corpora are read more often, in smaller batches.
  const std::int64_t words = train_corpus.word_count();
  const std::int64_t epochs = options.epochs > 0 ? options.epochs : std::clamp<std::int64_t>(250000 / words, 26, 30);
  const std::int64_t tokens = std::clamp<std::int64_t>(words / 32, 128, 512);
  const auto batches_of = [&](std::int64_t epoch) {
    return data::token_batches(train_corpus, {.tokens = tokens,
                                              .shuffle_seed = static_cast<std::uint64_t>(options.seed),
                                              .epoch = static_cast<std::uint64_t>(epoch)});
  };
  optim::AdamW adam(tagger.parameters(), {.learning_rate = 2e-3});
  const auto steps = epochs * static_cast<std::int64_t>(batches_of(1).size());
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 20, .total_steps = steps});
  // The average of the weights over the last steps tags better than any one of them.
  optim::ExponentialMovingAverage average(tagger.parameters(), {.decay = 0.999, .warm_up = true});
  StateDict best;
  double best_accuracy = -1;
  const train::Stopwatch total;
  for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) {
    const train::Stopwatch watch;
    const auto batches = batches_of(epoch);
    train::Progress progress(fmt::format("epoch {}/{}", epoch, epochs), static_cast<std::int64_t>(batches.size()));
    double loss_sum = 0;
    tagger.train();
    for (const TaggingBatch& batch : batches) {
      const Tensor loss = nn::cross_entropy(tagger.forward(batch), batch.tags, {.label_smoothing = 0.05});
      adam.zero_grad();
      loss.backward();
      optim::clip_grad_norm(tagger.parameters(), 5.0);
      adam.step();
      schedule.step();
      average.update();
      loss_sum += loss.item();
      progress.advance(fmt::format("loss {:.3f}", loss.item()));
    }
    progress.finish();
    const double train_loss = loss_sum / static_cast<double>(batches.size());
    const double speed = static_cast<double>(words) / watch.seconds();
    const auto averaged = average.applied();  // until the end of the epoch
    const double dev_accuracy = accuracy(tagger, dev_corpus);
    const bool improved = dev_accuracy > best_accuracy;
    fmt::print("epoch {:2}  loss {:.4f}  dev {:.2f} %  {:.0f} words/s{}\n", epoch, train_loss, 100 * dev_accuracy,
               speed, improved ? "  best" : "");
    std::fflush(stdout);
    metrics.write({{"epoch", epoch},
                   {"train_loss", train_loss},
                   {"dev_accuracy", dev_accuracy},
                   {"seconds", total.seconds()},
                   {"words_per_second", speed}});
    if (!improved) continue;
    best_accuracy = dev_accuracy;
    best = tagger.snapshot();
    if (options.save.empty()) continue;
    vocabularies.save(options.save);
    data::save_safetensors(options.save + "/model.safetensors", best, {{"model", options.model}});
  }
  tagger.load_state_dict(best);
}

std::vector<std::string> tag(Tagger& tagger, const TaggingVocabularies& vocabularies, const TaggingBatch& batch) {
  const NoGradGuard no_grad;
  tagger.eval();
  std::vector<std::string> tags;
  for (const std::int64_t id : argmax(tagger.forward(batch)).to_vector<std::int64_t>())
    tags.push_back(vocabularies.tags.word(id));
  return tags;
}

/// Tags one sentence and shows where the last of its repeated words (or the last word) looks.
void show(Tagger& tagger, const TaggingVocabularies& vocabularies, const std::string& text) {
  const std::vector<std::string> words = data::tokenize(text);
  if (words.empty()) return;
  const TaggingBatch batch = data::tagging_batch(words, vocabularies);
  const std::vector<std::string> tags = tag(tagger, vocabularies, batch);
  std::string line;
  std::size_t shown = words.size() - 1;
  for (std::size_t i = 0; i < words.size(); ++i) {
    line += fmt::format("{}{}/{}", i > 0 ? " " : "", words[i], tags[i]);
    if (std::find(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i), words[i]) !=
        words.begin() + static_cast<std::ptrdiff_t>(i))
      shown = i;
  }
  fmt::print("\n{}\n", line);
  const NoGradGuard no_grad;
  const Tensor weights = tagger.attention(batch);
  if (!weights.defined()) return;
  fmt::print("\nword {}, \"{}\", looks at\n{}", shown + 1, words[shown],
             train::attention_picture(
                 words, to(weights.select(0, static_cast<std::int64_t>(shown)), float64).to_vector<double>()));
}

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  train::MetricsFile metrics(options.metrics, {.replace = true});
  TaggingVocabularies vocabularies;
  std::unique_ptr<Tagger> tagger;
  data::Corpus testing;
  const bool trains = options.load.empty();
  if (trains) {
    fmt::print("{}\n", config_string());
    const data::Corpus training = data::read_conllu(options.train);
    testing = data::read_conllu(options.test);  // and make the folder: mistakes show now, not when the training is over
    if (!options.save.empty()) data::make_directories(options.save);
    vocabularies = TaggingVocabularies(training);
    tagger = make_tagger(options.model, vocabularies);
    fmt::print("model {}: {} parameters\n", options.model, tagger->number_of_parameters());
    fit(*tagger, vocabularies, options, metrics, training);
  } else {
    const data::SafetensorsFile file = data::load_safetensors(options.load + "/model.safetensors");
    vocabularies = TaggingVocabularies::load(options.load);
    tagger = make_tagger(file.metadata.contains("model") ? file.metadata.at("model") : options.model, vocabularies);
    tagger->load_state_dict(file.tensors);
  }
  if (trains) {
    const data::TaggingCorpus test(testing, vocabularies);
    const double test_accuracy = accuracy(*tagger, test);
    fmt::print("test {:.2f} % of {} words; {} in all\n", 100 * test_accuracy, test.word_count(),
               train::format_duration(watch.seconds()));
    metrics.write({{"test_accuracy", test_accuracy},
                   {"parameters", tagger->number_of_parameters()},
                   {"peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes)},
                   {"seconds", watch.seconds()}});
  }
  if (!options.tag.empty()) {
    show(*tagger, vocabularies, options.tag);
  } else if (!trains) {
    for (std::string line; std::getline(std::cin, line);) {
      const std::vector<std::string> words = data::tokenize(line);
      std::string tagged;
      if (!words.empty()) {
        const auto tags = tag(*tagger, vocabularies, data::tagging_batch(words, vocabularies));
        for (std::size_t i = 0; i < words.size(); ++i)
          tagged += fmt::format("{}{}/{}", i > 0 ? " " : "", words[i], tags[i]);
      }
      fmt::print("{}\n", tagged);
    }
  }
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a part-of-speech tagger, or tags standard input (one sentence a line) with --load.");
  app.add_option("--train", options.train, "CoNLL-U file to train on")->capture_default_str();
  app.add_option("--dev", options.dev, "CoNLL-U file that chooses the best epoch")->capture_default_str();
  app.add_option("--test", options.test, "CoNLL-U file to report on")->capture_default_str();
  app.add_option("--model", options.model, "what the tagger sees")
      ->check(CLI::IsMember({"attention", "window", "position"}))
      ->capture_default_str();
  app.add_option("--epochs", options.epochs, "passes over the training corpus (default: by its size)")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--seed", options.seed, "of initialisation, dropout and shuffling")->capture_default_str();
  app.add_option("--threads", options.threads, "default: what the machine grants")->check(CLI::Range(1, 1024));
  app.add_option("--save", options.save, "folder for the best model");
  app.add_option("--load", options.load, "folder of a saved model: nothing is trained");
  app.add_option("--tag", options.tag, "a sentence to tag and to look into");
  app.add_option("--metrics", options.metrics, "file for one JSON object an epoch");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return train::run_program("pos_tagging", [&] { throw Error(ErrorKind::argument, error.what()); });
  }
  return train::run_program("pos_tagging", [&] { run(options); });
}
