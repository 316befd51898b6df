// Who is speaking? One label for a whole utterance: log-mel frames → Transformer or Conformer → pooling → speaker.
//
//   speaker_identification                                       voices that it makes itself; needs no files
//   speaker_identification --manifest speech.tsv                 your recordings: columns path, speaker[, split, group]
//   speaker_identification --data Dataset --model transformer    features in the layout of the HW04 assignment

#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "speaker_corpus.h"
#include "speaker_models.h"

using namespace saw;
using saw::examples::SpeakerCorpus;
using saw::examples::SpeakerModel;
using saw::examples::SpeakerModelOptions;

struct Options {
  std::string data, manifest, model = "conformer", pooling, loss, predict, verify, save, load, metrics, pictures;
  std::int64_t steps = 0, crop = 0, seed = 1, threads = 0;
  bool skip_bad = false, discriminant = true;
};

/// How each model is trained unless the command line says otherwise.
struct Recipe {
  std::string pooling, loss;
  std::int64_t steps, crop, batch, warmup_steps;
  double learning_rate;
  bool regularise;  ///< noise and masks over time and frequency, an average of the weights, clipped gradients
};

Recipe recipe_of(Options& options) {
  // The assignment's baseline as it is handed out, or a Conformer that generalises from little.
  Recipe recipe = options.model == "transformer" ? Recipe{"mean", "softmax", 70000, 128, 32, 1000, 1e-3, false}
                                                 : Recipe{"statistics", "am-softmax", 800, 64, 32, 80, 1e-3, true};
  if (options.model == "transformer" && options.data.empty()) recipe.steps = 3000;  // its own data is small
  if (options.model == "conformer" && !options.data.empty()) recipe.steps = 40000;
  if (options.steps > 0) recipe.steps = options.steps;
  if (options.crop > 0) recipe.crop = options.crop;
  if (options.pooling.empty()) options.pooling = recipe.pooling;
  if (options.loss.empty()) options.loss = recipe.loss;
  // From sound, a discriminant on the utterance's statistics has a say; it does not fit into the assignment's baseline.
  options.discriminant = options.discriminant && options.model == "conformer" && options.data.empty();
  recipe.warmup_steps = std::min(recipe.warmup_steps, recipe.steps / 10);
  return recipe;
}

// ---- whole utterances through a model ----

/// Calls f(first, rows) with the rows of run(frames, segments) for utterances first, first + 1, … of the list, some at
/// a time. Utterances that cannot be read are left out of the list, and named in corpus.skipped, if that is wanted.
template <class Run, class F>
void for_whole_utterances(SpeakerCorpus& corpus, std::vector<std::int64_t>& utterances, bool skip_bad, Run run, F f) {
  constexpr std::int64_t frames_at_once = 4096;
  const NoGradGuard no_grad;
  TensorList waiting;
  std::vector<std::int64_t> lengths, usable;
  std::int64_t rows = 0, first = 0;
  const auto flush = [&] {
    if (waiting.empty()) return;
    f(first, run(cat(waiting, 0), Segments::from_lengths(lengths)));
    first += static_cast<std::int64_t>(waiting.size());
    waiting.clear();
    lengths.clear();
    rows = 0;
  };
  for (const std::int64_t utterance : utterances) {
    try {
      waiting.push_back(corpus.read(utterance));
    } catch (const Error& error) {
      if (!skip_bad) throw;
      corpus.skipped.push_back(error.what());
      continue;
    }
    usable.push_back(utterance);
    lengths.push_back(waiting.back().size(0));
    rows += lengths.back();
    if (rows >= frames_at_once) flush();
  }
  flush();
  utterances = std::move(usable);
}

/// The speakers that the model hears in whole utterances.
std::vector<std::int64_t> identify(SpeakerModel& model, SpeakerCorpus& corpus, std::vector<std::int64_t>& utterances,
                                   bool skip_bad) {
  model.eval();
  std::vector<std::int64_t> speakers;
  for_whole_utterances(
      corpus, utterances, skip_bad, [&](const Tensor& x, const Segments& s) { return argmax(model.scores(x, s)); },
      [&](std::int64_t, const Tensor& found) {
        for (const std::int64_t speaker : found.to_vector<std::int64_t>()) speakers.push_back(speaker);
      });
  return speakers;
}

double accuracy(const SpeakerCorpus& corpus, const std::vector<std::int64_t>& utterances,
                const std::vector<std::int64_t>& found) {
  std::int64_t right = 0;
  for (std::size_t i = 0; i < found.size(); ++i) right += found[i] == corpus.speaker(utterances[i]) ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(found.size(), 1));
}

// ---- training ----

void save_model(const Options& options, const SpeakerCorpus& corpus, const StateDict& state) {
  data::make_directories(options.save);
  std::string speakers;
  for (const std::string& speaker : corpus.data.speakers) {
    if (speaker.find('\n') != std::string::npos)
      throw Error(ErrorKind::io, fmt::format("{}/speakers.txt: the name of a speaker has a line end", options.save));
    speakers += speaker + "\n";
  }
  data::write_file(options.save + "/speakers.txt", speakers);
  data::save_safetensors(options.save + "/model.safetensors", state,
                         {{"model", options.model},
                          {"pooling", options.pooling},
                          {"loss", options.loss},
                          {"features", std::to_string(corpus.features)},
                          {"discriminant", options.discriminant ? "1" : "0"}});
}

/// Fits the model's linear discriminant to the statistics of all training utterances.
void fit_discriminant(SpeakerModel& model, SpeakerCorpus& corpus, bool skip_bad) {
  if (model.discriminant() == nullptr) return;
  TensorList rows;
  for_whole_utterances(
      corpus, corpus.train, skip_bad,
      [&](const Tensor& x, const Segments& s) { return model.discriminant()->statistics.forward(x, s); },
      [&](std::int64_t, const Tensor& statistics) { rows.push_back(statistics); });
  std::vector<std::int64_t> speakers;
  for (const std::int64_t utterance : corpus.train) speakers.push_back(corpus.speaker(utterance));
  model.discriminant()->fit(cat(rows, 0), speakers);
}

void fit(SpeakerModel& model, SpeakerCorpus& corpus, const Options& options, const Recipe& recipe,
         train::MetricsFile& metrics) {
  fit_discriminant(model, corpus, options.skip_bad);
  data::FrameTransform augment;
  if (recipe.regularise)
    augment = [](const Tensor& frames, Generator& generator) {
      const Tensor noisy = data::add_noise_bursts(frames, {.bursts = 2}, generator);
      return data::spec_augment(noisy, {.frequency_width = frames.size(1) / 5}, generator);
    };
  data::FrameBatches batches(
      static_cast<std::int64_t>(corpus.train.size()),
      [&corpus](std::int64_t i) { return corpus.read(corpus.train[static_cast<std::size_t>(i)]); },
      {.batch = recipe.batch,
       .crop = recipe.crop,
       .seed = static_cast<std::uint64_t>(options.seed),
       .skip_bad = options.skip_bad},
      augment);
  optim::AdamW adam(model.parameters(), {.learning_rate = recipe.learning_rate});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{recipe.warmup_steps, recipe.steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.995, .warm_up = true});

  const std::int64_t rounds = std::clamp<std::int64_t>(recipe.steps / 100, 1, 35);
  const train::Stopwatch total;
  StateDict best;
  double best_accuracy = -1;
  std::int64_t step = 0;
  for (std::int64_t round = 1; round <= rounds; ++round) {
    const std::int64_t last = recipe.steps * round / rounds, first = step;
    const train::Stopwatch watch;
    train::Progress progress(fmt::format("steps to {}/{}", last, recipe.steps), last - first);
    double loss_sum = 0;
    model.train();
    for (; step < last; ++step) {
      const data::FrameBatch batch = batches.next();
      std::vector<std::int64_t> speakers;
      for (const std::int64_t i : batch.utterances)
        speakers.push_back(corpus.speaker(corpus.train[static_cast<std::size_t>(i)]));
      const Tensor loss = model.loss(batch.frames, batch.segments, tensor(speakers));
      adam.zero_grad();
      loss.backward();
      if (recipe.regularise) optim::clip_grad_norm(model.parameters(), 5.0);
      adam.step();
      schedule.step();
      if (recipe.regularise) average.update();
      loss_sum += loss.item();
      progress.advance(fmt::format("loss {:.3f}", loss.item()));
    }
    progress.finish();
    const double train_loss = loss_sum / static_cast<double>(last - first);
    const double steps_per_second = static_cast<double>(last - first) / watch.seconds();
    if (!std::isfinite(train_loss))
      throw Error(ErrorKind::internal, fmt::format("training: the loss is {} before step {}", train_loss, step));
    if (recipe.regularise) average.swap();  // until the end of the round
    const double dev_accuracy = accuracy(corpus, corpus.dev, identify(model, corpus, corpus.dev, options.skip_bad));
    const bool improved = dev_accuracy >= best_accuracy;
    fmt::print("step {:5}  loss {:.4f}  dev {:.2f} %  {:.1f} steps/s{}\n", step, train_loss, 100 * dev_accuracy,
               steps_per_second, improved ? "  best" : "");
    std::fflush(stdout);
    metrics.write({{"step", step},
                   {"train_loss", train_loss},
                   {"dev_accuracy", dev_accuracy},
                   {"seconds", total.seconds()},
                   {"steps_per_second", steps_per_second}});
    if (improved) {
      best_accuracy = dev_accuracy;
      best = model.snapshot();
      if (!options.save.empty()) save_model(options, corpus, best);
    }
    if (recipe.regularise) average.swap();
  }
  model.load_state_dict(best);
  for (const data::FrameBatches::Skipped& bad : batches.skipped()) corpus.skipped.push_back(bad.reason);
}

// ---- what comes out ----

/// A log-mel picture of the first test utterance, and who was taken for whom.
void draw(const std::string& directory, SpeakerCorpus& corpus, const std::vector<std::int64_t>& utterances,
          const std::vector<std::int64_t>& found) {
  data::make_directories(directory);
  const data::Utterance& utterance = corpus.at(utterances.front());
  train::save_heat_map(directory + "/log_mel.svg", transpose(corpus.read(utterances.front()), 0, 1),
                       {.title = fmt::format("Log-mel frames of {}", utterance.name),
                        .rows = {.label = "mel band"},
                        .columns = {.label = "seconds", .step = 0.01},
                        .first_row_below = true});
  const auto count = static_cast<std::int64_t>(corpus.data.speakers.size());
  std::vector<double> confusion(static_cast<std::size_t>(count * count));
  for (std::size_t i = 0; i < found.size(); ++i)
    ++confusion[static_cast<std::size_t>(corpus.speaker(utterances[i]) * count + found[i])];
  train::save_heat_map(directory + "/confusion.svg", tensor(confusion, {count, count}),
                       {.title = "Test utterances by speaker",
                        .rows = {.label = "who spoke", .names = corpus.data.speakers},
                        .columns = {.label = "who was heard", .names = corpus.data.speakers},
                        .colours = train::ColourMap::blue,
                        .low = 0.0,
                        .width = 480,
                        .height = 480});
}

/// Pairs of utterances, and whether both are of one speaker.
struct Trials {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  std::vector<bool> is_target;
};

Trials read_trials(const std::string& path, const SpeakerCorpus& corpus) {
  std::map<std::string, std::int64_t> by_name;
  for (std::size_t i = 0; i < corpus.data.utterances.size(); ++i)
    by_name.emplace(corpus.data.utterances[i].name, static_cast<std::int64_t>(i));
  const auto number = [&](const std::string& name) {
    const auto found = by_name.find(name);
    if (found == by_name.end())
      throw Error(ErrorKind::io, fmt::format("{}: the data has no utterance \"{}\"", path, name));
    return found->second;
  };
  Trials trials;
  for (const data::Trial& trial : data::read_trials(path)) {
    trials.pairs.emplace_back(number(trial.enrolment), number(trial.test));
    trials.is_target.push_back(trial.target);
  }
  const auto targets = std::count(trials.is_target.begin(), trials.is_target.end(), true);
  if (targets == 0 || targets == std::ssize(trials.is_target))
    throw Error(ErrorKind::io, fmt::format("{}: has {} trials, {} of them of one speaker; expected some of both kinds",
                                           path, trials.is_target.size(), targets));
  return trials;
}

/// Scores trials by the cosine of the embeddings of their two utterances.
void verify(SpeakerModel& model, SpeakerCorpus& corpus, const Trials& trials, bool skip_bad,
            train::MetricsFile& metrics) {
  std::set<std::int64_t> needed;
  for (const auto& [enrolment, test] : trials.pairs) needed.insert({enrolment, test});
  std::vector<std::int64_t> utterances(needed.begin(), needed.end());
  std::map<std::int64_t, Tensor> embeddings;
  model.eval();
  for_whole_utterances(
      corpus, utterances, skip_bad, [&](const Tensor& x, const Segments& s) { return model.embed(x, s); },
      [&](std::int64_t first, const Tensor& rows) {
        for (std::int64_t i = 0; i < rows.size(0); ++i) {
          const Tensor row = rows.select(0, i);
          embeddings[utterances[static_cast<std::size_t>(first + i)]] = row / norm(row);
        }
      });
  std::vector<double> scores;
  std::vector<bool> is_target;
  for (std::size_t i = 0; i < trials.pairs.size(); ++i) {
    const auto enrolment = embeddings.find(trials.pairs[i].first), test = embeddings.find(trials.pairs[i].second);
    if (enrolment == embeddings.end() || test == embeddings.end()) continue;  // left out
    scores.push_back((enrolment->second * test->second).sum().item());
    is_target.push_back(trials.is_target[i]);
  }
  const double equal_error_rate = data::equal_error_rate(scores, is_target);
  const double cost = data::min_detection_cost(scores, is_target);
  fmt::print("verification: equal error rate {:.2f} %, minDCF(0.01) {:.3f}, {} trials\n", 100 * equal_error_rate, cost,
             scores.size());
  metrics.write({{"equal_error_rate", equal_error_rate}, {"min_dcf", cost}});
}

SpeakerCorpus open_corpus(const Options& options) {
  const examples::CorpusOptions how{
      .training = options.load.empty(), .skip_bad = options.skip_bad, .seed = static_cast<std::uint64_t>(options.seed)};
  if (!options.data.empty()) return examples::hw04_corpus(options.data, how);
  if (!options.manifest.empty()) return examples::manifest_corpus(options.manifest, how);
  return examples::synthetic_corpus(how.seed);
}

/// The options and weights of a saved model. Speakers keep the numbers that they had in training.
std::unique_ptr<SpeakerModel> load_model(Options& options, SpeakerCorpus& corpus) {
  const data::SafetensorsFile file = data::load_safetensors(options.load + "/model.safetensors");
  const auto about = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      throw Error(ErrorKind::io, fmt::format("{}/model.safetensors: does not say its {}", options.load, key));
    return found->second;
  };
  std::vector<std::string> speakers;
  std::string line;
  for (const char c : data::read_file(options.load + "/speakers.txt")) {
    if (c != '\n')
      line += c;
    else
      speakers.push_back(std::exchange(line, {}));
  }
  std::map<std::string, std::int64_t> numbers;
  for (std::size_t i = 0; i < speakers.size(); ++i) numbers.emplace(speakers[i], static_cast<std::int64_t>(i));
  for (data::Utterance& utterance : corpus.data.utterances) {
    if (utterance.speaker < 0) continue;
    const auto known = numbers.find(corpus.data.speakers[static_cast<std::size_t>(utterance.speaker)]);
    utterance.speaker = known == numbers.end() ? -1 : known->second;
  }
  corpus.data.speakers = speakers;
  options.model = about("model");
  options.pooling = about("pooling");
  options.loss = about("loss");
  if (about("features") != std::to_string(corpus.features))
    throw Error(ErrorKind::io,
                fmt::format("{}/model.safetensors: was trained on frames of {} features; the data has {}", options.load,
                            about("features"), corpus.features));
  if (options.model != "transformer" && options.model != "conformer")
    throw Error(ErrorKind::io,
                fmt::format("{}/model.safetensors: holds a model of another kind, {}", options.load, options.model));
  auto model = examples::make_speaker_model({.model = options.model,
                                             .pooling = options.pooling,
                                             .loss = options.loss,
                                             .features = corpus.features,
                                             .speakers = static_cast<std::int64_t>(speakers.size()),
                                             .discriminant = about("discriminant") == "1"});
  model->load_state_dict(file.tensors);
  return model;
}

void run(Options options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  train::MetricsFile metrics(options.metrics, {.replace = true});
  fmt::print("{}\n", config_string());
  SpeakerCorpus corpus = open_corpus(options);
  fmt::print("{}: {} speakers; utterances: {} to train on, {} dev, {} test\n", corpus.description,
             corpus.data.speakers.size(), corpus.train.size(), corpus.dev.size(), corpus.test.size());

  // What cannot be read or written shows now, not after the training.
  const Trials trials = options.verify.empty() ? Trials{} : read_trials(options.verify, corpus);
  if (!options.predict.empty()) static_cast<void>(data::AtomicFile(options.predict));
  for (const std::string& directory : {options.save, options.pictures})
    if (!directory.empty()) data::make_directories(directory);

  std::unique_ptr<SpeakerModel> model;
  if (options.load.empty()) {
    if (corpus.train.empty()) throw Error(ErrorKind::io, corpus.description + ": has no utterance to train on");
    if (corpus.data.speakers.size() < 2)
      throw Error(ErrorKind::io, corpus.description + ": has a single speaker; expected at least two to tell apart");
    const Recipe recipe = recipe_of(options);
    model = examples::make_speaker_model({.model = options.model,
                                          .pooling = options.pooling,
                                          .loss = options.loss,
                                          .features = corpus.features,
                                          .speakers = static_cast<std::int64_t>(corpus.data.speakers.size()),
                                          .discriminant = options.discriminant});
    fmt::print("{}, {} pooling, {}: {} parameters; {} steps\n", options.model, options.pooling, options.loss,
               model->number_of_parameters(), recipe.steps);
    fit(*model, corpus, options, recipe, metrics);
  } else {
    model = load_model(options, corpus);
  }

  const std::vector<std::int64_t> found = identify(*model, corpus, corpus.test, options.skip_bad);
  if (!options.predict.empty()) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (std::size_t i = 0; i < found.size(); ++i)
      rows.emplace_back(corpus.at(corpus.test[i]).name, corpus.data.speakers[static_cast<std::size_t>(found[i])]);
    data::write_predictions(options.predict, rows);
    fmt::print("{}: {} predictions\n", options.predict, rows.size());
  }
  // Of those whose speaker is known (HW04 keeps the test speakers to itself).
  std::vector<std::int64_t> labelled, found_of_labelled;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (corpus.speaker(corpus.test[i]) < 0) continue;
    labelled.push_back(corpus.test[i]);
    found_of_labelled.push_back(found[i]);
  }
  if (labelled.size() < found.size())
    fmt::print("{} test utterances are of speakers that the model does not know or the data does not tell\n",
               found.size() - labelled.size());
  if (!labelled.empty()) {
    const double test_accuracy = accuracy(corpus, labelled, found_of_labelled);
    fmt::print("test {:.2f} % of {} utterances; {} in all\n", 100 * test_accuracy, labelled.size(),
               train::format_duration(watch.seconds()));
    metrics.write({{"test_accuracy", test_accuracy},
                   {"parameters", model->number_of_parameters()},
                   {"seconds", watch.seconds()}});
    if (!options.pictures.empty()) draw(options.pictures, corpus, labelled, found_of_labelled);
  }
  if (!options.verify.empty()) verify(*model, corpus, trials, options.skip_bad, metrics);
  if (!corpus.skipped.empty()) {
    fmt::print("left out, {}:\n", corpus.skipped.size());
    for (const std::string& reason : corpus.skipped) fmt::print("  {}\n", reason);
  }
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Learns who is speaking, from voices that it makes itself unless it is given others.");
  auto* data = app.add_option("--data", options.data, "folder of features in the HW04 layout (see prepare_speech)");
  app.add_option("--manifest", options.manifest, "table of sound files: path, speaker, optionally split and group")
      ->excludes(data);
  app.add_option("--model", options.model, "transformer (the assignment's baseline) or conformer")
      ->check(CLI::IsMember({"transformer", "conformer"}))
      ->capture_default_str();
  app.add_option("--pooling", options.pooling, "default: mean (transformer) or statistics (conformer)")
      ->check(CLI::IsMember({"mean", "attention", "statistics"}));
  app.add_option("--loss", options.loss, "default: softmax (transformer) or am-softmax (conformer)")
      ->check(CLI::IsMember({"softmax", "am-softmax"}));
  app.add_option("--steps", options.steps, "batches to train on (default: by model and data)")
      ->check(CLI::Range(1, 100000000));
  app.add_option("--crop", options.crop, "frames of each utterance in a batch")->check(CLI::Range(1, 1000000));
  app.add_option("--predict", options.predict, "CSV file for the speakers of the test utterances");
  app.add_option("--verify", options.verify, "file of trials, `1 utterance utterance`: equal error rate and minDCF");
  auto* save = app.add_option("--save", options.save, "folder for the best model");
  app.add_option("--load", options.load, "folder of a saved model: nothing is trained")->excludes(save);
  app.add_option("--metrics", options.metrics, "file for one JSON object a round");
  app.add_option("--pictures", options.pictures, "folder for a log-mel picture and the confusion matrix (SVG)");
  app.add_option("--seed", options.seed, "of voices, initialisation, crops and masks")->capture_default_str();
  app.add_option("--threads", options.threads, "default: what the machine grants")->check(CLI::Range(1, 1024));
  app.add_flag("!--no-discriminant", options.discriminant, "identify by the Conformer alone");
  app.add_flag("--skip-bad", options.skip_bad, "leave damaged files out, and list them at the end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return train::run_program("speaker_identification", [&] { throw Error(ErrorKind::argument, error.what()); });
  }
  return train::run_program("speaker_identification", [&] { run(std::move(options)); });
}
