#pragma once

// What comes out of speech_recognition.cpp: what a model hears in a part of the data, and how much of it is right.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cstdint>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "reports.h"
#include "speech_model.h"
#include "speech_utterances.h"

namespace saw::examples {

/// A part whose features are computed once.
class HeardPart {
 public:
  HeardPart(const SpeechPart& part, const SpeechFeatures& features) : rows_(static_cast<std::size_t>(part.count)) {
    texts_.resize(rows_.size());
    names_.resize(rows_.size());
    parallel_for(0, part.count, 4, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        SpeechUtterance utterance = part.read(static_cast<std::int64_t>(i));
        rows_[i] = SpeechFeatures::stack(features.frames(utterance.samples));
        texts_[i] = std::move(utterance.text);
        names_[i] = std::move(utterance.name);
      }
    });
  }

  const std::vector<std::string>& texts() const { return texts_; }
  const std::vector<std::string>& names() const { return names_; }

  /// What the model hears. beam 0: greedily alone.
  std::vector<Transcript> transcribe(SpeechModel& model, const Letters& letters, std::int64_t beam,
                                     const nn::Lexicon* lexicon) const {
    std::vector<std::int64_t> lengths;
    for (const Tensor& rows : rows_) lengths.push_back(rows.size(0));
    std::vector<Transcript> result(rows_.size());
    for (const auto& numbers : data::token_batches(lengths, {.tokens = 4096, .bucket = 0})) {
      TensorList some;
      for (const std::int64_t i : numbers) some.push_back(rows_[static_cast<std::size_t>(i)]);
      const auto heard = examples::transcribe(model, letters, some, beam, lexicon);
      for (std::size_t i = 0; i < heard.size(); ++i) result[static_cast<std::size_t>(numbers[i])] = heard[i];
    }
    return result;
  }

 private:
  TensorList rows_;
  std::vector<std::string> texts_, names_;
};

/// How much of what was heard is wrong.
struct SpeechErrors {
  train::EditDistance letters{train::EditUnit::characters}, words{train::EditUnit::words};

  SpeechErrors(const std::vector<std::string>& said, const std::vector<Transcript>& heard,
               std::string Transcript::*how) {
    for (std::size_t i = 0; i < said.size(); ++i) {
      letters.update(heard[i].*how, said[i]);
      words.update(heard[i].*how, said[i]);
    }
  }
  /// The share of utterances without a wrong word.
  double right() const { return 1.0 - words.text_error_rate(); }
};

/// The words that may be said: those of a file, those of the training texts (a model that is loaded has them), those
/// that the data or the model knows of, or none.
inline std::vector<std::string> lexicon_words(const SpeechCorpus& corpus, const std::string& path, bool of_training,
                                              const std::optional<train::ModelFile>& model) {
  if (!path.empty()) {
    std::set<std::string> words;
    for (const data::TableRow row :
         data::read_table(path, {.format = data::TableFormat::tsv, .header = false, .columns = {"word"}})) {
      const std::string word = normal_spaces(row["word"]);
      if (word.empty() || word.find(' ') != std::string::npos) row.reject("word", "is not a single word");
      if (const std::string letter = corpus.letters.unknown_letter(word); !letter.empty())
        row.reject("word", fmt::format("the letter \"{}\" is in no text that is trained on", letter));
      words.insert(word);
    }
    if (words.empty()) throw Error(ErrorKind::io, path + ": has no words");
    return {words.begin(), words.end()};
  }
  if (of_training && !model && !corpus.is_endless) {
    std::set<std::string> words;
    for (std::int64_t i = 0; i < corpus.train.count; ++i) {
      std::istringstream stream(corpus.train.read(i).text);
      for (std::string word; stream >> word;) words.insert(word);
    }
    return {words.begin(), words.end()};
  }
  if (!model) return corpus.words;
  std::vector<std::string> words;
  std::istringstream stream(model->part("words"));
  for (std::string word; stream >> word;) words.push_back(word);
  if (of_training && words.empty())
    throw Error(ErrorKind::argument,
                "--train-lexicon: " + model->path + " was trained without it and knows no words; hint: --lexicon");
  return words;
}

/// A lexicon of words, or none.
inline std::optional<nn::Lexicon> lexicon_of(const std::vector<std::string>& words, const Letters& letters) {
  if (words.empty()) return {};
  std::vector<std::vector<std::int64_t>> spelled;
  for (const std::string& word : words) spelled.push_back(letters.encode(word));
  return nn::Lexicon(spelled, letters.space());
}

struct SpeechReportOptions {
  std::int64_t beam = 16;
  const nn::Lexicon* lexicon = nullptr;  ///< or null
  std::int64_t words = 0;                ///< of it
  std::string predict = {};              ///< a file for what was said and heard, or empty
};

/// Prints how much of the test part is heard wrong, decoded greedily, by a beam, and with the lexicon; the figures.
inline Reports::Record report_on(SpeechModel& model, const SpeechCorpus& corpus, const SpeechFeatures& features,
                                 const SpeechReportOptions& options, train::Report& report) {
  const HeardPart test(corpus.test, features);
  const auto heard = test.transcribe(model, corpus.letters, options.beam, options.lexicon);
  fmt::print("\n{:<34}{:>9}{:>9}{:>9}\n", fmt::format("test, {} utterances, percent", corpus.test.count), "letters",
             "words", "all");
  fmt::print("{:<34}{:>9}{:>9}{:>9}\n", "", "wrong", "wrong", "right");
  Reports::Record figures;
  const auto show = [&](const std::string& name, const std::string& key, std::string Transcript::*how) {
    const SpeechErrors errors(test.texts(), heard, how);
    const double letters = errors.letters.value(), words = errors.words.value(), right = errors.right();
    fmt::print("{:<34}{:>9.2f}{:>9.2f}{:>9.2f}\n", name, 100 * letters, 100 * words, 100 * right);
    figures.emplace_back(key + "_letter_errors", letters);
    figures.emplace_back(key + "_word_errors", words);
    figures.emplace_back(key + "_right", right);
    report.figure(name, fmt::format("{:.2f} % of letters, {:.2f} % of words wrong; {:.2f} % all right", 100 * letters,
                                    100 * words, 100 * right));
  };
  show("greedy", "greedy", &Transcript::greedy);
  show(fmt::format("beam {}", options.beam), "beam", &Transcript::beam);
  if (options.lexicon != nullptr)
    show(fmt::format("beam {}, lexicon of {} words", options.beam, options.words), "lexicon", &Transcript::lexicon);
  const auto best = options.lexicon != nullptr ? &Transcript::lexicon : &Transcript::beam;
  std::string lines;
  fmt::print("\n");
  for (std::size_t i = 0; i < heard.size(); ++i) {
    lines += fmt::format("{}\t{}\t{}\n", test.names()[i], test.texts()[i], heard[i].*best);
    train::Edits wrong = train::character_edits(heard[i].*best, test.texts()[i]);
    if (wrong.total() > 0)
      report.mistake({.text = test.names()[i],
                      .target = test.texts()[i],
                      .prediction = heard[i].*best,
                      .loss = static_cast<double>(wrong.total())});
    if (i < 3)
      fmt::print("said:  {}\nheard: {}\n", train::printable(test.texts()[i], 300),
                 train::printable(heard[i].*best, 300));
  }
  if (!options.predict.empty()) data::write_file(options.predict, lines);
  return figures;
}

}  // namespace saw::examples
