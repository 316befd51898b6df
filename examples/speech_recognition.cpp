// Speech recognition: sound in, letters out. Log-mel frames → Conformer → CTC, by which the model learns for itself
// which letter is said where.
//
//   speech_recognition                                     words that it says itself; needs no files
//   speech_recognition --manifest speech.tsv               your recordings: columns path, text[, speaker, split]
//   speech_recognition --join-digits digits.tsv            strings of recorded digits: path, speaker, split, digit
//   speech_recognition --load model --transcribe some.wav

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "command_line.h"
#include "reports.h"
#include "speech_batches.h"
#include "speech_corpus.h"
#include "speech_model.h"
#include "speech_results.h"

using namespace saw;
using namespace saw::examples;

inline constexpr std::int64_t lowest_sample_rate = 4000, highest_sample_rate = 192000;  // Hz

struct Options : CommonOptions {
  std::string join_digits, leave_out, lexicon, transcribe;
  std::int64_t steps = 0, beam = 16, sample_rate = 0, voices = 24, strings = 600;
  bool train_lexicon = false, times = false, skip_bad = false;
};

/// How many utterances there are to train on. Of what is made for the occasion a million strings: more would take
/// memory and time for their numbers alone. They come again in other orders and with other noise.
std::int64_t training_count(const SpeechCorpus& corpus, const Options& options) {
  constexpr std::int64_t most_strings = std::int64_t{1} << 20;
  return corpus.is_endless ? std::min(options.steps * batch_size, most_strings) : corpus.train.count;
}

/// Trains the model, or goes on with its training.
void fit(SpeechModel& model, const train::ModelFile& description, SpeechCorpus& corpus, const SpeechFeatures& features,
         const Options& options, const train::RunOptions& run_options, Reports& reports) {
  data::Batches<SpeechBatch> batches(data::Lengths::of_count(training_count(corpus, options)),
                                     [&](std::span<const std::int64_t> numbers, Generator& generator) {
                                       return make_batch(corpus, features, numbers, generator);
                                     },
                                     {.examples = batch_size,
                                      .bucket = 1,
                                      .seed = static_cast<std::uint64_t>(options.seed),
                                      .skip_bad = options.skip_bad});
  optim::AdamW adam(model.parameters(), {.learning_rate = 1.5e-3});
  optim::Schedule schedule(adam,
                           optim::CosineWithWarmup{.warmup_steps = options.steps / 10, .total_steps = options.steps});
  optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.995, .warm_up = true});
  const HeardPart dev(corpus.dev, features);

  const std::int64_t evaluations = std::clamp<std::int64_t>(options.steps / 50, 1, 20);
  train::Run run(run_options, {.steps = options.steps,
                               .evaluation_steps = (options.steps + evaluations - 1) / evaluations,
                               .metric = "dev_letter_errors",
                               .better = optim::Better::smaller,
                               .later_of_equals = true});
  run.track("model", model);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.describe(description);
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  while (run.next_step()) {
    if (!progress) progress.emplace("training", run.steps(), train::ProgressOptions{.done = run.step()});
    model.train();
    auto phase = reports.profile().phase("data");
    const SpeechBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = ctc_loss(model.forward(batch.rows, batch.utterances), batch.utterances, batch.letters,
                                 batch.texts, {.zero_infinity = true});
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
    if (!run.evaluation_is_due()) continue;
    progress.reset();
    phase.next("evaluation");
    const auto averaged = average.applied();  // until the end of the step
    const std::vector<Transcript> heard = dev.transcribe(model, corpus.letters, 0, nullptr);
    const SpeechErrors errors(dev.texts(), heard, &Transcript::greedy);
    const double train_loss = run.mean("loss");
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"train_loss", train_loss},
                                         {"dev_letter_errors", errors.letters.value()},
                                         {"dev_word_errors", errors.words.value()},
                                         {"seconds", run.seconds()}});
    train::say(train::EvaluationLine()
                   .count("step", run.step(), run.steps())
                   .number("loss", train_loss)
                   .percent("dev letters wrong", errors.letters.value())
                   .percent("words wrong", errors.words.value())
                   .mark("best", improved)
                   .text());
    train::say(fmt::format("  said:  {}\n  heard: {}", train::printable(dev.texts()[0], 200),
                           train::printable(heard[0].greedy, 200)));
  }
  run.finish();
  for (const data::SkippedExample& bad : batches.skipped()) corpus.skipped.push_back(bad.reason);
}

/// Makes a model for the corpus, says what it is, and trains it.
std::unique_ptr<SpeechModel> train_model(SpeechCorpus& corpus, const SpeechFeatures& features,
                                         const std::vector<std::string>& words, const Options& options,
                                         const CommandLine& line, Reports& reports) {
  auto model = std::make_unique<SpeechModel>(corpus.letters.size());
  const train::ModelFile description{
      .model = "conformer",
      .options = {{"sample_rate", corpus.sample_rate}},
      .parts = {{"letters", corpus.letters.text()}, {"words", fmt::format("{}", fmt::join(words, "\n"))}}};
  fmt::print("{} letters; {} parameters; {} steps\n", corpus.letters.size() - 1, model->number_of_parameters(),
             options.steps);
  if (!options.init_from.empty()) {
    const train::ModelFile file = train::load_model(options.init_from);
    file.check_model({"conformer"});
    std::vector<std::string> others;  // the layer of letters, when these are others
    if (file.part("letters") != description.part("letters")) others = {"output.*"};
    train::say(train::initialise_from(file.weights, model->state_dict(), others).text());
  }
  reports.report().model(*model);
  train::RunOptions run_options = line.run_options();
  run_options.arithmetic.emplace_back("the recordings", fingerprint_of(corpus.files));
  fit(*model, description, corpus, features, options, run_options, reports);
  if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  return model;
}

void run(Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  const bool trains = options.load.empty();
  if (!options.leave_out.empty() && options.join_digits.empty())
    throw Error(ErrorKind::argument, "--leave-out: needs --join-digits, whose speakers it is about");
  if (options.times && options.transcribe.empty())
    throw Error(ErrorKind::argument, "--times: needs --transcribe, the sound whose words it is about");
  Reports reports(options, "Speech recognition");
  reports.settings(line);
  std::optional<train::ModelFile> file;
  std::optional<Letters> letters;
  if (!trains) {
    file = train::load_model(options.load);
    file->check_model({"conformer"});
    letters = Letters::parse(file->part("letters"), file->part_name("letters"));
    if (const std::int64_t rate = file->integer("sample_rate"); rate < lowest_sample_rate || rate > highest_sample_rate)
      throw Error(ErrorKind::io, fmt::format("{}: option sample_rate is out of range; got {}; expected {} to {} Hz",
                                             file->path, rate, lowest_sample_rate, highest_sample_rate));
  }
  // Who only wants one sound read needs no corpus, and gets its text alone.
  const bool has_corpus =
      trains || options.transcribe.empty() || !options.manifest.empty() || !options.join_digits.empty();
  if (has_corpus) fmt::print("{}\n", config_string());
  SpeechCorpus corpus;
  if (has_corpus)
    corpus = open_speech_corpus({.manifest = options.manifest,
                                 .join_digits = options.join_digits,
                                 .leave_out = options.leave_out,
                                 .sample_rate = file ? file->integer("sample_rate") : options.sample_rate,
                                 .voices = options.voices,
                                 .strings = options.strings,
                                 .training = trains,
                                 .skip_bad = options.skip_bad,
                                 .seed = static_cast<std::uint64_t>(options.seed),
                                 .letters = letters ? &*letters : nullptr});
  if (!options.predict.empty() && corpus.test.count == 0)
    throw Error(ErrorKind::argument, has_corpus
                                         ? fmt::format("--predict: {} has no utterances to test on", corpus.description)
                                         : "--predict: needs a test part beside --transcribe; hint: --manifest");
  line.check_inputs(corpus.files);
  if (file) corpus.sample_rate = file->integer("sample_rate"), corpus.letters = *letters;
  const SpeechFeatures features(corpus.sample_rate);
  SpeechUtterance sound{.name = options.transcribe};
  if (!sound.name.empty()) {
    sound.samples = data::read_audio(sound.name, corpus.sample_rate).samples;
    check_utterance(sound, features, corpus.letters);
  }
  const std::vector<std::string> words = lexicon_words(corpus, options.lexicon, options.train_lexicon, file);
  if (trains && options.steps == 0)
    options.steps = corpus.is_endless ? 900
                    : options.manifest.empty()
                        ? 600
                        : std::clamp<std::int64_t>(corpus.train.count * 20 / batch_size, 600, 40000);
  std::string summary;
  if (has_corpus) {
    summary = fmt::format("{}: {} utterances to train on, {} dev, {} test", corpus.description,
                          training_count(corpus, options), corpus.dev.count, corpus.test.count);
    fmt::print("{}\n", summary);
    reports.report().data_text(summary);
  }

  std::unique_ptr<SpeechModel> model;
  if (trains) {
    model = train_model(corpus, features, words, options, line, reports);
  } else {
    model = std::make_unique<SpeechModel>(corpus.letters.size());
    file->load_into(*model);
  }
  const std::optional<nn::Lexicon> lexicon = lexicon_of(words, corpus.letters);
  Reports::Record figures;
  if (corpus.test.count > 0)
    figures = report_on(*model, corpus, features,
                        {.beam = options.beam,
                         .lexicon = lexicon ? &*lexicon : nullptr,
                         .words = std::ssize(words),
                         .predict = options.predict},
                        reports.report());
  figures.emplace_back("parameters", model->number_of_parameters());
  figures.emplace_back("peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes));
  figures.emplace_back("seconds", watch.seconds());
  reports.write(figures);
  if (has_corpus) fmt::print("{} in all\n", train::format_duration(watch.seconds()));
  if (!options.transcribe.empty()) {
    const Tensor rows = SpeechFeatures::stack(features.frames(sound.samples));
    const Transcript heard = transcribe(*model, corpus.letters, {rows}, options.beam, lexicon ? &*lexicon : nullptr)[0];
    fmt::print("{}\n", train::printable(heard.beam));
    if (lexicon) fmt::print("{}  (with the lexicon)\n", train::printable(heard.lexicon));
    if (options.times)
      for (const WordTime& word : word_times(*model, corpus.letters, rows, lexicon ? heard.lexicon : heard.beam))
        fmt::print("{:6.2f} {:6.2f} s  {}\n", word.begin, word.end, train::printable(word.word));
  }
  reports.finish(watch.seconds());
  if (!corpus.skipped.empty()) fmt::print("left out, {}:\n", corpus.skipped.size());
  for (const std::string& reason : corpus.skipped) fmt::print("  {}\n", reason);
}

int main(int argc, char** argv) {
  Options options;
  CommandLine line("speech_recognition",
                   "Learns to write down what is said: words that it says itself, unless it is given recordings.",
                   options);
  line.add("--manifest", "table of sound files: path, text, optionally speaker and split");
  line.text("--join-digits", options.join_digits,
            "table of recorded digits (path, speaker, split, digit), to be joined", CommandLine::Kind::input);
  line.app().get_option("--join-digits")->excludes(line.app().get_option("--manifest"));
  line.text("--leave-out", options.leave_out, "a speaker of the digits who is only tested on");
  line.number("--strings", options.strings, "of digits to test on", 1, 1000000);
  line.number("--voices", options.voices, "of the synthesiser", 3, 10000);
  line.number("--sample-rate", options.sample_rate, "Hz (default: 8000 for digits, else 16000)", lowest_sample_rate,
              highest_sample_rate);
  line.text("--lexicon", options.lexicon, "the words that may be said, one a line", CommandLine::Kind::source);
  line.flag("--train-lexicon", options.train_lexicon, "the words that may be said are those of the training texts");
  line.number("--steps", options.steps, "batches of 16 utterances to train on (default: by the data)", 1, 100000000);
  line.number("--beam", options.beam, "texts that are followed at once", 1, 10000, CommandLine::Kind::other);
  line.flag("--skip-bad", options.skip_bad, "leave out what cannot be used, and list it at the end",
            CommandLine::Kind::value);
  line.add({"--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps", "--metrics",
            "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--transcribe", options.transcribe, "a sound file to read at the end", CommandLine::Kind::source);
  line.flag("--times", options.times, "with --transcribe: when each word is said");
  return line.run(argc, argv, [&] { run(options, line); });
}
