#pragma once

// The model of speech_recognition.cpp: sound → log-mel frames → Conformer → letters, by CTC.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saw::examples {

/// What the Conformer sees: log-mel frames, each band with mean 0 and deviation 1 over the utterance, and three of them
/// side by side: a row every 30 ms.
class SpeechFeatures {
 public:
  static constexpr std::int64_t mels = 40, stacked = 3, width = mels * stacked;

  explicit SpeechFeatures(std::int64_t sample_rate)
      : log_mel_(
            {.sample_rate = sample_rate, .window = 32 * sample_rate / 1000, .hop = sample_rate / 100, .mels = mels}) {}

  const data::LogMelOptions& options() const { return log_mel_.options(); }
  std::int64_t sample_rate() const { return log_mel_.options().sample_rate; }
  /// The fewest samples that can be looked at.
  std::int64_t fewest_samples() const { return log_mel_.options().window / 2 + 1; }
  /// How many rows a sound has.
  std::int64_t rows(std::int64_t samples) const {
    return (1 + samples / log_mel_.options().hop + stacked - 1) / stacked;
  }
  /// samples (T) → frames (F, mels) as they are, and normalised over the utterance.
  Tensor log_mel(const Tensor& samples) const { return log_mel_(samples); }
  Tensor frames(const Tensor& samples) const { return data::standardize(log_mel(samples)); }
  /// frames (F, mels) → rows (⌈F / 3⌉, width).
  static Tensor stack(const Tensor& frames) { return data::stack_frames(frames, 0, stacked - 1, stacked); }

 private:
  data::LogMel log_mel_;
};

/// Letters by number; 0 is CTC's blank.
class Letters {
 public:
  Letters() = default;
  explicit Letters(const std::vector<std::string>& letters)
      : letters_(letters, {.unknown = false, .roles = {"blank"}}) {}
  static Letters parse(const std::string& text, const std::string& name) {
    Letters letters;
    letters.letters_ = data::Vocabulary::parse(text, name);
    if (letters.letters_.find_role("blank") != 0)
      throw Error(ErrorKind::io, fmt::format("{}: is no list of letters that begins with the blank", name));
    return letters;
  }

  std::int64_t size() const { return letters_.size(); }  ///< with the blank
  std::string text() const { return letters_.text(); }   ///< for parse()
  /// The number of the space between words, or Lexicon::no_separator.
  std::int64_t space() const { return letters_.find(" ").value_or(nn::Lexicon::no_separator); }
  /// The first letter of a text that is not among these, or nothing.
  std::string unknown_letter(std::string_view text) const {
    for (const std::string& letter : data::split_characters(text))
      if (!letters_.contains(letter)) return letter;
    return {};
  }
  std::vector<std::int64_t> encode(std::string_view text) const { return letters_.ids(data::split_characters(text)); }
  std::string decode(std::span<const std::int64_t> symbols) const {
    std::string text;
    for (const std::int64_t symbol : symbols) text += letters_.word(symbol);
    return text;
  }

 private:
  data::Vocabulary letters_;
};

/// A Conformer over rows of SpeechFeatures, and a letter or the blank for each.
struct SpeechModel : nn::Module {
  nn::ConformerEncoder& encoder = child<nn::ConformerEncoder>(
      "encoder", nn::ConformerEncoderOptions{
                     .features = SpeechFeatures::width,
                     .subsampling = false,
                     .conformer = {.width = 96, .heads = 4, .layers = 3, .feed_forward = 192, .kernel = 15}});
  nn::Linear& output;

  explicit SpeechModel(std::int64_t letters) : output(child<nn::Linear>("output", 96, letters)) {}

  /// (N, SpeechFeatures::width) → logarithms of probabilities (N, letters).
  Tensor forward(const Tensor& x, const Segments& utterances) const {
    return log_softmax(output.forward(encoder.forward(x, utterances).rows), 1);
  }
};

/// What a model hears in an utterance, decoded in one way and another.
struct Transcript {
  std::string greedy, beam, lexicon;  ///< the last: empty without a lexicon
};

/// Reads utterances, given as the rows of each.
inline std::vector<Transcript> transcribe(SpeechModel& model, const Letters& letters, const TensorList& utterances,
                                          std::int64_t beam, const nn::Lexicon* lexicon) {
  const NoGradGuard no_grad;
  model.eval();
  const data::Packed packed = data::pack_rows(utterances);
  const Tensor log_probs = model.forward(packed.rows, packed.segments);
  std::vector<Transcript> result(utterances.size());
  const auto greedy = nn::ctc_greedy(log_probs, packed.segments);
  for (std::size_t i = 0; i < result.size(); ++i) result[i].greedy = letters.decode(greedy[i].symbols);
  const auto search = [&](const nn::Lexicon* words, std::string Transcript::*into) {
    const auto found = nn::ctc_beam_search(log_probs, packed.segments, {.beam = beam, .lexicon = words});
    for (std::size_t i = 0; i < result.size(); ++i)
      if (!found[i].empty()) result[i].*into = letters.decode(found[i][0].symbols);
  };
  if (beam > 0) search(nullptr, &Transcript::beam);
  if (beam > 0 && lexicon != nullptr) search(lexicon, &Transcript::lexicon);
  return result;
}

/// A word and when it is said, in seconds.
struct WordTime {
  std::string word;
  double begin, end;
};

/// When the words of a text are said in an utterance, by forced alignment. CTC learns when it is sure of a letter, not
/// when the letter begins: good to about a tenth of a second. Empty where the text does not fit.
inline std::vector<WordTime> word_times(SpeechModel& model, const Letters& letters, const Tensor& rows,
                                        const std::string& text) {
  const NoGradGuard no_grad;
  model.eval();
  const Segments whole = Segments::from_lengths({rows.size(0)});
  const std::vector<std::vector<std::int64_t>> symbols = {letters.encode(text)};
  const data::Packed target = data::pack_ids(symbols);
  const nn::CtcAlignment alignment = nn::ctc_align(model.forward(rows, whole), whole, target.rows, target.segments);
  std::vector<std::size_t> word_of;  // the number of the word that each letter belongs to
  for (const std::int64_t symbol : symbols[0])
    word_of.push_back((word_of.empty() ? 0 : word_of.back()) + (symbol == letters.space() ? 1 : 0));
  std::vector<WordTime> words;
  for (std::int64_t row = 0; row < rows.size(0); ++row) {
    const auto position = alignment.positions.select(0, row).item<std::int64_t>();
    if (position < 0) continue;
    const std::int64_t symbol = symbols[0][static_cast<std::size_t>(position)];
    if (symbol == letters.space()) continue;
    const double begin = 0.03 * static_cast<double>(row);
    if (words.size() <= word_of[static_cast<std::size_t>(position)]) words.push_back({"", begin, 0});
    words.back().end = begin + 0.03;
  }
  std::istringstream stream(text);
  for (WordTime& word : words) stream >> word.word;
  return words;
}

}  // namespace saw::examples
