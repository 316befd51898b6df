// Translation: a text in, another one out, whose length the model decides; from a table `source<TAB>target`. A
// Transformer's encoder reads the source, its decoder writes the target unit by unit, by beam search; or recurrent nets
// do, with attention between them. Beside them what needs no training: the nearest neighbour among the training pairs,
// and a dictionary of words.

#include <fmt/format.h>
#include <saw/saw.h>

#include <iostream>
#include <optional>

#include "command_line.h"
#include "parallel_texts.h"
#include "reports.h"
#include "text_units.h"
#include "translation_model.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string source_units = "subwords", target_units = "characters", text;
  std::int64_t pieces = 0, beam = 4;
  bool skip_bad = false, script_token = false;
};

constexpr std::int64_t longest_text = 500;  // units; what comes after them is not looked at

/// The units of both languages.
struct Languages {
  TextUnits source, target;
};

/// Pairs of texts as numbers.
struct Pairs {
  std::vector<std::vector<std::int64_t>> sources, targets;

  Pairs(const ParallelTexts& texts, const Languages& languages, bool script_token) {
    for (std::size_t i = 0; i < texts.sources.size(); ++i) {
      sources.push_back(languages.source.encode(texts.sources[i]));
      sources.back().resize(std::min<std::size_t>(sources.back().size(), longest_text));
      // Which script is wanted cannot be seen in the source.
      const bool traditional = script_token && is_traditional(texts.targets[i]);
      sources.back().push_back(languages.source.role(traditional ? "traditional" : "end"));
      targets.push_back(languages.target.encode(texts.targets[i]));
      targets.back().resize(std::min<std::size_t>(targets.back().size(), longest_text));
    }
  }
  TranslationBatch batch(std::span<const std::int64_t> numbers, const TextUnits& units) const {
    const data::Packed source = data::pack_ids(sources, numbers);
    const data::Packed input = data::pack_ids(targets, numbers, {.begin = units.role("begin")});
    const data::Packed output = data::pack_ids(targets, numbers, {.end = units.role("end")});
    return {source.rows, source.segments, input.rows, output.rows, input.segments};
  }
  std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> result;
    for (std::size_t i = 0; i < sources.size(); ++i)
      result.push_back(static_cast<std::int64_t>(sources[i].size() + targets[i].size()) + 1);
    return result;
  }
};

// ---- translating ----

std::vector<std::string> translate(TranslationModel& model, const Languages& languages,
                                   const std::vector<std::vector<std::int64_t>>& sources, std::int64_t beam) {
  model.eval();
  nn::BeamOptions search;
  search.begin = languages.target.role("begin");
  search.end = languages.target.role("end");
  search.without = {languages.target.role("padding"), languages.target.role("unknown"), search.begin,
                    languages.target.role("traditional")};
  search.beam = beam;
  search.length_penalty = 1.0;
  std::vector<std::string> result(sources.size());
  std::vector<std::int64_t> lengths;
  for (const auto& source : sources) lengths.push_back(std::ssize(source));
  for (const auto& numbers : data::token_batches(
           lengths, {.tokens = 1024, .bucket = 0, .sentences = std::max<std::int64_t>(1, 256 / beam)})) {
    const data::Packed packed = data::pack_ids(sources, numbers);
    search.longest_of_texts.clear();
    for (const std::int64_t length : packed.segments.lengths()) search.longest_of_texts.push_back(20 + 4 * length);
    const auto found = model.translate(packed.rows, packed.segments, search);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      result[static_cast<std::size_t>(numbers[i])] = languages.target.decode(found[i].at(0).symbols);
  }
  return result;
}

/// BLEU and chrF of translations; BLEU of characters where the targets have no spaces between words.
struct Scores {
  double bleu, chrf;
};

Scores scores_of(const std::vector<std::string>& translations, const std::vector<std::string>& targets, bool spaced) {
  train::Bleu bleu({.tokens = spaced ? train::BleuTokens::mteval_13a : train::BleuTokens::chinese});
  train::Chrf chrf;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    bleu.update(translations[i], {targets[i]});
    chrf.update(translations[i], {targets[i]});
  }
  return {bleu.value(), chrf.value()};
}

bool has_spaces(const ParallelTexts& texts) {
  std::int64_t spaced = 0;
  for (const std::string& target : texts.targets) spaced += target.find(' ') != std::string::npos;
  return 2 * spaced > texts.size();
}

// ---- training ----

void fit(TranslationModel& model, const Options& options, const train::RunOptions& run_options,
         const Languages& languages, const Pairs& training, const Pairs& dev, const ParallelTexts& dev_texts,
         Reports& reports) {
  const auto count = std::ssize(training.sources);
  // A recurrent decoder pays for each step of the longest text, so its batches are larger; it needs fewer of them.
  const bool recurrent = options.model == "recurrent";
  const std::int64_t epochs =
      options.epochs > 0 ? options.epochs : std::clamp<std::int64_t>(count / 2600, recurrent ? 3 : 6, 10);
  data::Batches batches(
      training.lengths(),
      [&](std::span<const std::int64_t> numbers) { return training.batch(numbers, languages.target); },
      {.rows = std::clamp<std::int64_t>(count / 14, recurrent ? 1024 : 256, 1800),
       .seed = static_cast<std::uint64_t>(options.seed)});
  const std::int64_t steps = batches.steps_of_epochs(epochs);

  optim::AdamW adam(model.parameters(), {.learning_rate = 2.5e-3, .beta1 = 0.9, .beta2 = 0.98});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 8, .total_steps = steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.999, .warm_up = true});

  train::Run run(run_options, {.steps = steps, .metric = "dev_loss", .better = optim::Better::smaller});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.describe({.model = options.model,
                .options = {{"source_units", options.source_units},
                            {"target_units", options.target_units},
                            {"script_token", options.script_token}},
                .parts = {{"source", languages.source.text()}, {"target", languages.target.text()}}});
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  while (run.next_step()) {
    if (!progress)
      progress.emplace(fmt::format("epoch {}/{}", run.epoch() + 1, epochs), batches.steps(),
                       train::ProgressOptions{.done = batches.position().batch, .unit = "units"});
    model.train();
    auto phase = reports.profile().phase("data");
    const TranslationBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = nn::cross_entropy(model.forward(batch), batch.output, {.label_smoothing = 0.1});
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    const double gradient_norm = optim::clip_grad_norm(model.parameters(), 5.0);
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
    const NoGradGuard no_grad;
    model.eval();
    train::Mean dev_loss;
    for (const auto& numbers : data::token_batches(dev.lengths(), {.tokens = 4096, .bucket = 1})) {
      const TranslationBatch part = dev.batch(numbers, languages.target);
      dev_loss.update(nn::cross_entropy(model.forward(part), part.output).item(), part.output.numel());
    }
    const double train_loss = run.mean("loss");
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"epoch", run.epoch()},
                                         {"train_loss", train_loss},
                                         {"dev_loss", dev_loss.value()},
                                         {"seconds", run.seconds()}});
    train::say(train::EvaluationLine()
                   .count("epoch", run.epoch(), epochs)
                   .number("loss", train_loss)
                   .number("dev loss", dev_loss.value())
                   .mark("best", improved)
                   .text());
    const std::string shown = translate(model, languages, {dev.sources[0]}, 1)[0];
    train::say(fmt::format("  {} -> {}", train::printable(dev_texts.sources[0], 200), train::printable(shown, 200)));
  }
  run.finish();
}

/// The units of a saved model.
Languages languages_of(const train::ModelFile& file) {
  file.check_model(translation_models);
  return {TextUnits::parse(file.text("source_units"), file.part("source"), file.part_name("source")),
          TextUnits::parse(file.text("target_units"), file.part("target"), file.part_name("target"))};
}

void check_beam(const Options& options, const Languages& languages) {
  if (options.beam > languages.target.size())
    throw Error(ErrorKind::argument, fmt::format("--beam: a beam of {} is larger than the vocabulary of {} units",
                                                 options.beam, languages.target.size()));
}

/// Translates standard input, one text a line.
void translate_lines(TranslationModel& model, const Languages& languages, std::int64_t beam) {
  for (data::LineReader lines(std::cin, "standard input", {.longest = 1 << 16, .any_bytes = true}); lines.next();) {
    const Pairs one({{lines.line()}, {""}}, languages, false);
    fmt::print("{}\n", lines.line().empty() ? "" : translate(model, languages, one.sources, beam)[0]);
  }
}

void run(const Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  const bool trains = options.load.empty();
  Reports reports(options, "Translation");
  reports.settings(line);
  Languages languages;
  std::unique_ptr<TranslationModel> model;
  ParallelTexts training, dev, testing;
  bool script_token = options.script_token;
  std::string model_name = options.model;
  if (trains) training = read_pairs(options.train, options.skip_bad), dev = read_pairs(options.dev, options.skip_bad);
  if (trains || line.is_given("--test")) testing = read_pairs(options.test, options.skip_bad);
  if (trains) {
    fmt::print("{}\n", config_string());
    const std::int64_t pieces =
        options.pieces > 0 ? options.pieces : std::clamp<std::int64_t>(training.size() / 8, 300, 4000);
    std::optional<train::ModelFile> before;
    if (options.init_from.empty()) {
      const TextUnitOptions units{.pieces = pieces, .roles = {"traditional"}};
      const auto learned = [&](const char* side, const std::string& kind, const std::vector<std::string>& texts) {
        try {
          return TextUnits::train(kind, texts, units);
        } catch (const Error& error) {
          throw Error(error.kind(), fmt::format("{}: {}; hint: other --pieces, or --{}-units characters", options.train,
                                                error.what(), side));
        }
      };
      languages = {learned("source", options.source_units, training.sources),
                   learned("target", options.target_units, training.targets)};
    } else {
      before = train::load_model(options.init_from);  // its vectors belong to its own units
      before->check_model({options.model});
      languages = languages_of(*before);
      if (before->text("source_units") != options.source_units || before->text("target_units") != options.target_units)
        throw Error(ErrorKind::argument,
                    fmt::format("--init-from: {} has {} and {}; give these --source-units and "
                                "--target-units",
                                before->path, before->text("source_units"), before->text("target_units")));
    }
    check_beam(options, languages);
    model = make_translation_model(options.model, languages.source.size(), languages.target.size());
    if (before) train::say(train::initialise_from(before->weights, model->state_dict(), {}).text());
    const std::string summary =
        fmt::format("{} pairs to train on, {} to choose by, {} to report on; {} and {} units", training.size(),
                    dev.size(), testing.size(), languages.source.size(), languages.target.size());
    fmt::print("{}; {} parameters\n", summary, model->number_of_parameters());
    reports.report().data_text(summary);
    reports.report().model(*model);
    fit(*model, options, line.run_options(), languages, Pairs(training, languages, script_token),
        Pairs(dev, languages, script_token), dev, reports);
    if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  } else {
    const train::ModelFile file = train::load_model(options.load);
    languages = languages_of(file);
    check_beam(options, languages);
    script_token = file.flag("script_token");
    model_name = file.model;
    model = make_translation_model(file.model, languages.source.size(), languages.target.size());
    file.load_into(*model);
  }
  if (const auto left_out = training.left_out + dev.left_out + testing.left_out; left_out > 0)
    fmt::print("{} lines were left out\n", left_out);
  if (testing.size() > 0) {
    const bool spaced = has_spaces(testing);
    fmt::print("\n{:<34}{:>8}{:>8}\n", fmt::format("test, {} texts", testing.size()), spaced ? "BLEU" : "BLEU zh",
               "chrF");
    const auto show = [&](const std::string& name, const std::vector<std::string>& translations) {
      const Scores scores = scores_of(translations, testing.targets, spaced);
      fmt::print("{:<34}{:>8.2f}{:>8.2f}\n", name, scores.bleu, scores.chrf);
      return scores;
    };
    if (trains) {
      const WordDictionary dictionary(training, spaced);
      const NearestNeighbour neighbours(training);
      std::vector<std::string> by_word, nearest;
      std::vector<bool> traditional;
      for (const std::string& target : training.targets) traditional.push_back(script_token && is_traditional(target));
      for (std::size_t i = 0; i < testing.sources.size(); ++i) {
        const bool wanted = script_token && is_traditional(testing.targets[i]);
        by_word.push_back(dictionary.translate(testing.sources[i]));
        nearest.push_back(
            neighbours.translate(testing.sources[i], [&](std::size_t k) { return traditional[k] == wanted; }));
      }
      show("dictionary of words", by_word);
      show("nearest training pair", nearest);
    }
    const auto sources = Pairs(testing, languages, script_token).sources;
    show(model_name + ", greedy", translate(*model, languages, sources, 1));
    const std::vector<std::string> translations = translate(*model, languages, sources, options.beam);
    const Scores scores = show(fmt::format("{}, beam {}", model_name, options.beam), translations);
    reports.write({{"bleu", scores.bleu},
                   {"chrf", scores.chrf},
                   {"parameters", model->number_of_parameters()},
                   {"peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes)},
                   {"seconds", watch.seconds()}});
    reports.report().figure("BLEU", fmt::format("{:.2f}", scores.bleu));
    reports.report().figure("chrF", fmt::format("{:.2f}", scores.chrf));
    std::string lines;
    fmt::print("\n");
    for (std::size_t i = 0; i < translations.size(); ++i) {
      lines += fmt::format("{}\t{}\t{}\n", testing.sources[i], testing.targets[i], translations[i]);
      if (i < 3)
        fmt::print("{}\n  {}\n", train::printable(testing.sources[i], 300), train::printable(translations[i], 300));
    }
    if (!options.predict.empty()) data::write_file(options.predict, lines);
    fmt::print("\n{} in all\n", train::format_duration(watch.seconds()));
  }
  reports.finish(watch.seconds());
  if (!options.text.empty()) {
    const Pairs one({{options.text}, {""}}, languages, false);
    fmt::print("{}\n  {}\n", train::printable(options.text, 1000),
               translate(*model, languages, one.sources, options.beam)[0]);
  } else if (testing.size() == 0) {
    translate_lines(*model, languages, options.beam);
  }
}

int main(int argc, char** argv) {
  Options options;
  options.model = "transformer";
  options.train = SAW_EXAMPLES_CORPUS "/translation/train.tsv";
  options.dev = SAW_EXAMPLES_CORPUS "/translation/dev.tsv";
  options.test = SAW_EXAMPLES_CORPUS "/translation/test.tsv";
  CommandLine line("translation", "Learns to translate, or translates standard input (one text a line) with --load.",
                   options);
  line.add("--train", "table source<TAB>target to train on, without a header");
  line.add("--dev", "the same, to choose the best epoch by");
  line.add("--test", "the same, to report on");
  line.choice("--model", options.model, "a Transformer, or the recurrent nets with attention that came before it",
              translation_models);
  line.choice("--source-units", options.source_units, "what the source is made of", {"subwords", "characters"});
  line.choice("--target-units", options.target_units, "what the target is made of", {"subwords", "characters"});
  line.number("--pieces", options.pieces, "sub-words of a language (default: by the data, at most 4,000)", 10, 1000000);
  line.number("--beam", options.beam, "translations that are followed at once", 1, 1000, CommandLine::Kind::other);
  line.flag("--script-token", options.script_token,
            "tell the model whether the target is in traditional Chinese script (looks at the references)",
            CommandLine::Kind::value);
  line.flag("--skip-bad", options.skip_bad, "leave lines out that are no pairs, and count them",
            CommandLine::Kind::value);
  line.add({"--epochs", "--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps",
            "--metrics", "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--text", options.text, "a text to translate", CommandLine::Kind::other);
  return line.run(argc, argv, [&] { run(options, line); });
}
