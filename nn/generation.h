#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

// Writing sequences whose length the model decides. The model is a function that is asked for the next symbol of all
// sequences at once: nothing is known here of how it finds it.

/// Scores (sequences, symbols) of what may come next, as logits. `last` is the last symbol of each sequence (at first
/// `begin`), `from` the number that the sequence, without it, had in the call before: a model that keeps a state takes
/// those of its parts (DecoderState::select). In the first call there is one sequence for each text, from = 0, 1, ….
/// Sequences of one text lie together, the texts in order.
using NextScores = std::function<Tensor(std::span<const std::int64_t> last, std::span<const std::int64_t> from)>;

/// A sequence that was written.
struct Generated {
  std::vector<std::int64_t> symbols = {};  ///< without begin and end
  double log_probability = 0.0;            ///< of all of it, the end included if it has one
  double score = 0.0;                      ///< by which it was chosen: log_probability over the length penalty
  bool has_ended = false;                  ///< with the end symbol; else it was cut at the longest length
};

/// What beam search and sampling have in common.
struct GenerationOptions {
  std::int64_t begin = 0;      ///< the symbol before the first
  std::int64_t end = 0;        ///< the symbol that ends a sequence
  std::int64_t longest = 200;  ///< symbols of a sequence, the end not included
  /// The same for each text, in place of `longest`; empty: all alike.
  std::vector<std::int64_t> longest_of_texts = {};
  /// Symbols that are never chosen, such as padding.
  std::vector<std::int64_t> without = {};
  /// What each text's sequences begin with (forced decoding of a beginning); empty: nothing.
  std::vector<std::vector<std::int64_t>> prefixes = {};
};

/// For beam_search().
struct BeamOptions : GenerationOptions {
  std::int64_t beam = 4;  ///< sequences of each text that are followed at once; 1: greedy
  std::int64_t best = 1;  ///< of each text that are returned, at most `beam`
  /// α of ((5 + n) / 6)^α, by which the log-probability of n symbols (the end included) is divided (Wu et al. 2016): 0
  /// favours short sequences, 1 nearly compares log-probabilities a symbol.
  double length_penalty = 0.0;
  /// A text is done as soon as `beam` of its sequences have ended. Else when none that has not ended could still become
  /// better than the `best` that have.
  bool stops_early = true;
};

/// Beam search: for each text the most probable sequences that it finds, best first. In every step the `beam` best
/// continuations that do not end are followed. Equal scores are decided by the smaller number of the sequence, then of
/// the symbol, so that results do not depend on threads or on other texts. Throws Error(argument) for options out of
/// range, for a beam larger than the number of symbols, and where no symbol has a finite score.
///
///   DecoderState state = decoder.begin(memory, segments);
///   const auto next = [&](std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
///     state = state.select(from);
///     return output.forward(decoder.step(embed(last, state.lengths), state));
///   };
///   const auto found = nn::beam_search(segments.count(), next, {{.begin = 2, .end = 3}, 4});
std::vector<std::vector<Generated>> beam_search(std::int64_t texts, const NextScores& next, const BeamOptions& options);

/// For sample_sequences().
struct SamplingOptions : GenerationOptions {
  double temperature = 1.0;  ///< by which scores are divided: below 1 the probable becomes more so; 0: always the best
  std::int64_t top_k = 0;    ///< only among so many best (Fan et al. 2018); 0: all
  /// Only among the best whose probabilities together are at least this (nucleus, Holtzman et al. 2020); 1: all.
  double top_p = 1.0;
};

/// For each text a sequence whose symbols are drawn one after the other with their probabilities. Each text draws from
/// a stream of its own, so what is written for one does not depend on the others that are asked at the same time.
/// `log_probability` is that of the model, before temperature and cuts. Throws as beam_search() does.
std::vector<Generated> sample_sequences(std::int64_t texts, const NextScores& next, const SamplingOptions& options,
                                        Generator& generator);

}  // namespace nn
}  // namespace saw
