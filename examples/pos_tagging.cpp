// Part-of-speech tagging: a label for every word of a sentence, in the three steps of the lecture on self-attention.
//
//   --model position     a fully connected net that sees one word: both saws of "I saw a saw" must get the same tag
//   --model window       the same net over the words before, at and after each word
//   --model attention    convolution and self-attention over the whole sentence, and the characters of each word
//   --model transformer  the lecture's Transformer: positions and self-attention alone
//   --model bilstm       beside them the recurrent net: two layers that read the sentence in both directions
//
// With --crf the tags of a sentence are decided together: a conditional random field stands on top of any of them. With
// --ensemble 3 three of them are trained, which differ in their first weights, and their probabilities are averaged.

#include <fmt/format.h>
#include <saw/saw.h>

#include <iostream>
#include <optional>

#include "command_line.h"
#include "pos_taggers.h"
#include "reports.h"

using namespace saw;
using namespace saw::examples;

struct Options : CommonOptions {
  std::string tag;
  bool crf = false;
  std::int64_t ensemble = 1;
};

constexpr std::size_t longest_word = 1000;  // bytes
constexpr std::int64_t most_members = 100;  // of an ensemble

// ---- the model as a file ----

/// What model.safetensors has beside the weights.
train::ModelFile described(const Options& options, const TaggingVocabularies& vocabularies) {
  return {.model = options.model,
          .options = {{"crf", options.crf}, {"ensemble", options.ensemble}},
          .parts = {{"words", vocabularies.words.text()},
                    {"characters", vocabularies.characters.text()},
                    {"tags", vocabularies.tags.text()}}};
}

TaggingVocabularies vocabularies_of(const train::ModelFile& file) {
  const auto part = [&](const char* name) { return data::Vocabulary::parse(file.part(name), file.part_name(name)); };
  TaggingVocabularies vocabularies;
  vocabularies.words = part("words");
  vocabularies.characters = part("characters");
  vocabularies.tags = part("tags");
  return vocabularies;
}

/// How many taggers there are in it; models of earlier versions do not say so, and have one.
std::int64_t members_of(const train::ModelFile& file) {
  const std::int64_t members = file.options.contains("ensemble") ? file.integer("ensemble") : 1;
  if (members < 1 || members > most_members)
    throw Error(ErrorKind::io,
                fmt::format("{}: an ensemble of {} taggers; expected 1 to {}", file.path, members, most_members));
  return members;
}

// ---- training ----

/// Which tags were given for which.
train::ConfusionMatrix confusion_of(Tagger& tagger, const data::TaggingCorpus& corpus,
                                    const TaggingVocabularies& vocabularies) {
  const NoGradGuard no_grad;
  tagger.eval();
  train::ConfusionMatrix confusion(vocabularies.tags.size());
  for (const TaggingBatch& batch : data::token_batches(corpus, {.tokens = 4096}))
    confusion.update(tagger.decide(batch), batch.tags);
  return confusion;
}

/// Trains the tagger, or goes on with its training.
void fit(Tagger& tagger, const Options& options, const train::RunOptions& run_options,
         const TaggingVocabularies& vocabularies, const data::TaggingCorpus& training, const data::TaggingCorpus& dev,
         Reports& reports) {
  // Small corpora are read more often, in smaller batches.
  const std::int64_t words = training.word_count();
  const std::int64_t epochs = options.epochs > 0 ? options.epochs : std::clamp<std::int64_t>(250000 / words, 26, 30);
  auto batches = data::tagging_batches(training, {.rows = std::clamp<std::int64_t>(words / 32, 128, 512),
                                                  .seed = static_cast<std::uint64_t>(options.seed)});
  const std::int64_t steps = batches.steps_of_epochs(epochs);

  optim::AdamW adam(tagger.parameters(), {.learning_rate = 2e-3});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = steps / 20, .total_steps = steps});
  // The average of the weights over the last steps tags better than any one of them.
  optim::ExponentialMovingAverage average(tagger.parameters(), {.decay = 0.999, .warm_up = true});

  train::Run run(run_options, {.steps = steps, .metric = "dev_accuracy"});
  run.track("model", tagger);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.describe(described(options, vocabularies));
  reports.watch(run);
  run.resume();
  std::optional<train::Progress> progress;
  train::Stopwatch watch;
  std::int64_t seen = 0;  // words since then
  while (run.next_step()) {
    if (!progress)
      progress.emplace(fmt::format("epoch {}/{}", run.epoch() + 1, epochs), batches.steps(),
                       train::ProgressOptions{.done = batches.position().batch, .unit = "words"});
    tagger.train();
    auto phase = reports.profile().phase("data");
    const TaggingBatch batch = batches.next();
    phase.next("forward");
    const Tensor loss = tagger.loss(batch);
    phase.next("backward");
    adam.zero_grad();
    loss.backward();
    phase.next("step");
    double gradient_norm = 0.0;
    for (const TensorList& parameters : tagger.trained_apart())
      gradient_norm = std::max(gradient_norm, optim::clip_grad_norm(parameters, 5.0));
    adam.step();
    schedule.step();
    average.update();
    run.finish_step({{"loss", loss.item()}, {"learning_rate", adam.learning_rate()}, {"gradient_norm", gradient_norm}});
    seen += batch.words.numel();
    progress->advance(fmt::format("loss {:.3f}", loss.item()), batch.words.numel());
    if (batches.position().batch == 0) run.finish_epoch();
    if (!run.evaluation_is_due()) continue;
    progress.reset();
    phase.next("evaluation");
    const double speed = static_cast<double>(seen) / watch.seconds(), train_loss = run.mean("loss");
    const auto averaged = average.applied();  // until the end of the step
    const double dev_accuracy = confusion_of(tagger, dev, vocabularies).accuracy();
    const bool improved = run.evaluated({{"step", run.step()},
                                         {"epoch", run.epoch()},
                                         {"train_loss", train_loss},
                                         {"dev_accuracy", dev_accuracy},
                                         {"seconds", run.seconds()},
                                         {"words_per_second", speed}});
    train::say(fmt::format("epoch {:2}  loss {:.4f}  dev {:.2f} %  {:.0f} words/s{}", run.epoch(), train_loss,
                           100 * dev_accuracy, speed, improved ? "  best" : ""));
    watch = train::Stopwatch();
    seen = 0;
  }
  run.finish();
}

// ---- tagging ----

std::vector<std::string> tag(Tagger& tagger, const TaggingVocabularies& vocabularies, const TaggingBatch& batch) {
  const NoGradGuard no_grad;
  tagger.eval();
  std::vector<std::string> tags;
  for (const std::int64_t id : tagger.decide(batch).to_vector<std::int64_t>())
    tags.push_back(vocabularies.tags.word(id));
  return tags;
}

/// "I/PRON saw/VERB". Longer texts are tagged in pieces, since attention takes time for pairs of words.
std::string tagged(Tagger& tagger, const TaggingVocabularies& vocabularies, const std::vector<std::string>& words) {
  constexpr std::size_t longest = 500;
  std::string line;
  for (std::size_t begin = 0; begin < words.size(); begin += longest) {
    const std::vector<std::string> piece(
        words.begin() + static_cast<std::ptrdiff_t>(begin),
        words.begin() + static_cast<std::ptrdiff_t>(std::min(begin + longest, words.size())));
    const auto tags = tag(tagger, vocabularies, data::tagging_batch(piece, vocabularies));
    for (std::size_t i = 0; i < piece.size(); ++i)
      line += fmt::format("{}{}/{}", begin + i > 0 ? " " : "", piece[i], train::printable(tags[i], 60));
  }
  return line;
}

/// Tags standard input, one sentence a line. Lines of any length that nobody could have written are refused.
void tag_lines(Tagger& tagger, const TaggingVocabularies& vocabularies, std::istream& input) {
  for (data::LineReader lines(input, "standard input", {.any_bytes = true}); lines.next();) {
    const std::vector<std::string> words = data::tokenize(lines.line());
    for (const std::string& word : words)
      if (word.size() > longest_word)
        throw Error(ErrorKind::io,
                    fmt::format("standard input:{}: a word is too long; got {} bytes; expected at most {}",
                                lines.number(), word.size(), longest_word));
    if (words.size() > 500)
      fmt::print(stderr, "pos_tagging: standard input:{}: {} words are tagged in pieces of 500\n", lines.number(),
                 words.size());
    fmt::print("{}\n", tagged(tagger, vocabularies, words));
  }
}

/// Tags one sentence and shows where the last of its repeated words (or the last word) looks.
void show(Tagger& tagger, const TaggingVocabularies& vocabularies, const std::string& text) {
  const std::vector<std::string> words = data::tokenize(text);
  if (words.empty()) return;
  std::size_t shown = words.size() - 1;
  for (std::size_t i = 0; i < words.size(); ++i)
    if (std::find(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i), words[i]) !=
        words.begin() + static_cast<std::ptrdiff_t>(i))
      shown = i;
  fmt::print("\n{}\n", tagged(tagger, vocabularies, words));
  const NoGradGuard no_grad;
  const Tensor weights = tagger.attention(data::tagging_batch(words, vocabularies));
  if (!weights.defined()) return;
  fmt::print("\nword {}, \"{}\", looks at\n{}", shown + 1, words[shown],
             train::attention_picture(
                 words, to(weights.select(0, static_cast<std::int64_t>(shown)), float64).to_vector<double>()));
}

/// The tags of a corpus as lines "word, its tag, the predicted tag", with a blank line after each sentence.
void predict(Tagger& tagger, const TaggingVocabularies& vocabularies, const data::Corpus& corpus,
             const data::TaggingCorpus& numbers, const std::string& path) {
  data::AtomicFile file(path);
  for (std::size_t i = 0; i < corpus.sentences.size(); ++i) {
    const data::Sentence& sentence = corpus.sentences[i];
    const std::vector<std::string> tags =
        tag(tagger, vocabularies, numbers.batch(std::vector{static_cast<std::int64_t>(i)}));
    for (std::size_t k = 0; k < tags.size(); ++k)
      file.write(fmt::format("{}\t{}\t{}\n", sentence.words[k], sentence.tags[k], tags[k]));
    file.write("\n");
  }
  file.commit();
}

/// Figures, confusions, the sentences that were tagged worst, and where the words of the first sentence look.
void describe_test(train::Report& report, Tagger& tagger, const TaggingVocabularies& vocabularies,
                   const data::Corpus& corpus, const data::TaggingCorpus& numbers,
                   const train::ConfusionMatrix& confusion) {
  std::vector<std::string> names;
  for (std::int64_t id = 0; id < vocabularies.tags.size(); ++id) names.push_back(vocabularies.tags.word(id));
  report.figure("test accuracy", fmt::format("{:.2f} %", 100 * confusion.accuracy()));
  report.confusion(confusion, names);
  const NoGradGuard no_grad;
  tagger.eval();
  for (std::size_t i = 0; i < std::min<std::size_t>(corpus.sentences.size(), 1000); ++i) {
    const data::Sentence& sentence = corpus.sentences[i];
    const TaggingBatch batch = numbers.batch(std::vector{static_cast<std::int64_t>(i)});
    const std::vector<std::int64_t> predicted = tagger.decide(batch).to_vector<std::int64_t>();
    const Tensor log_p = log(clamp(tagger.probabilities(batch), 1e-30, 1.0));
    const auto losses = nn::nll(log_p, batch.tags, {.reduction = Reduction::none}).to_vector<double>();
    for (std::size_t k = 0; k < predicted.size(); ++k) {
      const std::string& tag = vocabularies.tags.word(predicted[k]);
      if (tag == sentence.tags[k] || sentence.tags[k].empty()) continue;
      report.mistake({.text = fmt::format("{}", fmt::join(sentence.words, " ")),
                      .target = fmt::format("{}/{}", sentence.words[k], sentence.tags[k]),
                      .prediction = tag,
                      .loss = losses[k]});
    }
    if (i > 0) continue;
    if (const Tensor weights = tagger.attention(batch); weights.defined())
      report.attention("where words look", sentence.words, sentence.words, weights);
  }
}

/// The sentences of a file. What nobody could have written is refused: time grows with the square of a
/// sentence.
data::Corpus read_sentences(const std::string& path) {
  data::Corpus corpus = data::read_conllu(path);
  for (const data::Sentence& sentence : corpus.sentences) {
    const auto refuse = [&](const char* what, std::size_t size, std::size_t longest) {
      throw Error(ErrorKind::io, fmt::format("{}:{}: {} too long; got {}; expected at most {}", path, sentence.line,
                                             what, size, longest));
    };
    if (sentence.words.size() > 5000) refuse("the sentence is", sentence.words.size(), 5000);
    for (const std::string& word : sentence.words)
      if (word.size() > longest_word) refuse("a word of the sentence is", word.size(), longest_word);
  }
  return corpus;
}

void run(const Options& options, const CommandLine& line) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const train::Stopwatch watch;
  Reports reports(options, "Part-of-speech tagging");
  reports.settings(line);
  TaggingVocabularies vocabularies;
  std::unique_ptr<Tagger> tagger;
  const bool trains = options.load.empty();
  data::Corpus testing;
  std::optional<data::TaggingCorpus> test;  // the same in numbers
  if (trains || line.is_given("--test")) testing = read_sentences(options.test);
  if (trains) {
    fmt::print("{}\n", config_string());
    const data::Corpus training = read_sentences(options.train), dev = read_sentences(options.dev);
    vocabularies = TaggingVocabularies(training);
    const TaggerOptions built{.model = options.model,
                              .crf = options.crf,
                              .ensemble = options.ensemble,
                              .seed = static_cast<std::uint64_t>(options.seed)};
    if (options.init_from.empty()) {
      tagger = make_tagger(built, vocabularies);
    } else {
      const train::ModelFile file = train::load_model(options.init_from);
      file.check_model({options.model});
      if (const std::int64_t taggers = members_of(file); taggers != options.ensemble)
        throw Error(ErrorKind::argument, fmt::format("--init-from: {} has {} tagger(s); give this --ensemble {}",
                                                     file.path, taggers, taggers));
      const TaggingVocabularies before = vocabularies_of(file);
      vocabularies.words = before.words;
      vocabularies.characters = before.characters;
      tagger = make_tagger(built, vocabularies);
      const auto skip =
          vocabularies.tags == before.tags ? std::vector<std::string>{} : std::vector<std::string>{"*tags.*", "*crf.*"};
      train::say(train::initialise_from(file.weights, tagger->state_dict(), skip).text());
    }
    const data::TaggingCorpus training_ids(training, vocabularies), dev_ids(dev, vocabularies);
    test.emplace(testing, vocabularies);  // says now what is wrong with it, and not after the training
    reports.report().data_text(to_string(data::summary(training)) + "\n" + to_string(data::summary(dev, training)));
    reports.report().model(*tagger);
    fmt::print("model {}: {} parameters\n{}\n{}\n", options.model, tagger->number_of_parameters(),
               to_string(data::summary(training)), to_string(data::summary(dev, training)));
    fit(*tagger, options, line.run_options(), vocabularies, training_ids, dev_ids, reports);
    if (!options.save.empty()) data::write_file(options.save + "/options.json", line.effective());
  } else {
    const train::ModelFile file = train::load_model(options.load);
    file.check_model(tagger_models);
    vocabularies = vocabularies_of(file);
    // Models of earlier versions do not say whether they have a CRF: they have none.
    const TaggerOptions built{
        .model = file.model, .crf = file.options.contains("crf") && file.flag("crf"), .ensemble = members_of(file)};
    tagger = make_tagger(built, vocabularies);
    file.load_into(*tagger);
  }
  if (!testing.sentences.empty()) {
    if (!test) test.emplace(testing, vocabularies);
    const train::ConfusionMatrix confusion = confusion_of(*tagger, *test, vocabularies);
    const double test_accuracy = confusion.accuracy();
    fmt::print("test {:.2f} % of {} words; {} in all\n", 100 * test_accuracy, test->word_count(),
               train::format_duration(watch.seconds()));
    reports.write({{"test_accuracy", test_accuracy},
                   {"parameters", tagger->number_of_parameters()},
                   {"peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes)},
                   {"seconds", watch.seconds()}});
    describe_test(reports.report(), *tagger, vocabularies, testing, *test, confusion);
    if (!options.predict.empty()) predict(*tagger, vocabularies, testing, *test, options.predict);
  }
  reports.finish(watch.seconds());
  if (!options.tag.empty())
    show(*tagger, vocabularies, options.tag);
  else if (testing.sentences.empty())
    tag_lines(*tagger, vocabularies, std::cin);
}

int main(int argc, char** argv) {
  Options options;
  options.train = SAW_EXAMPLES_CORPUS "/train.conllu";
  options.dev = SAW_EXAMPLES_CORPUS "/dev.conllu";
  options.test = SAW_EXAMPLES_CORPUS "/test.conllu";
  options.model = "attention";
  CommandLine line("pos_tagging",
                   "Trains a part-of-speech tagger, or tags standard input (one sentence a line) with --load.",
                   options);
  line.add("--train", "CoNLL-U file to train on");
  line.add("--dev", "CoNLL-U file that chooses the best epoch");
  line.add("--test", "CoNLL-U file to report on");
  line.choice("--model", options.model, "what the tagger sees", tagger_models);
  line.flag("--crf", options.crf, "decide the tags of a sentence together, by a conditional random field",
            CommandLine::Kind::value);
  line.number("--ensemble", options.ensemble, "taggers that are trained side by side and asked together", 1,
              most_members);
  line.add({"--epochs", "--seed", "--threads", "--save", "--load", "--resume", "--init-from", "--checkpoint-steps",
            "--metrics", "--report", "--tensorboard", "--predict", "--profile", "--config"});
  line.text("--tag", options.tag, "a sentence to tag and to look into", CommandLine::Kind::other);
  return line.run(argc, argv, [&] { run(options, line); });
}
