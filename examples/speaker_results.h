#pragma once

// What comes out of speaker_identification.cpp: whom a model hears in the test part, and how well it verifies.

#include <saw/saw.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "speaker_corpus.h"
#include "speaker_models.h"

namespace saw::examples {

/// A log-mel picture of the first test utterance, and who was taken for whom.
inline void draw(const std::string& folder, const SpeakerCorpus& corpus, const train::ConfusionMatrix& confusion) {
  data::make_directories(folder);
  train::save_heat_map(folder + "/log_mel.svg", transpose(corpus.read(corpus.test.front()), 0, 1),
                       {.title = fmt::format("Log-mel frames of {}", corpus.at(corpus.test.front()).name),
                        .rows = {.label = "mel band"},
                        .columns = {.label = "seconds", .step = 0.01},
                        .first_row_below = true});
  train::save_heat_map(folder + "/confusion.svg", confusion.counts().to(float64),
                       {.title = "Test utterances by speaker",
                        .rows = {.label = "who spoke", .names = corpus.data.speakers},
                        .columns = {.label = "who was heard", .names = corpus.data.speakers},
                        .colours = train::ColourMap::blue,
                        .low = 0.0,
                        .width = 480,
                        .height = 480});
}

/// Whom the model hears in the test part, as answers in a file, as pictures in a folder (unless these are empty) and
/// in the report; how many of those whose speaker is
/// known (HW04 keeps them to itself) are right.
inline train::Accuracy identify(SpeakerModel& model, const SpeakerCorpus& corpus, const std::string& predict,
                                const std::string& pictures, train::Report& report) {
  const auto name = [&](std::int64_t speaker) { return corpus.data.speakers[static_cast<std::size_t>(speaker)]; };
  std::vector<std::pair<std::string, std::string>> answers;
  train::Accuracy accuracy(-1);
  if (!corpus.test.empty()) {
    model.eval();
    const Tensor targets = tensor(corpus.speakers(corpus.test));
    const Tensor scores =
        rows_of(corpus, corpus.test, [&](const Tensor& x, const Segments& s) { return model.scores(x, s); });
    const auto [highest, found] = max(scores, 1);
    accuracy.update(found, targets);
    for (std::int64_t i = 0; i < found.numel(); ++i) {
      const data::Utterance& utterance = corpus.at(corpus.test[static_cast<std::size_t>(i)]);
      const auto heard = found.select(0, i).item<std::int64_t>();
      answers.emplace_back(utterance.name, name(heard));
      if (utterance.speaker >= 0 && utterance.speaker != heard)
        report.mistake({.text = utterance.name,
                        .target = name(utterance.speaker),
                        .prediction = name(heard),
                        .loss = highest.select(0, i).item() - scores.select(0, i).select(0, utterance.speaker).item()});
    }
    if (accuracy.count() > 0 && (std::ssize(corpus.data.speakers) <= 2000 || !pictures.empty())) {
      train::ConfusionMatrix confusion(std::ssize(corpus.data.speakers), -1);
      confusion.update(found, targets);
      report.confusion(confusion, corpus.data.speakers);
      if (!pictures.empty()) draw(pictures, corpus, confusion);
    }
  }
  if (predict.empty()) return accuracy;
  data::write_predictions(predict, answers);
  fmt::print("{}: {} predictions\n", predict, answers.size());
  return accuracy;
}

/// Scores trials by the cosine of the embeddings of their two utterances.
inline train::EqualErrorRate verify(SpeakerModel& model, SpeakerCorpus& corpus, const std::vector<SpeakerTrial>& trials,
                                    bool skip_bad) {
  std::set<std::int64_t> needed;
  for (const SpeakerTrial& trial : trials) needed.insert({trial.enrolment, trial.test});
  const auto usable = readable(corpus, {needed.begin(), needed.end()}, skip_bad);
  model.eval();
  const Tensor rows = rows_of(corpus, usable, [&](const Tensor& x, const Segments& s) { return model.embed(x, s); });
  std::map<std::int64_t, Tensor> embeddings;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    const Tensor row = rows.select(0, static_cast<std::int64_t>(i));
    embeddings[usable[i]] = row / norm(row);
  }
  train::EqualErrorRate errors;
  for (const SpeakerTrial& trial : trials)
    if (embeddings.contains(trial.enrolment) && embeddings.contains(trial.test))
      errors.update((embeddings[trial.enrolment] * embeddings[trial.test]).sum().item(), trial.is_target);
  return errors;
}

}  // namespace saw::examples
