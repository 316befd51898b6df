// Language models: what comes next in a text, character by character or by sub-words. An LSTM and a Transformer that
// sees what lies before, beside n-grams; compared by bits per character, and by what they write.
//
// Bits per character are −log2 p(text) over its characters: code points, and one for each end of a line. They do not
// depend on the units: a character that no unit has costs what it takes to say which of all code points it is, and
// sub-words spell it in bytes. (The probability of a text in sub-words is that of one way to cut it, which is below
// its own.) Each line is a text of its own; no model sees the lines before.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "language_models.h"
#include "language_results.h"
#include "language_texts.h"
#include "reports.h"
#include "saved_language_models.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string units = "characters";
  std::int64_t pieces = 0, width = 0, layers = 0, order = 0;
  bool skip_bad = false;
  WritingOptions writing;
};

// ---- training ----

/// Trains the model, or goes on with its training; the seconds that it took.
double fit(LanguageModel& model, const Options& options, const LanguageModelSize& size,
           const train::RunOptions& run_options, const TextUnits& units, const NumberedTexts& training,
           const NumberedTexts& dev, Reports& reports) {
  const auto lengths = training.lengths();
  const std::int64_t rows = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  // Small texts are read more often, in smaller batches.
  // The LSTM learns in fewer steps, and then by heart.
  const bool is_lstm = options.model == "lstm";
  const std::int64_t usual = std::clamp<std::int64_t>((is_lstm ? 850000 : 1700000) / rows, 8, is_lstm ? 16 : 32);
  const std::int64_t epochs = options.epochs > 0 ? options.epochs : usual;
  data::Batches batches(
      lengths, [&](std::span<const std::int64_t> numbers) { return batch_of(training, numbers, units); },
      {.rows = std::clamp<std::int64_t>(rows / 200, 256, 1536), .seed = static_cast<std::uint64_t>(options.seed)});
  const std::int64_t steps = batches.steps_of_epochs(epochs);

  optim::AdamW adam(model.parameters(),
                    {.learning_rate = is_lstm ? 6e-3 : 4e-3, .beta1 = 0.9, .beta2 = 0.98, .weight_decay = 0.05});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 12, .total_steps = steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.998, .warm_up = true});

  train::Run run(run_options, {.steps = steps, .metric = "dev_bits", .better = optim::Better::smaller});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.describe({.model = options.model,
                .options = {{"units", options.units}, {"width", size.width}, {"layers", size.layers}},
                .parts = {{"units", units.text()}}});
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  while (run.next_step()) {
    if (!progress)
      progress.emplace(fmt::format("epoch {}/{}", run.epoch() + 1, epochs), batches.steps(),
                       train::ProgressOptions{.done = batches.position().batch, .unit = "units"});
    model.train();
    auto phase = reports.profile().phase("data");
    const TextBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = nn::cross_entropy(model.forward(batch.input, batch.segments), batch.output);
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    const double gradient_norm = optim::clip_grad_norm(model.parameters(), 1.0);
    adam.step();
    schedule.step();
    average.update();
    run.finish_step({{"loss", loss.item()}, {"learning_rate", adam.learning_rate()}, {"gradient_norm", gradient_norm}});
    progress->advance(fmt::format("loss {:.3f}", loss.item()), batch.output.numel());
    if (batches.position().batch == 0) run.finish_epoch();
    if (!run.evaluation_is_due()) continue;
    progress.reset();
    phase.next("evaluation");
    const auto averaged = average.applied();  // until the end of the step
    const double dev_bits = per_character(bits_of(model, dev, units), dev), train_loss = run.mean("loss");
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"epoch", run.epoch()},
                                         {"train_loss", train_loss},
                                         {"dev_bits", dev_bits},
                                         {"seconds", run.seconds()}});
    train::say(train::EvaluationLine()
                   .count("epoch", run.epoch(), epochs)
                   .number("loss", train_loss)
                   .number("dev bits", dev_bits)
                   .duration("after", run.seconds())
                   .mark("best", improved)
                   .text());
  }
  run.finish();
  return run.seconds();
}

// ---- the program ----

/// The texts of the parts; those that are not needed are empty.
struct Parts {
  LanguageTexts training, dev, testing;
};

Parts read_parts(const Options& options) {
  const auto read = [&](const std::string& path) { return read_language_texts(path, options.skip_bad); };
  const bool trains = options.load.empty();
  if (!options.data.empty()) {
    auto parts = split_language_texts(read(options.data), options.seed);
    for (const LanguageTexts& part : parts)
      if (part.size() == 0) throw Error(ErrorKind::io, options.data + ": has too few texts for three parts");
    if (trains) return {parts[0], parts[1], parts[2]};
    parts[2].left_out = parts[0].left_out;
    return {{}, {}, parts[2]};
  }
  if (trains && options.train.empty()) return {own_texts("train"), own_texts("dev"), own_texts("test")};
  Parts parts;
  if (trains) parts = {read(options.train), read(options.dev), {}};
  if (!options.test.empty()) parts.testing = read(options.test);
  return parts;
}

Trained train_model(const Options& options, const CommandLine& line, const train::RunOptions& run_options,
                    TextUnits units, const Parts& parts, std::vector<ResultRow>& rows) {
  manual_seed(static_cast<std::uint64_t>(options.seed));  // the same for a model whatever was trained before
  const train::Stopwatch watch;
  Reports reports(options, "Language model");
  reports.settings(line);
  std::optional<train::ModelFile> before;
  if (!options.init_from.empty()) {
    before = train::load_model(options.init_from);
    before->check_model({options.model});
    if (before->text("units") != options.units)
      throw Error(ErrorKind::argument, fmt::format("--init-from: {} has {}; hint: --units {}", before->path,
                                                   before->text("units"), before->text("units")));
    units = TextUnits::parse(options.units, before->part("units"), before->part_name("units"));
  }
  LanguageModelSize size = usual_size(options.model, units.size(), parts.training.characters());
  if (before) {
    size = size_of(*before, units.size());
    if (options.width > 0 && options.width != size.width)
      throw Error(ErrorKind::argument, fmt::format("--init-from: {} has a width of {}; hint: --width {}", before->path,
                                                   size.width, size.width));
  }
  if (options.width > 0) size.width = options.width;
  if (options.layers > 0) size.layers = options.layers;
  Trained trained{options.model, units, make_language_model(options.model, size)};
  if (before) train::say(train::initialise_from(before->weights, trained.model->state_dict(), {}).text());
  fmt::print("\n{}: {} parameters, {} units\n", options.model, trained.model->number_of_parameters(), units.size());
  reports.report().model(*trained.model);
  const NumberedTexts dev(parts.dev, units), testing(parts.testing, units);
  const double seconds =
      fit(*trained.model, options, size, run_options, units, NumberedTexts(parts.training, units), dev, reports);
  rows.push_back({options.model, trained.model->number_of_parameters(), seconds, {}});
  Reports::Record record;
  for (const auto& [name, part] : {std::pair{"dev", &dev}, std::pair{"test", &testing}}) {
    if (part->size() == 0) continue;
    rows.back().bits.push_back(per_character(bits_of(*trained.model, *part, units), *part));
    record.emplace_back(fmt::format("final_{}_bits", name), rows.back().bits.back());
    reports.report().figure(fmt::format("bits per character, {}", name),
                            fmt::format("{:.3f}", rows.back().bits.back()));
  }
  record.emplace_back("parameters", trained.model->number_of_parameters());
  record.emplace_back("peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes));
  record.emplace_back("seconds", watch.seconds());
  reports.write(record);
  reports.finish(watch.seconds());
  return trained;
}

std::vector<Trained> train_models(const Options& options, const CommandLine& line, const Parts& parts,
                                  std::vector<ResultRow>& rows) {
  const std::int64_t characters = parts.training.characters();
  fmt::print("{}\n{} texts of {} characters to train on, {} to choose by, {} to report on\n", config_string(),
             parts.training.size(), characters, parts.dev.size(), parts.testing.size());
  const auto make_units = [&](const std::string& kind) {
    return TextUnits::train(
        kind, parts.training.texts,
        {.pieces = options.pieces > 0 ? options.pieces : std::clamp<std::int64_t>(characters / 500, 400, 4000),
         .coverage = 0.9995,
         .exact = true,
         .minimum_count = 2});
  };
  std::vector<const LanguageTexts*> measured = {&parts.dev};
  if (parts.testing.size() > 0) measured.push_back(&parts.testing);
  TextUnits units = make_units("characters");
  const auto add_ngrams = [&](const std::string& kind, std::int64_t largest) {
    for (const ResultRow& row : ngram_rows(parts.training, measured, units, kind,
                                           options.order > 0 ? options.order : largest, options.order > 0)) {
      rows.push_back(row);
      train::say(fmt::format("{}: {:.3f} bits per character", row.name, row.bits[0]));
    }
  };
  add_ngrams("characters", 8);
  if (options.units != "characters") units = make_units(options.units), add_ngrams(options.units, 4);
  std::vector<Trained> result;
  const bool all = options.model == "all";
  for (const std::string& name : all ? std::vector<std::string>{"lstm", "transformer"} : std::vector{options.model}) {
    Options own = options;
    own.model = name;
    train::RunOptions run_options = line.run_options();
    if (all && !options.save.empty()) own.save = run_options.folder = options.save + "/" + name;
    result.push_back(train_model(own, line, run_options, units, parts, rows));
  }
  if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  return result;
}

void run(const Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  const train::Stopwatch watch;
  const bool trains = options.load.empty();
  const Parts parts = read_parts(options);
  if (const auto left_out = parts.training.left_out + parts.dev.left_out + parts.testing.left_out; left_out > 0)
    fmt::print("{} texts were left out\n", left_out);
  const bool tests = parts.testing.size() > 0;
  std::vector<ResultRow> rows;
  std::vector<double> bits;  // of each text of the test part, for --predict
  const std::vector<Trained> models = trains ? train_models(options, line, parts, rows) : saved_models(options);
  std::optional<Reports> reports;  // on models that were trained before
  if (!trains) reports.emplace(options, "Language model").settings(line);
  for (const Trained& trained : models)
    if (!trains) bits = measure(trained, parts.testing, *reports, rows);
  if (trains && !options.predict.empty())
    bits = bits_of(*models[0].model, NumberedTexts(parts.testing, models[0].units), models[0].units);
  std::vector<std::string> columns;
  if (trains) columns.push_back("dev");
  if (tests) columns.push_back("test");
  if (!rows.empty()) print_table(rows, columns);
  std::string written;
  const auto texts_of = [&](const Trained& trained) {
    if (!reports) return write_texts(*trained.model, trained.units, options.writing);
    const auto phase = reports->profile().phase("writing");
    return write_texts(*trained.model, trained.units, options.writing);
  };
  for (const Trained& trained : models) {
    if (options.writing.count > 0 && (tests || trains || models.size() > 1)) fmt::print("\n{} writes\n", trained.name);
    for (const std::string& text : texts_of(trained)) {
      written += text + "\n";
      fmt::print("{}{}\n", trains ? "  " : "", train::printable(text));
    }
  }
  if (!options.predict.empty()) {
    std::string lines;
    for (std::size_t i = 0; i < parts.testing.texts.size(); ++i)
      lines += fmt::format("{:.4f}\t{}\t{}\n", bits[i], LanguageTexts::characters_of(parts.testing.texts[i]),
                           parts.testing.texts[i]);
    data::write_file(options.predict, tests ? lines : written);
  }
  if (reports) reports->finish(watch.seconds());
  if (trains) fmt::print("\n{} in all\n", train::format_duration(watch.seconds()));
}

/// What goes together.
void check(const Options& options, const CommandLine& line) {
  const auto refuse = [](const std::string& name, const char* why) {
    throw Error(ErrorKind::argument, name + ": " + why);
  };
  if (!options.data.empty())
    for (const char* name : {"--train", "--dev", "--test"})
      if (line.is_given(name)) refuse(name, "has no meaning together with --data");
  if (line.is_given("--train") != line.is_given("--dev"))
    refuse("--train", "needs --dev, texts to choose by, and the other way round; hint: --data FILE makes the parts");
  if (options.load.empty() && line.is_given("--test") && !line.is_given("--train"))
    refuse("--test", "needs --train and --dev, or --load");
  if (options.width % head_width != 0) refuse("--width", "is no multiple of 32, the width of a head");
  const bool trains = options.load.empty();
  const bool tests = !options.data.empty() || !options.test.empty() || (trains && options.train.empty());
  if (!options.predict.empty() && !tests && options.writing.count == 0)
    refuse("--predict", "needs texts to measure or to write; hint: --test FILE");
  if (!trains && !options.tensorboard.empty()) refuse("--tensorboard", "has no meaning together with --load");
  if (data::find_invalid_utf8(options.writing.prompt)) refuse("--prompt", "is not UTF-8");
  if (options.model == "all")
    for (const char* name : {"--init-from", "--metrics", "--report", "--tensorboard", "--predict"})
      if (options.load.empty() && line.is_given(name)) refuse(name, "is for one model; hint: --model lstm");
}

int main(int argc, char** argv) {
  Options options;
  options.model = "all";
  CommandLine line("language_model",
                   "Learns what comes next in texts, and writes some; with --load it writes, or measures --test.",
                   options);
  line.add("--train", "texts to train on, one a line, or CoNLL-U (default: the project's own sentences)");
  line.add("--dev", "the same, to choose the best epoch by");
  line.add("--test", "the same, to report on");
  line.add("--data", "one file in place of these: 80 % to train on, 10 % to choose by, 10 % to report on");
  line.choice("--model", options.model, "what is trained; with all, --save has a folder for each",
              {"lstm", "transformer", "all"});
  line.choice("--units", options.units, "what a text is made of", {"characters", "subwords"});
  line.number("--pieces", options.pieces, "sub-words (default: by the data, at most 4,000)", 300, 1000000);
  line.number("--width", options.width, "units of a layer (default: by the data)", head_width, widest);
  line.number("--layers", options.layers, "of the model (default: by the data)", 1, most_layers);
  line.number("--order", options.order, "of the n-grams beside it (default: the best for the dev part)", 1, 20,
              CommandLine::Kind::other);
  line.flag("--skip-bad", options.skip_bad, "leave lines and sentences out that cannot be read, and count them",
            CommandLine::Kind::value);
  line.add({"--epochs", "--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps",
            "--metrics", "--report", "--tensorboard", "--profile", "--config"});
  line.add("--predict",
           "file for each test text's bits, characters and itself; without a test part, for what is written");
  using Kind = CommandLine::Kind;
  line.number("--sample", options.writing.count, "texts to write at the end", 0, 1000000, Kind::other);
  line.text("--prompt", options.writing.prompt, "what they begin with", Kind::other);
  line.number("--longest", options.writing.longest, "units that are written at most", 0, 1000000, Kind::other);
  line.real("--temperature", options.writing.temperature, "below 1 the probable becomes more so; 0: always the best", 0,
            100, Kind::other);
  line.number("--top-k", options.writing.top_k, "write only the so many best units; 0: all", 0, 1000000, Kind::other);
  line.real("--top-p", options.writing.top_p, "write only the best units with this probability together", 1e-6, 1,
            Kind::other);
  return line.run(argc, argv, [&] {
    check(options, line);
    options.writing.seed = static_cast<std::uint64_t>(options.seed);
    run(options, line);
  });
}
