// A label for every frame of speech, in the steps of the lecture: one frame alone, a window of 11 frames, a larger
// window, a recurrent net in both directions, and self-attention over the whole utterance.
//
//   frame_labelling                                     phones, in speech that it makes itself; needs no files
//   frame_labelling --join-digits manifest.tsv          digits, in strings joined from recordings of single digits
//   frame_labelling --model bilstm --save labeller      one model only
//   frame_labelling --load labeller --sound what.wav    what is heard when

#include <fmt/format.h>
#include <saw/saw.h>

#include <filesystem>
#include <optional>

#include "command_line.h"
#include "frame_results.h"
#include "reports.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string digits, pictures, sound;
  std::int64_t train_utterances = 0, test_utterances = 0;
  bool skip_bad = false;
};

/// The options of one model: where all are trained, each has files and folders of its own.
Options options_of(Options options, const std::string& model) {
  if (options.model != "all") return options;
  for (std::string* folder : {&options.save, &options.tensorboard})
    if (!folder->empty()) *folder += "/" + model;
  for (std::string* file : {&options.metrics, &options.report}) {
    if (file->empty()) continue;
    const std::filesystem::path path(*file);
    *file = (path.parent_path() / (path.stem().string() + "-" + model + path.extension().string())).string();
  }
  options.model = model;
  return options;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(text.substr(begin, end - begin));
  return lines;
}

void test_labeller(Labelled& one, const FrameCorpus& corpus, Reports& reports) {
  {
    const auto phase = reports.profile().phase("test");
    one.labels = labels_of(*one.model, corpus.test);
    one.confusion = confusion_of(one.labels, corpus.test, std::ssize(corpus.labels));
  }
  reports.report().figure("test frames right", fmt::format("{:.2f} %", 100 * one.confusion.accuracy()));
  reports.report().confusion(one.confusion, corpus.labels);
  reports.write({{"test_accuracy", one.confusion.accuracy()},
                 {"parameters", one.model->number_of_parameters()},
                 {"peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes)},
                 {"seconds", one.seconds}});
}

/// Tests a model that was trained before.
void test_saved_labeller(Labelled& one, const FrameCorpus& corpus, const Options& common, const CommandLine& line) {
  const Options options = options_of(common, one.name);
  const train::Stopwatch watch;
  Reports reports(options, "Frames of speech: " + one.name);
  reports.settings(line);
  reports.report().data_text(corpus.description);
  reports.report().model(*one.model);
  test_labeller(one, corpus, reports);
  reports.finish(watch.seconds());
}

/// Trains a model, or goes on with its training.
Labelled train_labeller(const std::string& name, const FrameCorpus& corpus, const Options& common,
                        const CommandLine& line) {
  const Options options = options_of(common, name);
  manual_seed(static_cast<std::uint64_t>(options.seed));
  Reports reports(options, "Frames of speech: " + name);
  reports.settings(line);
  Labelled result{.name = name,
                  .label_names = corpus.labels,
                  .sample_rate = corpus.sample_rate,
                  .model = make_labeller(name, std::ssize(corpus.labels))};
  FrameLabeller& model = *result.model;
  train::say(fmt::format("{}: {} parameters", name, model.number_of_parameters()));
  if (!options.init_from.empty()) {
    const train::ModelFile file = train::load_model(options.init_from);
    file.check_model({name});
    const bool same = lines_of(file.part("labels")) == corpus.labels;
    train::say(train::initialise_from(file.weights, model.state_dict(),
                                      same ? std::vector<std::string>{} : std::vector<std::string>{"labels.*"})
                   .text());
  }
  reports.report().data_text(corpus.description);
  reports.report().model(model);

  // Small corpora are read more often, in smaller batches.
  const std::int64_t frames = corpus.train.frames();
  data::Batches batches(
      corpus.train.lengths(),
      [&](std::span<const std::int64_t> numbers) { return frames_batch(corpus.train, numbers); },
      {.rows = std::clamp<std::int64_t>(frames / 40, 500, 3000), .seed = static_cast<std::uint64_t>(options.seed)});
  const std::int64_t epochs = options.epochs > 0 ? options.epochs : frames > 200000 ? 4 : 6;
  const std::int64_t steps = batches.steps_of_epochs(epochs);
  optim::AdamW adam(model.parameters(), {.learning_rate = 2e-3});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 10, .total_steps = steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.99, .warm_up = true});

  train::RunOptions run_options = line.run_options();
  run_options.folder = options.save;
  for (auto& [option, value] : run_options.arithmetic)
    if (option == "--model") value = name;  // the same run, alone or among all
  train::Run run(run_options, {.steps = steps, .metric = "dev_accuracy"});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.describe({.model = name,
                .options = {{"sample_rate", corpus.sample_rate}},
                .parts = {{"labels", fmt::format("{}\n", fmt::join(corpus.labels, "\n"))}}});
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  while (run.next_step()) {
    if (!progress)
      progress.emplace(fmt::format("{} {}/{}", name, run.epoch() + 1, epochs), batches.steps(),
                       train::ProgressOptions{.done = batches.position().batch, .unit = "frames"});
    model.train();
    auto phase = reports.profile().phase("data");
    const FramesBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = nn::cross_entropy(model.forward(batch.frames, batch.utterances), batch.labels);
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    const double gradient_norm = optim::clip_grad_norm(model.parameters(), 5.0);
    adam.step();
    schedule.step();
    average.update();
    run.finish_step({{"loss", loss.item()}, {"learning_rate", adam.learning_rate()}, {"gradient_norm", gradient_norm}});
    progress->advance(fmt::format("loss {:.3f}", loss.item()), batch.labels.numel());
    if (batches.position().batch == 0) run.finish_epoch();
    if (!run.evaluation_is_due()) continue;
    progress.reset();
    phase.next("evaluation");
    const auto averaged = average.applied();  // until the end of the step
    const double train_loss = run.mean("loss");
    const double dev = confusion_of(labels_of(model, corpus.dev), corpus.dev, std::ssize(corpus.labels)).accuracy();
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"epoch", run.epoch()},
                                         {"train_loss", train_loss},
                                         {"dev_accuracy", dev},
                                         {"seconds", run.seconds()}});
    train::say(train::EvaluationLine()
                   .count("epoch", run.epoch(), epochs)
                   .number("loss", train_loss)
                   .percent("dev", dev)
                   .mark("best", improved)
                   .text());
  }
  run.finish();
  result.seconds = run.seconds();
  test_labeller(result, corpus, reports);
  reports.finish(result.seconds);
  return result;
}

/// The model of a file or folder, or those of the folders in it that --save made for all models.
std::vector<Labelled> saved_labellers(const Options& options) {
  const auto has_model = [](const std::filesystem::path& folder) {
    return std::filesystem::exists(folder / train::model_file_name);
  };
  std::vector<std::string> known, paths;
  for (const LabellerName& name : labeller_names())
    if (options.model == "all" || options.model == name.name) known.emplace_back(name.name);
  for (const std::string& name : known)
    if (!has_model(options.load) && has_model(options.load + "/" + name)) paths.push_back(options.load + "/" + name);
  if (paths.empty()) paths = {options.load};
  std::vector<Labelled> all;
  for (const std::string& path : paths) {
    const train::ModelFile file = train::load_model(path);
    file.check_model(known);
    Labelled& one = all.emplace_back(Labelled{
        .name = file.model, .label_names = lines_of(file.part("labels")), .sample_rate = file.integer("sample_rate")});
    try {
      if (one.label_names.empty()) throw Error(ErrorKind::io, "has no labels");
      const FrameFeatures features(one.sample_rate);  // throws unless it fits
    } catch (const Error& error) {
      throw Error(ErrorKind::io,
                  fmt::format("{}: of no use for sounds of {} Hz; {}", file.path, one.sample_rate, error.what()));
    }
    one.model = make_labeller(one.name, std::ssize(one.label_names));
    file.load_into(*one.model);
    if (one.label_names != all[0].label_names || one.sample_rate != all[0].sample_rate)
      throw Error(ErrorKind::io, path + ": was trained on other data than " + paths[0]);
  }
  return all;
}

/// What cannot be read or made shows now, not after the training; nor is anything replaced that is read, or made by the
/// same command. `models` are those that are trained, or were loaded.
void check_files(const Options& options, const FrameCorpus& corpus, const std::vector<std::string>& models) {
  std::vector<train::NamedPath> inputs = {{"--join-digits", options.digits}, {"--sound", options.sound}};
  for (const std::string& file : corpus.files) inputs.push_back({"a file of the data", file});
  std::vector<train::NamedPath> outputs, folders = {{"--save", options.save}, {"--pictures", options.pictures}};
  if (!options.save.empty()) outputs.push_back({"--save", options.save + "/options.json"});
  if (!options.pictures.empty())
    for (const char* name : {"frames-1.svg", "frames-2.svg", "frames-3.svg", "confusion.svg", "sound.svg"})
      outputs.push_back({"--pictures", options.pictures + "/" + name});
  for (const std::string& name : models) {
    const Options own = options_of(options, name);
    if (!own.save.empty())
      for (const char* file : {train::model_file_name, "run.lock", "trace.json"})
        outputs.push_back({"--save", own.save + "/" + file});
    if (!own.load.empty() && std::filesystem::is_directory(own.load))
      for (const std::string& folder : {own.load, own.load + "/" + name})
        inputs.push_back({"--load", folder + "/" + train::model_file_name});
    outputs.push_back({"--metrics", own.metrics});
    outputs.push_back({"--report", own.report});
  }
  outputs.push_back({"--predict", options.predict});
  train::check_outputs(inputs, outputs, folders);
  if (!options.sound.empty()) read_frames(options.sound, corpus.sample_rate);
  if (!options.pictures.empty()) data::make_directories(options.pictures);
}

/// Nothing that is asked for is passed over in silence.
void check_together(const Options& options, const CommandLine& line) {
  const auto refuse = [&](const std::vector<const char*>& names, const std::string& why) {
    for (const char* name : names)
      if (line.is_given(name)) throw Error(ErrorKind::argument, std::string(name) + ": " + why);
  };
  if (options.model == "all") refuse({"--init-from"}, "is for one model; say with --model for which");
  if (options.load.empty()) return;
  refuse({"--tensorboard", "--train-utterances"}, "has no meaning together with --load, which trains nothing");
  if (!options.sound.empty())
    refuse({"--join-digits", "--test-utterances", "--skip-bad", "--predict", "--metrics", "--report", "--profile"},
           "has no meaning together with --load and --sound, which look at that sound alone");
}

void run(Options options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  const train::Stopwatch watch;
  const bool trains = options.load.empty();
  check_together(options, line);
  std::vector<Labelled> all;
  std::vector<std::string> models;
  if (!trains) all = saved_labellers(options);
  for (const Labelled& one : all) models.push_back(one.name);
  if (all.size() == 1) options.model = models[0];  // whose files have the names that were given
  if (!trains && !options.sound.empty()) {
    check_files(options, {.sample_rate = all[0].sample_rate}, models);
    return label_sound(options.sound, all, options.pictures);
  }
  for (const LabellerName& name : labeller_names())
    if (trains && (options.model == "all" || options.model == name.name)) models.emplace_back(name.name);

  fmt::print("{}\n", config_string());
  const FrameCorpusOptions parts{.training = trains,
                                 .skip_bad = options.skip_bad,
                                 .train = options.train_utterances,
                                 .test = options.test_utterances,
                                 .seed = static_cast<std::uint64_t>(options.seed)};
  const FrameCorpus corpus = options.digits.empty() ? synthetic_frames(parts) : digit_frames(options.digits, parts);
  std::string parts_text = fmt::format("{} test utterances", corpus.test.utterances.size());
  if (trains)
    parts_text = fmt::format("{} utterances to train on ({} frames), {} dev, {}", corpus.train.utterances.size(),
                             corpus.train.frames(), corpus.dev.utterances.size(), parts_text);
  fmt::print("{}: {} labels; {}; made in {:.1f} s\n", corpus.description, corpus.labels.size(), parts_text,
             watch.seconds());
  check_files(options, corpus, models);
  for (Labelled& one : all) {
    if (one.label_names != corpus.labels || one.sample_rate != corpus.sample_rate)
      throw Error(ErrorKind::io, fmt::format("{}: was trained on other data: {} Hz, labels {}; got {} Hz, labels {}",
                                             options.load, one.sample_rate,
                                             train::printable(fmt::format("{}", fmt::join(one.label_names, " ")), 300),
                                             corpus.sample_rate, fmt::join(corpus.labels, " ")));
    test_saved_labeller(one, corpus, options, line);
  }
  if (trains)
    for (const std::string& name : models) all.push_back(train_labeller(name, corpus, options, line));
  if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  print_table(corpus, all, trains ? corpus.majority() : -1);
  if (!options.predict.empty()) write_labels(options.predict, corpus, all);
  if (!options.pictures.empty()) draw_labels(options.pictures, corpus, all);
  fmt::print("{} in all\n", train::format_duration(watch.seconds()));
  if (!corpus.skipped.empty()) fmt::print("left out, {}:\n", corpus.skipped.size());
  for (const std::string& reason : corpus.skipped) fmt::print("  {}\n", train::printable(reason));
  if (!options.sound.empty()) label_sound(options.sound, all, options.pictures);
}

int main(int argc, char** argv) {
  Options options;
  options.model = "all";
  CommandLine line("frame_labelling",
                   "Learns a label for every frame of speech: phones of speech that it makes itself, or digits.",
                   options);
  line.text("--join-digits", options.digits, "table of recordings of digits: path, speaker, split, digit",
            CommandLine::Kind::input);
  line.choice("--model", options.model, "what a frame's label is decided by",
              {"all", "window1", "window11", "window41", "bilstm", "attention"});
  line.number("--train-utterances", options.train_utterances, "to train on (default: 432, or 4000 strings of digits)",
              1, 10000000);
  line.number("--test-utterances", options.test_utterances, "to report on (default: 144, or 600 strings of digits)", 1,
              10000000, CommandLine::Kind::other);
  line.flag("--skip-bad", options.skip_bad, "leave recordings out that cannot be used, and list them at the end",
            CommandLine::Kind::value);
  line.add({"--epochs", "--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps",
            "--metrics", "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--pictures", options.pictures, "folder for pictures of frames and their labels (SVG)",
            CommandLine::Kind::folder);
  line.text("--sound", options.sound, "sound file in which the labels are looked for", CommandLine::Kind::source);
  return line.run(argc, argv, [&] { run(options, line); });
}
