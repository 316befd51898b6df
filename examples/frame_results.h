#pragma once

// What comes out of frame_labelling.cpp: how many frames are right, the labels in a file, and pictures of them.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "frame_labellers.h"

namespace saw::examples {

/// A model and what it did.
struct Labelled {
  std::string name = {};
  std::vector<std::string> label_names = {};  ///< by number
  std::int64_t sample_rate = 0;               ///< Hz, of the sounds that it knows
  std::unique_ptr<FrameLabeller> model = {};
  double seconds = 0;                                  ///< of its training
  std::vector<std::vector<std::int64_t>> labels = {};  ///< it gives to the utterances of the test part
  train::ConfusionMatrix confusion{1};                 ///< of the test part
};

/// The labels that a model gives to each utterance.
inline std::vector<std::vector<std::int64_t>> labels_of(FrameLabeller& model, const FrameSet& set) {
  const NoGradGuard no_grad;
  model.eval();
  std::vector<std::vector<std::int64_t>> result(set.utterances.size());
  for (const auto& numbers : data::token_batches(set.lengths(), {.tokens = 8192, .bucket = 0})) {
    const FramesBatch batch = frames_batch(set, numbers);
    const auto labels = argmax(model.forward(batch.frames, batch.utterances)).to_vector<std::int64_t>();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto u = static_cast<std::int64_t>(i);
      result[static_cast<std::size_t>(numbers[i])].assign(labels.begin() + batch.utterances.begin(u),
                                                          labels.begin() + batch.utterances.end(u));
    }
  }
  return result;
}

/// Which labels were given for which.
inline train::ConfusionMatrix confusion_of(const std::vector<std::vector<std::int64_t>>& labels, const FrameSet& set,
                                           std::int64_t count) {
  train::ConfusionMatrix confusion(count);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (!labels[i].empty()) confusion.update(tensor(labels[i]), tensor(set.utterances[i].labels));
  return confusion;
}

/// The frames right by always saying the same.
inline double share_of(std::int64_t label, const FrameSet& set) {
  std::int64_t right = 0;
  for (const LabelledFrames& utterance : set.utterances)
    right += std::count(utterance.labels.begin(), utterance.labels.end(), label);
  return static_cast<double>(right) / static_cast<double>(set.frames());
}

/// A line for each model, and one for what needs none.
inline void print_table(const FrameCorpus& corpus, const std::vector<Labelled>& all, std::int64_t majority) {
  fmt::print("\ntest, {} utterances, {} frames\n", corpus.test.utterances.size(), corpus.test.frames());
  fmt::print("{:<10} {:<52}{:>9}{:>12}{:>9}\n", "model", "sees", "right", "parameters", "seconds");
  if (majority >= 0)  // of what was trained on
    fmt::print("{:<10} {:<52}{:>7.2f} %{:>12}{:>9}\n", "majority",
               fmt::format("nothing: always \"{}\"", corpus.labels[static_cast<std::size_t>(majority)]),
               100 * share_of(majority, corpus.test), 0, "");
  for (const Labelled& one : all) {
    const auto& names = labeller_names();
    const auto name =
        std::find_if(names.begin(), names.end(), [&](const LabellerName& n) { return one.name == n.name; });
    fmt::print("{:<10} {:<52}{:>7.2f} %{:>12}{:>9}\n", one.name, name->sees, 100 * one.confusion.accuracy(),
               one.model->number_of_parameters(), one.seconds > 0 ? fmt::format("{:.1f}", one.seconds) : "");
  }
}

/// A table: utterance, time, the label that is right, and that of each model.
inline void write_labels(const std::string& path, const FrameCorpus& corpus, const std::vector<Labelled>& all) {
  data::AtomicFile file(path);
  std::string header = "utterance\tseconds\treference";
  for (const Labelled& one : all) header += "\t" + one.name;
  file.write(header + "\n");
  for (std::size_t i = 0; i < corpus.test.utterances.size(); ++i) {
    const LabelledFrames& utterance = corpus.test.utterances[i];
    for (std::size_t t = 0; t < utterance.labels.size(); ++t) {
      const auto name = [&](std::int64_t label) { return corpus.labels[static_cast<std::size_t>(label)]; };
      std::string line = fmt::format("{}\t{:.2f}\t{}", utterance.name, static_cast<double>(t) / frames_per_second,
                                     name(utterance.labels[t]));
      for (const Labelled& one : all) line += "\t" + name(one.labels[i][t]);
      file.write(line + "\n");
    }
  }
  file.commit();
}

/// Labels of frames by their names, for a picture.
inline train::Tier tier_of(const std::string& name, const std::vector<std::int64_t>& labels,
                           const std::vector<std::string>& label_names) {
  train::Tier tier{.label = name};
  for (const std::int64_t label : labels) tier.cells.push_back(label_names[static_cast<std::size_t>(label)]);
  return tier;
}

inline void draw_utterance(const std::string& path, const LabelledFrames& utterance, std::vector<train::Tier> tiers) {
  train::save_heat_map(path, transpose(utterance.log_mel, 0, 1),
                       {.title = utterance.name,
                        .rows = {.label = "mel band"},
                        .columns = {.label = fmt::format("seconds; red: not as in {}", tiers.front().label),
                                    .step = 1.0 / frames_per_second},
                        .first_row_below = true,
                        .width = 1200,
                        .height = 208,
                        .tiers = std::move(tiers)});
}

/// Pictures of some utterances, with the labels that are right and those of each model below, and which labels the last
/// model takes for which.
inline void draw_labels(const std::string& folder, const FrameCorpus& corpus, const std::vector<Labelled>& all) {
  constexpr std::size_t utterances = 3;
  data::make_directories(folder);
  for (std::size_t i = 0; i < std::min(utterances, corpus.test.utterances.size()); ++i) {
    const LabelledFrames& utterance = corpus.test.utterances[i];
    std::vector<train::Tier> tiers = {tier_of("reference", utterance.labels, corpus.labels)};
    for (const Labelled& one : all) tiers.push_back(tier_of(one.name, one.labels[i], corpus.labels));
    draw_utterance(fmt::format("{}/frames-{}.svg", folder, i + 1), utterance, std::move(tiers));
  }
  train::save_heat_map(folder + "/confusion.svg", log(all.back().confusion.counts().to(float64) + 1.0),
                       {.title = fmt::format("Test frames, {}: log(1 + count)", all.back().name),
                        .rows = {.label = "label", .names = corpus.labels},
                        .columns = {.label = "given label", .names = corpus.labels},
                        .colours = train::ColourMap::blue,
                        .low = 0.0,
                        .width = 480,
                        .height = 480});
}

/// The frames of a sound file. Throws Error, which begins with the path.
inline LabelledFrames read_frames(const std::string& path, std::int64_t sample_rate) {
  const data::Audio audio = data::read_audio(path, sample_rate);
  try {
    LabelledFrames sound = FrameFeatures(sample_rate)(audio.samples);
    sound.name = std::filesystem::path(path).filename().string();
    return sound;
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
}

/// What the models hear in a sound file, as lines `begin end label` in seconds, and the first half minute as a picture
/// in a folder unless that is empty. Memory grows with the frames that are looked at together, and attention's time
/// with their square: pieces of four minutes let recordings be of any length. Nothing is seen across the ends of a
/// piece.
inline void label_sound(const std::string& path, const std::vector<Labelled>& all, const std::string& folder) {
  constexpr std::int64_t longest = 240 * frames_per_second, drawn = 30 * frames_per_second;
  const LabelledFrames sound = read_frames(path, all.front().sample_rate);
  const std::int64_t frames = sound.frames.size(0);
  FrameSet pieces;
  for (std::int64_t begin = 0; begin < frames; begin += longest) {
    const std::int64_t end = std::min(begin + longest, frames);
    pieces.utterances.push_back({.frames = sound.frames.slice(0, begin, end)});
  }
  std::vector<train::Tier> tiers;
  for (const Labelled& one : all) {
    const auto labels = labels_of(*one.model, pieces);
    std::vector<std::int64_t> joined;
    for (const auto& piece : labels) joined.insert(joined.end(), piece.begin(), piece.end());
    tiers.push_back(tier_of(one.name,
                            {joined.begin(), joined.begin() + std::min<std::int64_t>(std::ssize(joined), drawn)},
                            one.label_names));
    fmt::print("\n{}, {}\n", train::printable(sound.name), one.name);
    for (std::size_t begin = 0, end = 0; begin < joined.size(); begin = end) {
      while (end < joined.size() && joined[end] == joined[begin]) ++end;
      fmt::print("{:.2f}\t{:.2f}\t{}\n", static_cast<double>(begin) / frames_per_second,
                 static_cast<double>(end) / frames_per_second,
                 train::printable(one.label_names[static_cast<std::size_t>(joined[begin])], 100));
    }
  }
  if (folder.empty()) return;
  data::make_directories(folder);
  draw_utterance(folder + "/sound.svg",
                 {.name = sound.name, .log_mel = sound.log_mel.slice(0, 0, std::min(frames, drawn))}, std::move(tiers));
}

}  // namespace saw::examples
