// What the kept keys and values of a decoder save: 200 symbols for each of 16 texts, greedily, by a decoder of width
// 256 with 3 layers; once with nn::TransformerDecoder::step, once by computing all that was written anew for each
// symbol.
//
//   build/bench/decoding

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

using namespace saw;

namespace {

struct Options {
  std::int64_t symbols = 200, texts = 16, rounds = 3, threads = 0;
};

constexpr std::int64_t width = 256, vocabulary = 4000, source_length = 30;

struct Model : nn::Module {
  nn::Embedding& embedding = child<nn::Embedding>("embedding", vocabulary, width);
  nn::TransformerDecoder& decoder =
      child<nn::TransformerDecoder>("decoder", nn::TransformerOptions{.width = width, .heads = 4, .layers = 3});

  Tensor best(const Tensor& hidden) const { return argmax(linear(hidden, embedding.weight)); }
};

/// The symbols (symbols · texts), a row of texts for each step.
std::vector<std::int64_t> with_cache(const Model& model, const Tensor& memory, const Segments& read,
                                     std::int64_t symbols) {
  std::vector<std::int64_t> written;
  nn::DecoderState state = model.decoder.begin(memory, read);
  Tensor last = zeros({read.count()}, int64);
  for (std::int64_t i = 0; i < symbols; ++i) {
    last = model.best(model.decoder.step(model.embedding.forward(last), state));
    for (const std::int64_t symbol : last.to_vector<std::int64_t>()) written.push_back(symbol);
  }
  return written;
}

std::vector<std::int64_t> without_cache(const Model& model, const Tensor& memory, const Segments& read,
                                        std::int64_t symbols) {
  const std::int64_t texts = read.count();
  std::vector<std::int64_t> written;
  for (std::int64_t i = 0; i < symbols; ++i) {
    std::vector<std::int64_t> rows, lasts;
    for (std::int64_t b = 0; b < texts; ++b) {
      rows.push_back(0);
      for (std::int64_t k = 0; k < i; ++k) rows.push_back(written[static_cast<std::size_t>(k * texts + b)]);
      lasts.push_back(static_cast<std::int64_t>(rows.size()) - 1);
    }
    const Segments segments = Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(texts), i + 1));
    const Tensor hidden = model.decoder.forward(model.embedding.forward(tensor(rows)), segments, memory, read);
    for (const std::int64_t symbol : model.best(index_select(hidden, 0, tensor(lasts))).to_vector<std::int64_t>())
      written.push_back(symbol);
  }
  return written;
}

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  const NoGradGuard no_grad;
  fmt::print("{}\n", config_string());
  Model model;
  model.eval();
  const Segments read =
      Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(options.texts), source_length));
  const Tensor memory = randn({read.rows(), width});
  std::vector<double> ratios;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    train::Stopwatch watch;
    const auto kept = with_cache(model, memory, read, options.symbols);
    const double kept_seconds = watch.seconds();
    watch = train::Stopwatch();
    const auto anew = without_cache(model, memory, read, options.symbols);
    ratios.push_back(watch.seconds() / kept_seconds);
    fmt::print("with {:.3f} s, without {:.3f} s: {:.1f} times; {} symbols\n", kept_seconds, watch.seconds(),
               ratios.back(), kept == anew ? "the same" : "OTHER");
  }
  std::sort(ratios.begin(), ratios.end());
  fmt::print("median {:.1f} times\n", ratios[ratios.size() / 2]);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times decoding with and without kept keys and values.");
  app.add_option("--symbols", options.symbols, "of each text")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--texts", options.texts)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return train::run_program("decoding", [&] { run(options); });
}
