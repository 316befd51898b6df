// Text classification: a label for a whole text, from a table `label<TAB>text`, beside classifiers that only count.
//
//   --model words      the mean of the words' vectors: their order plays no part
//   --model window     the strongest answers of convolutions over three to five words
//   --model attention  convolution and self-attention over the whole text, then a weighted mean

#include <fmt/format.h>
#include <saw/saw.h>

#include <optional>

#include "command_line.h"
#include "reports.h"
#include "text_baselines.h"
#include "text_classifiers.h"
#include "text_results.h"
#include "texts.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string text, baselines = "on";
};

// ---- training ----

/// Trains the model, or goes on with its training.
void fit(TextClassifier& model, const Options& options, const train::RunOptions& run_options, const Counts& counts,
         const Texts& training, const Texts& dev, Reports& reports) {
  // Small tables are read more often, in smaller batches.
  const std::int64_t epochs =
      options.epochs > 0 ? options.epochs : std::clamp<std::int64_t>(40000 / training.size(), 6, 60);
  data::Batches batches(training.lengths(),
                        [&](std::span<const std::int64_t> numbers) { return training.batch(numbers); },
                        {.examples = std::clamp<std::int64_t>(training.size() / 32, 8, 50),
                         .seed = static_cast<std::uint64_t>(options.seed)});
  const std::int64_t steps = epochs * batches.steps();  // as many in each: batches are cut by the number of texts

  optim::AdamW adam(model.parameters(), {.learning_rate = 2e-3, .weight_decay = 0.01});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 20, .total_steps = steps});
  // The average of the weights over the last steps knows more than any one of them.
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.998, .warm_up = true});
  const Tensor naive_bayes = counts.naive_bayes ? counts.naive_bayes->scores(dev.words) : Tensor();

  train::Run run(run_options, {.steps = steps, .metric = "dev_accuracy"});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  train::ModelFile description{.model = options.model,
                               .parts = {{"words", counts.words.text()}, {"labels", counts.labels.text()}}};
  if (counts.naive_bayes) description.parts["naive_bayes"] = counts.naive_bayes->text();
  run.describe(description);
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  while (run.next_step()) {
    if (!progress) progress.emplace(fmt::format("epoch {}/{}", run.epoch() + 1, epochs), batches.steps());
    auto phase = reports.profile().phase("data");
    model.train();
    const TextBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = nn::cross_entropy(model.forward(batch), batch.labels);
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    const double gradient_norm = optim::clip_grad_norm(model.parameters(), 5.0);
    adam.step();
    schedule.step();
    average.update();
    run.finish_step({{"loss", loss.item()}, {"learning_rate", adam.learning_rate()}, {"gradient_norm", gradient_norm}});
    progress->advance(fmt::format("loss {:.3f}", loss.item()));
    if (batches.position().batch == 0) run.finish_epoch();
    if (!run.evaluation_is_due()) continue;
    phase.next("evaluation");
    progress.reset();
    const auto averaged = average.applied();  // until the end of the step
    const Tensor scores = log_probabilities(model, dev);
    const double dev_loss = nn::cross_entropy(scores, tensor(dev.labels)).item(), train_loss = run.mean("loss");
    const double dev_accuracy = confusion(scores, dev).accuracy();
    if (counts.naive_bayes) model.naive_bayes_weight.fill_(best_weight(scores, naive_bayes, dev));
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"epoch", run.epoch()},
                                         {"train_loss", train_loss},
                                         {"dev_loss", dev_loss},
                                         {"dev_accuracy", dev_accuracy},
                                         {"seconds", run.seconds()}});
    train::say(train::EvaluationLine()
                   .count("epoch", run.epoch(), epochs)
                   .number("loss", train_loss)
                   .number("dev loss", dev_loss)
                   .percent("dev", dev_accuracy)
                   .mark("best", improved)
                   .text());
  }
  run.finish();
}

void run(const Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  const bool trains = options.load.empty(), one_file = !options.data.empty();
  Counts counts;
  std::unique_ptr<TextClassifier> model;
  Texts training, dev, testing;
  if (one_file) {
    auto parts = split_texts(options.data, options.seed);
    training = std::move(parts[0]), dev = std::move(parts[1]), testing = std::move(parts[2]);
  } else {
    if (trains) training = all_texts(options.train), dev = all_texts(options.dev);
    if (trains || line.is_given("--test")) testing = all_texts(options.test);
  }
  const auto number = [&](Texts& texts) { texts.number(counts.words, counts.labels); };
  Reports reports(options, "Text classification");
  reports.settings(line);
  if (trains) {
    fmt::print("{}\n", config_string());
    counts = {training.frequent_words(), training.different_labels(), {}};
    if (counts.labels.size() < 2)
      throw Error(ErrorKind::io, (one_file ? options.data : options.train) + ": all texts have one label");
    std::optional<train::ModelFile> before;
    if (!options.init_from.empty()) {
      before = train::load_model(options.init_from);
      before->check_model({options.model});
      counts.words = data::Vocabulary::parse(before->part("words"), before->part_name("words"));
    }
    for (Texts* texts : {&training, &dev, &testing}) number(*texts);
    if (options.baselines == "on") counts.naive_bayes.emplace(training.words, training.labels, counts.labels.size());
    model = make_classifier(options.model, counts.words.size(), counts.labels.size());
    if (before) {
      const bool same = before->part("labels") == counts.labels.text();
      train::say(train::initialise_from(before->weights, model->state_dict(),
                                        std::vector<std::string>(same ? 0 : 1, "labels.*"))
                     .text());
    }
    fmt::print("model {}: {} parameters; {} words, {} labels; {} texts to train on, {} to choose by\n", options.model,
               model->number_of_parameters(), counts.words.size(), counts.labels.size(), training.size(), dev.size());
    reports.report().model(*model);
    fit(*model, options, line.run_options(), counts, training, dev, reports);
    if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  } else {
    const train::ModelFile file = train::load_model(options.load);
    file.check_model({"words", "window", "attention"});
    const auto part = [&](const char* name) { return data::Vocabulary::parse(file.part(name), file.part_name(name)); };
    counts = {part("words"), part("labels"), {}};
    if (file.parts.contains("naive_bayes"))
      counts.naive_bayes =
          NaiveBayes::parse(file.part("naive_bayes"), file.part_name("naive_bayes"), counts.labels.size());
    model = make_classifier(file.model, counts.words.size(), counts.labels.size());
    file.load_into(*model);
    if (testing.size() > 0) number(testing);
  }
  if (testing.size() > 0) {
    Record record = test(*model, options, counts, trains ? &training : nullptr, testing, reports.report());
    record.emplace_back("parameters", model->number_of_parameters());
    record.emplace_back("seconds", watch.seconds());
    reports.write(record);
    fmt::print("\n{} in all\n", train::format_duration(watch.seconds()));
    reports.finish(watch.seconds());
  }
  if (!options.text.empty())
    label(*model, counts, options.text, true);
  else if (testing.size() == 0)
    label_lines(*model, counts);
}

int main(int argc, char** argv) {
  Options options;
  options.train = SAW_EXAMPLES_CORPUS "/texts/train.tsv";
  options.dev = SAW_EXAMPLES_CORPUS "/texts/dev.tsv";
  options.test = SAW_EXAMPLES_CORPUS "/texts/test.tsv";
  options.model = "attention";
  CommandLine line("text_classification",
                   "Trains a classifier of texts, or labels standard input (one text a line) with --load.", options);
  line.add("--train", "table label<TAB>text to train on, without a header");
  line.add("--dev", "the same, to choose the best epoch by");
  line.add("--test", "the same, to report on");
  line.add("--data", "one table in place of these: 80 % to train on, 10 % to choose by, 10 % to report on");
  line.choice("--model", options.model, "what the classifier sees", {"words", "window", "attention"});
  line.choice("--baselines", options.baselines, "Naive Bayes and logistic regression beside it", {"on", "off"});
  line.add({"--epochs", "--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps",
            "--metrics", "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--text", options.text, "a text to label and to look into", CommandLine::Kind::other);
  return line.run(argc, argv, [&] {
    if (!options.data.empty())
      for (const char* name : {"--train", "--dev", "--test"})
        if (line.is_given(name))
          throw Error(ErrorKind::argument, std::string(name) + ": has no meaning together with --data");
    run(options, line);
  });
}
