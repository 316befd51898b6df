#pragma once

// What language_model.cpp measures of its models: bits per character, in one table with n-grams, and what they write.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "language_models.h"
#include "language_texts.h"
#include "ngram_model.h"

namespace saw::examples {

/// Texts as a model reads them.
struct TextBatch {
  Tensor input, output;  // (N) ids: output is one ahead
  Segments segments;
};

inline TextBatch batch_of(const NumberedTexts& texts, std::span<const std::int64_t> numbers, const TextUnits& units) {
  const data::Packed input = data::pack_ids(texts.ids, numbers, {.begin = units.role("begin")});
  const data::Packed output = data::pack_ids(texts.ids, numbers, {.end = units.role("end")});
  return {input.rows, output.rows, input.segments};
}

/// Bits of each text.
inline std::vector<double> bits_of(LanguageModel& model, const NumberedTexts& texts, const TextUnits& units) {
  const NoGradGuard no_grad;
  model.eval();
  std::vector<double> bits = texts.unseen_bits;
  for (const auto& numbers : data::token_batches(texts.lengths(), {.tokens = 8192, .bucket = 0})) {
    const TextBatch batch = batch_of(texts, numbers, units);
    const std::vector<double> losses = to(nn::cross_entropy(model.forward(batch.input, batch.segments), batch.output,
                                                            {.reduction = nn::Reduction::none}),
                                          float64)
                                           .to_vector<double>();
    for (std::int64_t i = 0; i < std::ssize(numbers); ++i)
      for (std::int64_t row = batch.segments.begin(i); row < batch.segments.end(i); ++row)
        bits[static_cast<std::size_t>(numbers[static_cast<std::size_t>(i)])] +=
            losses[static_cast<std::size_t>(row)] / std::log(2.0);
  }
  return bits;
}

inline double per_character(const std::vector<double>& bits, const NumberedTexts& texts) {
  return std::accumulate(bits.begin(), bits.end(), 0.0) / static_cast<double>(texts.characters);
}

/// One row of the table.
struct ResultRow {
  std::string name;
  std::int64_t parameters = 0;
  double seconds = -1.0;     // of training; negative: nothing was trained
  std::vector<double> bits;  // per character, of each part
};

inline void print_table(const std::vector<ResultRow>& rows, const std::vector<std::string>& parts) {
  std::string head = fmt::format("\n{:<36}{:>12}{:>9}", "bits per character", "parameters", "seconds");
  for (const std::string& part : parts) head += fmt::format("{:>9}", part);
  fmt::print("{}\n", head);
  for (const ResultRow& row : rows) {
    std::string line = fmt::format("{:<36}{:>12}{:>9}", row.name, row.parameters,
                                   row.seconds < 0 ? "" : fmt::format("{:.1f}", row.seconds));
    for (const double bits : row.bits) line += fmt::format("{:>9.3f}", bits);
    fmt::print("{}\n", line);
  }
}

/// N-grams of the units, smoothed in both ways; of all orders up to the largest the best for the first of `parts`, or
/// the largest alone. `parameters` are the n-grams that were counted.
inline std::vector<ResultRow> ngram_rows(const LanguageTexts& training, const std::vector<const LanguageTexts*>& parts,
                                         const TextUnits& units, const std::string& kind, std::int64_t largest_order,
                                         bool largest_alone) {
  const train::Stopwatch watch;
  NgramModel model(
      NumberedTexts(training, units).ids,
      {.symbols = units.size(), .begin = units.role("begin"), .end = units.role("end"), .order = largest_order});
  std::vector<NumberedTexts> numbered;
  for (const LanguageTexts* part : parts) numbered.emplace_back(*part, units);
  const auto bits = [&](const NumberedTexts& texts) {
    std::vector<double> result = texts.unseen_bits;
    for (std::size_t i = 0; i < result.size(); ++i) result[i] += model.bits(texts.ids[i]);
    return per_character(result, texts);
  };
  std::vector<ResultRow> rows;
  for (const auto& [smoothing, name] :
       {std::pair{Smoothing::kneser_ney, "Kneser-Ney"}, std::pair{Smoothing::witten_bell, "Witten-Bell"}}) {
    std::int64_t best_order = largest_order;
    double best = 0.0;
    for (std::int64_t order = largest_alone ? largest_order : 1; order <= largest_order; ++order) {
      model.use(order, smoothing);
      if (const double value = bits(numbered[0]); best == 0.0 || value < best) best = value, best_order = order;
    }
    model.use(best_order, smoothing);
    rows.push_back({fmt::format("{}-grams of {}, {}", best_order, kind, name), model.size(), 0.0, {}});
    for (const NumberedTexts& part : numbered) rows.back().bits.push_back(bits(part));
    rows.back().seconds = watch.seconds();
  }
  return rows;
}

/// How texts are written.
struct WritingOptions {
  std::int64_t count = 3, longest = 300, top_k = 0;
  double temperature = 1.0, top_p = 1.0;
  std::uint64_t seed = 1;
  std::string prompt = {};
};

/// Texts that the model writes after the prompt; "…" behind those that it did not end.
inline std::vector<std::string> write_texts(LanguageModel& model, const TextUnits& units,
                                            const WritingOptions& options) {
  model.eval();
  nn::SamplingOptions sampling;
  sampling.begin = units.role("begin");
  sampling.end = units.role("end");
  sampling.without = {units.role("padding"), sampling.begin};
  sampling.temperature = options.temperature;
  sampling.top_k = options.top_k;
  sampling.top_p = options.top_p;
  const std::vector<std::int64_t> prompt = units.encode(options.prompt);
  const std::size_t shown = units.decode(prompt).size();  // less than the prompt where units do not know it
  sampling.longest = std::ssize(prompt) + options.longest;
  Generator generator(options.seed);
  std::vector<std::string> result;
  while (std::ssize(result) < options.count) {  // a text is the same whichever are written beside it
    const std::int64_t count = std::min<std::int64_t>(64, options.count - std::ssize(result));
    sampling.prefixes.assign(static_cast<std::size_t>(count), prompt);
    const auto next = [&, writer = model.writer(count), place = std::size_t{0}](
                          std::span<const std::int64_t> last, std::span<const std::int64_t> from) mutable {
      const Tensor scores = writer(last, from);
      // Only the prompt may have what no unit knows.
      if (place++ >= prompt.size())
        scores.select(1, units.role("unknown")).fill_(-std::numeric_limits<double>::infinity());
      return scores;
    };
    for (const nn::Generated& text : nn::sample_sequences(count, next, sampling, generator)) {
      const std::string all = units.decode(text.symbols);
      result.push_back(options.prompt + all.substr(std::min(shown, all.size())) + (text.has_ended ? "" : "…"));
    }
  }
  return result;
}

}  // namespace saw::examples
