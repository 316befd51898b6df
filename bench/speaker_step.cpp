// What a training step of speaker identification costs, all included: reading features from a folder in the HW04
// layout, cropping, forward, backward, AdamW.
//
//   build/bench/speaker_step --model transformer      the assignment's baseline, 32 crops of 128 frames, 600 speakers
//   build/bench/speaker_step --model conformer        4 blocks of width 144 (--width), kernel 31, dropout 0.1

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "../examples/speaker_models.h"
#include "step_timing.h"

using namespace saw;
using namespace saw::examples;

namespace {

struct Options {
  std::string model = "transformer", positions = "relative";
  std::int64_t batch = 32, crop = 128, utterances = 256, steps = 20, rounds = 7, threads = 0, width = 144;
  std::int64_t shortest = 200, longest = 1100;
  bool inference = false;
};

constexpr std::int64_t features = 40, speakers = 600;

/// Folder of random features that is gone when the program ends.
struct Folder {
  std::filesystem::path path;
  Folder(std::int64_t utterances, std::int64_t shortest, std::int64_t longest) {
    std::string name = (std::filesystem::temp_directory_path() / "saw_speaker_step_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorKind::io, name + ": cannot be made");
    path = name;
    Generator generator(7);
    const RandomStream lengths(generator);
    for (std::int64_t i = 0; i < utterances; ++i)
      data::save_pytorch(
          file(i), randn({lengths.integer(static_cast<std::uint64_t>(i), shortest, longest), features}, generator));
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string file(std::int64_t i) const { return (path / fmt::format("uttr-{}.pt", i)).string(); }
};

/// The Conformer whose cost is a target of its own.
struct ConformerModel : SpeakerModel {
  explicit ConformerModel(std::int64_t width, nn::ConformerPositions positions)
      : prenet(child<nn::Linear>("prenet", features, width)),
        encoder(child<nn::Conformer>(
            "encoder",
            nn::ConformerOptions{
                .width = width, .heads = 4, .layers = 4, .kernel = 31, .dropout = 0.1, .positions = positions})),
        output(child<SpeakerClassifier>("output", "softmax", width, speakers)) {}

  nn::Linear& prenet;
  nn::Conformer& encoder;
  SpeakerClassifier& output;

  Tensor embed(const Tensor& x, const Segments& utterances) override {
    return segment_mean(encoder.forward(prenet.forward(x), utterances), utterances);
  }
  const SpeakerClassifier& classifier() const override { return output; }
};

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  manual_seed(1);
  fmt::print("{}\n", config_string());
  const Folder folder(options.utterances, options.shortest, options.longest);
  std::unique_ptr<SpeakerModel> model;
  if (options.model == "conformer")
    model = std::make_unique<ConformerModel>(
        options.width, options.positions == "none" ? nn::ConformerPositions::none : nn::ConformerPositions::relative);
  else
    model = make_speaker_model(
        {.model = "transformer", .pooling = "mean", .loss = "softmax", .features = features, .speakers = speakers});
  data::FrameBatches batches(options.utterances,
                             [&](std::int64_t i) { return data::load_pytorch_tensor(folder.file(i)); },
                             {.batch = options.batch, .crop = options.crop, .seed = 1});
  optim::AdamW adam(model->parameters(), {.learning_rate = 1e-3});
  const auto step = [&](std::size_t) {
    const data::FrameBatch batch = batches.next();
    std::vector<std::int64_t> labels;
    for (const std::int64_t i : batch.utterances) labels.push_back(i % speakers);
    if (options.inference) {
      const NoGradGuard no_grad;
      model->classifier().scores(model->embed(batch.frames, batch.segments));
      return batch.frames.size(0);
    }
    const Tensor loss = model->loss(batch.frames, batch.segments, tensor(labels));
    adam.zero_grad();
    loss.backward();
    adam.step();
    return batch.frames.size(0);
  };
  model->train(!options.inference);
  fmt::print("{}, {} parameters\n", options.model, model->number_of_parameters());
  bench::time_steps(step, "frames", {.steps = options.steps, .rounds = options.rounds});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times training steps of speaker identification.");
  app.add_option("--model", options.model)->check(CLI::IsMember({"transformer", "conformer"}))->capture_default_str();
  app.add_option("--width", options.width, "of the conformer")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--positions", options.positions, "of the conformer")
      ->check(CLI::IsMember({"relative", "none"}))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "utterances a batch")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--crop", options.crop, "frames of each; 0: whole utterances")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--shortest", options.shortest, "frames of a file, at least")->capture_default_str();
  app.add_option("--longest", options.longest, "frames of a file, below that")->capture_default_str();
  app.add_flag("--inference", options.inference, "scores instead of training steps");
  app.add_option("--utterances", options.utterances, "files")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", options.steps, "a round")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return train::run_program("speaker_step", [&] { run(options); });
}
