// Who is speaking? One label for a whole utterance: log-mel frames → Transformer or Conformer → pooling → speaker.
//
//   speaker_identification                                       voices that it makes itself; needs no files
//   speaker_identification --manifest speech.tsv                 your recordings: columns path, speaker[, split, group]
//   speaker_identification --data Dataset --model transformer    features in the layout of the HW04 assignment

#include <fmt/format.h>
#include <saw/saw.h>

#include <cmath>
#include <optional>

#include "command_line.h"
#include "reports.h"
#include "speaker_corpus.h"
#include "speaker_models.h"
#include "speaker_results.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string pooling, loss, verify, pictures;
  std::int64_t steps = 0, crop = 0;
  bool skip_bad = false, no_discriminant = false;
};

/// Fills in what the command line leaves open: the assignment's baseline as it is handed out, or a Conformer that
/// generalises from little.
void complete(Options& options) {
  const bool is_baseline = options.model == "transformer", has_features = !options.data.empty();
  if (options.pooling.empty()) options.pooling = is_baseline ? "mean" : "statistics";
  if (options.loss.empty()) options.loss = is_baseline ? "softmax" : "am-softmax";
  if (options.crop == 0) options.crop = is_baseline ? 128 : 64;
  if (options.steps == 0) options.steps = has_features ? (is_baseline ? 70000 : 40000) : (is_baseline ? 3000 : 800);
  // From sound, a discriminant on the utterance's statistics has a say; it does not fit into the assignment's baseline.
  options.no_discriminant = options.no_discriminant || is_baseline || has_features;
}

double accuracy(SpeakerModel& model, const SpeakerCorpus& corpus, const std::vector<std::int64_t>& utterances) {
  model.eval();
  train::Accuracy accuracy;
  if (!utterances.empty())
    accuracy.update(
        rows_of(corpus, utterances, [&](const Tensor& x, const Segments& s) { return argmax(model.scores(x, s)); }),
        tensor(corpus.speakers(utterances)));
  return accuracy.value();
}

/// Trains the model, or goes on with its training.
void fit(SpeakerModel& model, const train::ModelFile& description, SpeakerCorpus& corpus, const Options& options,
         const train::RunOptions& run_options, Reports& reports) {
  const std::vector<std::int64_t> speakers = corpus.speakers(corpus.train);
  if (nn::LinearDiscriminant* second = model.discriminant())
    second->fit(rows_of(corpus, corpus.train, SpeakerModel::statistics), tensor(speakers));
  // The Conformer is regularised: noise and masks over time and frequency, an average of the weights, clipped
  // gradients.
  const bool regularise = options.model == "conformer";
  const auto augment = [](const Tensor& frames, Generator& generator) {
    const Tensor noisy = data::add_noise_bursts(frames, {.bursts = 2}, generator);
    return data::spec_augment(noisy, {.frequency_width = frames.size(1) / 5}, generator);
  };
  data::FrameBatches batches(
      std::ssize(corpus.train),
      [&corpus](std::int64_t i) { return corpus.read(corpus.train[static_cast<std::size_t>(i)]); },
      {.batch = 32,
       .crop = options.crop,
       .seed = static_cast<std::uint64_t>(options.seed),
       .skip_bad = options.skip_bad},
      regularise ? data::FrameTransform(augment) : data::FrameTransform());
  const std::int64_t warm_up = std::min<std::int64_t>(regularise ? 80 : 1000, options.steps / 10);
  optim::AdamW adam(model.parameters(), {.learning_rate = 1e-3});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{warm_up, options.steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.995, .warm_up = true});

  const std::int64_t evaluations = std::clamp<std::int64_t>(options.steps / 100, 1, 35);
  train::Run run(run_options, {.steps = options.steps,
                               .evaluation_steps = (options.steps + evaluations - 1) / evaluations,
                               .metric = "dev_accuracy",
                               .later_of_equals = true});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  if (regularise) run.track("average", average);
  run.track("batches", batches);
  run.describe(description);
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  train::Stopwatch watch;
  std::int64_t first = run.step();  // since then
  while (run.next_step()) {
    if (!progress) progress.emplace("training", run.steps(), train::ProgressOptions{.done = run.step()});
    model.train();
    auto phase = reports.profile().phase("data");
    const data::FrameBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = model.loss(batch.frames, batch.segments, data::pack_labels(speakers, batch.utterances));
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    const double gradient_norm = optim::clip_grad_norm(model.parameters(), regularise ? 5.0 : HUGE_VAL);
    adam.step();
    schedule.step();
    if (regularise) average.update();
    run.finish_step({{"loss", loss.item()}, {"learning_rate", adam.learning_rate()}, {"gradient_norm", gradient_norm}});
    progress->advance(fmt::format("loss {:.3f}", loss.item()));
    if (!run.evaluation_is_due()) continue;
    phase.next("evaluation");
    progress.reset();
    const double speed = static_cast<double>(run.step() - first) / watch.seconds(), train_loss = run.mean("loss");
    std::optional<optim::ExponentialMovingAverage::Applied> averaged;  // until the end of the step
    if (regularise) averaged.emplace(average);
    const double dev_accuracy = accuracy(model, corpus, corpus.dev);
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"train_loss", train_loss},
                                         {"dev_accuracy", dev_accuracy},
                                         {"seconds", run.seconds()},
                                         {"steps_per_second", speed}});
    train::say(fmt::format("step {:5}  loss {:.4f}  dev {:.2f} %  {:.1f} steps/s{}", run.step(), train_loss,
                           100 * dev_accuracy, speed, improved ? "  best" : ""));
    watch = train::Stopwatch();
    first = run.step();
  }
  run.finish();
  for (const data::FrameBatches::Skipped& bad : batches.skipped()) corpus.skipped.push_back(bad.reason);
}

std::unique_ptr<SpeakerModel> train_model(SpeakerCorpus& corpus, Options& options, const CommandLine& line,
                                          Reports& reports) {
  if (corpus.train.empty()) throw Error(ErrorKind::io, corpus.description + ": has no utterance to train on");
  if (corpus.data.speakers.size() < 2)
    throw Error(ErrorKind::io, corpus.description + ": has a single speaker; expected at least two to tell apart");
  const SpeakerModelOptions built{.model = options.model,
                                  .pooling = options.pooling,
                                  .loss = options.loss,
                                  .features = corpus.features,
                                  .speakers = std::ssize(corpus.data.speakers),
                                  .discriminant = !options.no_discriminant};
  auto model = make_speaker_model(built);
  fmt::print("{}, {} pooling, {}: {} parameters; {} steps\n", options.model, options.pooling, options.loss,
             model->number_of_parameters(), options.steps);
  const train::ModelFile description = described(built, corpus.data.speakers);
  if (!options.init_from.empty()) {
    const train::ModelFile file = train::load_model(options.init_from);
    file.check_model({options.model});
    std::vector<std::string> others;  // the layers of speakers, when these are others
    if (file.part("speakers") != description.part("speakers")) others = {"output.*", "discriminant.*"};
    train::say(train::initialise_from(file.weights, model->state_dict(), others).text());
  }
  reports.report().model(*model);
  fit(*model, description, corpus, options, line.run_options(), reports);
  if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  return model;
}

/// A saved model. Speakers get the numbers that they had in training.
std::unique_ptr<SpeakerModel> saved_model(const std::string& path, SpeakerCorpus& corpus) {
  const train::ModelFile file = train::load_model(path);
  auto model = load_speaker_model(file);
  if (file.integer("features") != corpus.features)
    throw Error(ErrorKind::io, fmt::format("{}: was trained on frames of {} features; the data has {}", file.path,
                                           file.integer("features"), corpus.features));
  corpus.renumber(speakers_of(file));
  return model;
}

void run(Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  const bool trains = options.load.empty();
  if (trains) complete(options);
  Reports reports(options, "Speaker identification");
  reports.settings(line);
  fmt::print("{}\n", config_string());
  SpeakerCorpus corpus =
      open_corpus(options.data, options.manifest,
                  {.training = trains, .skip_bad = options.skip_bad, .seed = static_cast<std::uint64_t>(options.seed)});
  const std::string summary =
      fmt::format("{}: {} speakers; utterances: {} to train on, {} dev, {} test", corpus.description,
                  corpus.data.speakers.size(), corpus.train.size(), corpus.dev.size(), corpus.test.size());
  fmt::print("{}\n", summary);
  reports.report().data_text(summary);
  // What cannot be read or made shows now, not after the training.
  std::vector<train::NamedPath> recordings;
  for (const data::Utterance& utterance : corpus.data.utterances)
    recordings.push_back({"a file of the data", utterance.path});
  line.check_inputs(recordings);
  const auto trials = options.verify.empty() ? std::vector<SpeakerTrial>() : read_trials(options.verify, corpus);
  if (!options.pictures.empty()) data::make_directories(options.pictures);
  const auto model = trains ? train_model(corpus, options, line, reports) : saved_model(options.load, corpus);

  Reports::Record figures;
  const train::Accuracy test = identify(*model, corpus, options.predict, options.pictures, reports.report());
  if (test.count() < std::ssize(corpus.test))
    fmt::print("{} test utterances are of speakers that the model does not know or the data does not tell\n",
               std::ssize(corpus.test) - test.count());
  if (test.count() > 0) {
    const std::string accuracy = fmt::format("{:.2f} %", 100 * test.value());
    fmt::print("test {} of {} utterances; {} in all\n", accuracy, test.count(),
               train::format_duration(watch.seconds()));
    reports.report().figure("test accuracy", accuracy);
    figures.emplace_back("test_accuracy", test.value());
  }
  if (!trials.empty()) {
    const train::EqualErrorRate errors = verify(*model, corpus, trials, options.skip_bad);
    fmt::print("verification: equal error rate {:.2f} %, minDCF(0.01) {:.3f}, {} trials\n", 100 * errors.value(),
               errors.min_detection_cost(), errors.count());
    figures.emplace_back("equal_error_rate", errors.value());
    figures.emplace_back("min_dcf", errors.min_detection_cost());
  }
  figures.emplace_back("parameters", model->number_of_parameters());
  figures.emplace_back("peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes));
  figures.emplace_back("seconds", watch.seconds());
  reports.write(figures);
  reports.finish(watch.seconds());
  if (!corpus.skipped.empty()) fmt::print("left out, {}:\n", corpus.skipped.size());
  for (const std::string& reason : corpus.skipped) fmt::print("  {}\n", reason);
}

int main(int argc, char** argv) {
  Options options;
  options.model = "conformer";
  CommandLine line("speaker_identification",
                   "Learns who is speaking, from voices that it makes itself unless it is given others.", options);
  line.add("--data", "folder of features in the HW04 layout (see prepare_speech)");
  line.add("--manifest", "table of sound files: path, speaker, optionally split and group");
  line.app().get_option("--manifest")->excludes(line.app().get_option("--data"));
  line.choice("--model", options.model, "the assignment's baseline, or a net that generalises from little",
              {"conformer", "transformer"});
  line.choice("--pooling", options.pooling, "default: mean (transformer) or statistics (conformer)",
              {"mean", "attention", "statistics"});
  line.choice("--loss", options.loss, "default: softmax (transformer) or am-softmax (conformer)",
              {"softmax", "am-softmax"});
  line.number("--steps", options.steps, "batches to train on (default: by model and data)", 1, 100000000);
  line.number("--crop", options.crop, "frames of each utterance in a batch (default: by model)", 1, 1000000);
  line.flag("--no-discriminant", options.no_discriminant, "identify by the Conformer alone", CommandLine::Kind::value);
  line.flag("--skip-bad", options.skip_bad, "leave damaged files out, and list them at the end",
            CommandLine::Kind::value);
  line.add({"--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps", "--metrics",
            "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--verify", options.verify, "file of trials, `1 utterance utterance`: equal error rate and minDCF",
            CommandLine::Kind::source);
  line.text("--pictures", options.pictures, "folder for a log-mel picture and the confusion matrix (SVG)",
            CommandLine::Kind::folder);
  return line.run(argc, argv, [&] { run(options, line); });
}
