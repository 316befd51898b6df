// The program examples/frame_labelling as a person runs it, its frames and its models.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <string>

#include "../../examples/frame_labellers.h"
#include "examples/program.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
using namespace saw::examples;
using test::Outcome;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/frame_labelling";

Outcome run(const std::string& arguments) { return test::run_command(program + " --threads 1 " + arguments); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Two speakers say each digit for each part, as a tone of its own.
struct Tones : test::TemporaryDirectory {
  std::string rows = "path\tspeaker\tsplit\tdigit\n";

  Tones() {
    int number = 0;
    for (const char* split : {"train", "dev", "test"})
      for (const char* speaker : {"ann", "bob"})
        for (int digit = 0; digit < 10; ++digit) {
          const std::string name = fmt::format("{}_{}_{}.wav", digit, speaker, split);
          const std::int64_t count = 700 + 40 * (++number % 7);
          const Tensor x = arange(count).to(float32) * (2 * std::numbers::pi * (300 + 300 * digit) / 8000);
          data::write_wav((*this / name).string(), {sin(x) * (speaker[0] == 'a' ? 0.5 : 0.3), 8000});
          rows += fmt::format("{}\t{}\t{}\t{}\n", name, speaker, split, digit);
        }
    write(rows);
  }
  std::string text(const char* name) const { return (*this / name).string(); }
  void write(const std::string& table) const { test::write_file(*this / "manifest.tsv", table); }
  std::string arguments(int train = 8) const {
    return fmt::format("--join-digits {} --train-utterances {} --test-utterances 4 ", text("manifest.tsv"), train);
  }
};

/// What the table says of a model, without the seconds.
std::string row_of(const std::string& output, const std::string& model) {
  const std::size_t at = output.find("\n" + model + " ", output.find("\ntest, "));
  REQUIRE(at != std::string::npos);
  return output.substr(at, output.find('%', at) - at);
}

}  // namespace

TEST_CASE("frame labelling: a frame has the label of the sample in its middle") {
  const FrameFeatures features(8000);
  const LabelledFrames frames = features(randn({880}), {{3, 160, 400}, {5, 400, 481}, {2, 720, 880}}, 7);
  CHECK(frames.frames.shape() == Shape{12, 39});
  CHECK(frames.log_mel.shape() == Shape{12, 26});
  CHECK(frames.labels == std::vector<std::int64_t>{7, 7, 3, 3, 3, 5, 5, 7, 7, 2, 2, 2});
  CHECK(std::abs(mean(frames.frames).item()) < 1e-5);
}

TEST_CASE("frame labelling: the synthesiser's utterances, the same ones for the same seed") {
  const FrameCorpus corpus = synthetic_frames({.train = 13, .test = 4, .seed = 2});
  CHECK(corpus.train.utterances.size() == 13);
  CHECK(corpus.dev.utterances.size() == 2);
  CHECK(corpus.test.utterances.size() == 4);
  const FrameCorpus test_alone = synthetic_frames({.training = false, .test = 4, .seed = 2});
  CHECK(test_alone.train.utterances.empty());
  for (std::size_t i = 0; i < 4; ++i) {
    const LabelledFrames &a = corpus.test.utterances[i], &b = test_alone.test.utterances[i];
    CHECK(a.name == b.name);
    CHECK(a.labels == b.labels);
    CHECK(test::same_bits(a.frames, b.frames));
    CHECK(std::ssize(a.labels) == a.frames.size(0));
    CHECK(a.labels.front() == 0);  // pauses
    CHECK(a.labels.back() == 0);
    for (const std::int64_t label : a.labels) CHECK(label < std::ssize(corpus.labels));
  }
  const FrameCorpus other = synthetic_frames({.training = false, .test = 4, .seed = 3});
  CHECK(other.test.utterances[0].labels != corpus.test.utterances[0].labels);
}

TEST_CASE("frame labelling: the parts are strings of their own, the test part the same for every seed") {
  const Tones files;  // the recordings of all parts come in the same order
  const FrameCorpus corpus = digit_frames(files.text("manifest.tsv"), {.train = 72, .test = 12, .seed = 1});
  const FrameCorpus other = digit_frames(files.text("manifest.tsv"), {.train = 72, .test = 12, .seed = 2});
  const auto same = [](const FrameSet& a, const FrameSet& b) {
    const auto said = [](const LabelledFrames& one) { return one.name.substr(one.name.find(": ")); };
    REQUIRE(std::min(a.utterances.size(), b.utterances.size()) == 12);
    int count = 0;
    for (std::size_t i = 0; i < 12; ++i) count += said(a.utterances[i]) == said(b.utterances[i]);
    return count;
  };
  CHECK(same(corpus.train, corpus.dev) < 2);
  CHECK(same(corpus.train, corpus.test) < 2);
  CHECK(same(corpus.dev, corpus.test) < 2);
  CHECK(same(corpus.test, other.test) == 12);
  CHECK(test::same_bits(corpus.test.utterances[3].frames, other.test.utterances[3].frames));
  for (std::size_t i = 0; i < 12; ++i) CHECK(corpus.train.utterances[i].name != other.train.utterances[i].name);
}

TEST_CASE("frame labelling: windows repeat the ends of an utterance, and see no other") {
  const WindowLabeller labeller(2, 4, 2);  // frames -4, -2, 0, 2, 4
  const Tensor frames = arange(5).to(float32).reshape({5, 1}).expand({5, 39}).contiguous();
  const Tensor seen = labeller.window(frames, Segments::from_lengths({3, 0, 2}));
  REQUIRE(seen.shape() == Shape{5, 5 * 39});
  const auto row = [&](std::int64_t t) {
    std::vector<double> numbers;
    for (std::int64_t i = 0; i < 5; ++i) numbers.push_back(seen.select(0, t).select(0, 39 * i + 7).item());
    return numbers;
  };
  CHECK(row(0) == std::vector<double>{0, 0, 0, 2, 2});
  CHECK(row(1) == std::vector<double>{0, 0, 1, 2, 2});
  CHECK(row(3) == std::vector<double>{3, 3, 3, 4, 4});
}

TEST_CASE("frame labelling: an utterance has the same scores alone and among others") {
  for (const LabellerName& name : labeller_names()) {
    CAPTURE(name.name);
    manual_seed(3);
    const auto model = make_labeller(name.name, 5);
    model->to(float64);
    model->eval();
    const NoGradGuard no_grad;
    const Tensor a = randn({9, 39}, float64), b = randn({1, 39}, float64), c = randn({30, 39}, float64);
    const Tensor together = model->forward(cat({a, b, c}, 0), Segments::from_lengths({9, 1, 30}));
    CHECK(test::difference(together.slice(0, 9, 10), model->forward(b, Segments::from_lengths({1})), 1e-12) == "");
    CHECK(test::difference(together.slice(0, 10, 40), model->forward(c, Segments::from_lengths({30})), 1e-12) == "");
  }
}

TEST_CASE("frame labelling: learns, is saved, loaded, hears sounds, draws pictures") {
  const Tones files;
  const Outcome learnt =
      run(files.arguments(40) + "--model window11 --epochs 8 --save " + files.text("one") + " --report " +
          files.text("page.html") + " --predict " + files.text("labels.tsv") + " --pictures " + files.text("pictures"));
  CAPTURE(learnt.output);
  REQUIRE(learnt.status == 0);
  const std::string row = row_of(learnt.output, "window11");
  CHECK(std::stod(row.substr(row.find_last_not_of("0123456789. ") + 1)) > 60);
  CHECK(has(learnt.output, "\nmajority   nothing: always \"pause\""));
  const std::string labels = test::read_file(files / "labels.tsv");
  CHECK(labels.starts_with("utterance\tseconds\treference\twindow11\ntest-1, "));
  const std::string frames = learnt.output.substr(learnt.output.find("test, 4 utterances, ") + 20);
  CHECK(std::count(labels.begin(), labels.end(), '\n') == std::stoi(frames) + 1);
  for (const char* text : {">reference</text>", ">window11</text>", ">pause</text>", "test-1, "})
    CHECK(has(test::read_file(files / "pictures" / "frames-1.svg"), text));
  CHECK(has(test::read_file(files / "pictures" / "confusion.svg"), ">pause</text>"));
  CHECK(has(test::read_file(files / "page.html"), "test frames right"));

  const std::string test_only =
      fmt::format("--join-digits {} --test-utterances 4 --load {} ", files.text("manifest.tsv"), files.text("one"));
  const Outcome loaded =
      run(test_only + "--profile --report " + files.text("again.html") + " --metrics " + files.text("again.jsonl"));
  CHECK(loaded.status == 0);
  CHECK(row_of(loaded.output, "window11") == row);
  CHECK(has(loaded.output, "\ntest "));  // a phase
  CHECK(has(test::read_file(files / "again.html"), "test frames right"));
  CHECK(has(test::read_file(files / "again.jsonl"), "test_accuracy"));
  const Outcome heard = run("--load " + files.text("one") + " --sound " + files.text("4_ann_test.wav"));
  CHECK(heard.status == 0);
  CHECK(has(heard.output, "4_ann_test.wav, window11\n0.00\t"));
  CHECK(has(heard.output, "\t4\n"));
  // More than is looked at at once, and too little.
  data::write_wav(files.text("long.wav"), {randn({1930000}) * 0.1, 8000});
  const Outcome long_sound = run("--load " + files.text("one") + " --pictures " + files.text("pictures") + " --sound " +
                                 files.text("long.wav"));
  CHECK(long_sound.status == 0);
  CHECK(has(long_sound.output, "\t241.26\t"));
  CHECK(has(test::read_file(files / "pictures" / "sound.svg"), ">window11</text>"));
  data::write_wav(files.text("short.wav"), {zeros({50}), 8000});
  const Outcome short_sound = run("--load " + files.text("one") + " --sound " + files.text("short.wav"));
  CHECK(short_sound.status == 1);
  CHECK(has(short_sound.output, "frame_labelling: " + files.text("short.wav") + ": "));
  // The name of a label is not for the terminal to act on; a sample rate that cannot be is the model's fault.
  train::ModelFile changed = train::load_model(files.text("one"));
  changed.parts["labels"].replace(8, 1, "\x1b[2J");  // that of 4
  train::save_model(files.text("changed.safetensors"), changed);
  const Outcome escaped =
      run("--load " + files.text("changed.safetensors") + " --sound " + files.text("4_ann_test.wav"));
  CHECK(escaped.status == 0);
  CHECK(has(escaped.output, "\t\\x1b[2J\n"));
  CHECK_FALSE(has(escaped.output, "\x1b["));
  changed.options["sample_rate"] = std::int64_t{99};
  train::save_model(files.text("changed.safetensors"), changed);
  const Outcome slow = run("--load " + files.text("changed.safetensors") + " --sound " + files.text("4_ann_test.wav"));
  CHECK(slow.status == 1);
  CHECK(
      has(slow.output, "frame_labelling: " + files.text("changed.safetensors") + ": of no use for sounds of 99 Hz; "));
  const Outcome other = run("--load " + files.text("one") + " --test-utterances 1");
  CHECK(other.status == 1);
  CHECK(has(other.output, "one: was trained on other data: 8000 Hz, labels 0 1 2"));
  const Outcome further = run(files.arguments() + "--model window11 --epochs 1 --init-from " + files.text("one"));
  CHECK(further.status == 0);
  CHECK(has(further.output, "6 tensors taken"));
}

TEST_CASE("frame labelling: all models, killed and resumed, the same bytes at the end") {
  const Tones files;
  const std::string common = files.arguments() + "--epochs 2 --checkpoint-steps 1 --save ";
  const train::Stopwatch watch;
  const Outcome whole = run(common + files.text("whole") + " --metrics " + files.text("metrics.jsonl"));
  CAPTURE(whole.output);
  REQUIRE(whole.status == 0);
  const std::string again = program + " --threads 1 " + common + files.text("killed") + " --resume";
  CHECK(test::run_and_stop("KILL", again, watch.seconds()) > 2);
  for (const LabellerName& name : labeller_names()) {
    const auto model = std::filesystem::path(name.name) / "model.safetensors";
    CHECK(test::read_file(files / "killed" / model) == test::read_file(files / "whole" / model));
    CHECK(has(test::read_file(files / fmt::format("metrics-{}.jsonl", name.name)), "test_accuracy"));
  }
  const std::string load =
      fmt::format("--join-digits {} --test-utterances 4 --load {} ", files.text("manifest.tsv"), files.text("whole"));
  const Outcome loaded = run(load + "--report " + files.text("page.html"));
  CHECK(loaded.status == 0);
  for (const LabellerName& name : labeller_names()) {
    CHECK(row_of(loaded.output, name.name) == row_of(whole.output, name.name));
    CHECK(has(test::read_file(files / fmt::format("page-{}.html", name.name)), "test frames right"));
  }
  const std::string model = files.text("whole") + "/window1/model.safetensors", before = test::read_file(model);
  const Outcome over = run(load + "--predict " + model);
  CHECK(over.status == 1);
  CHECK(has(over.output, "frame_labelling: --predict: " + model + ": the same file as --load"));
  CHECK(test::read_file(model) == before);
  const Outcome one = run(load + "--model bilstm");
  CHECK(row_of(one.output, "bilstm") == row_of(whole.output, "bilstm"));
  CHECK_FALSE(has(one.output, "attention"));
}

TEST_CASE("frame labelling: what cannot be used is named, or left out and counted") {
  const Tones files;
  const auto refused = [&](const std::string& arguments, const std::string& why) {
    const Outcome outcome = run(arguments);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "frame_labelling: " + why));
    CHECK_FALSE(has(outcome.output, "epoch"));
  };
  refused("--model all --init-from " + files.text("manifest.tsv"), "--init-from: is for one model");
  refused("--load " + files.text("nowhere"), files.text("nowhere"));
  const std::string small = files.arguments(1) + "--model window1 --epochs 1 ";
  refused(small + "--predict " + files.text("3_ann_dev.wav"), "--predict: ");
  const std::string quick = files.arguments(1) + "--epochs 1 ", pictures = files.text("pictures");
  for (const char* file : {"window1/model.safetensors", "bilstm/run.lock", "attention/trace.json"}) {
    const std::string path = files.text("fr/") + file;
    refused(quick + "--save " + files.text("fr") + " --predict " + path,
            "--predict: " + path + ": the same file as --save");
  }
  for (const char* option : {"--predict", "--metrics", "--report"})
    for (const char* picture : {"frames-1.svg", "frames-3.svg", "confusion.svg", "sound.svg"})
      refused(fmt::format("{}--pictures {} {} {}/{}", small, pictures, option, pictures, picture),
              fmt::format("{}: {}/{}: the same file as --pictures", option, pictures, picture));
  refused(quick + "--report " + files.text("a.html") + " --predict " + files.text("a-bilstm.html"), "--predict: ");
  const std::string load = "--load " + files.text("manifest.tsv");  // which is not looked at
  refused(load + " --tensorboard " + files.text("board"), "--tensorboard: has no meaning together with --load");
  refused(load + " --train-utterances 3", "--train-utterances: has no meaning together with --load");
  for (const std::string& option :
       {"--predict " + files.text("out"), "--metrics " + files.text("out"), "--report " + files.text("out"),
        "--join-digits " + files.text("manifest.tsv"), std::string("--test-utterances 3"), std::string("--profile"),
        std::string("--skip-bad")})
    refused(load + " --sound " + files.text("3_ann_dev.wav") + " " + option,
            option.substr(0, option.find(' ')) + ": has no meaning together with --load and --sound");
  std::filesystem::create_directories(files / "page-bilstm.html");
  refused(files.arguments(1) + "--report " + files.text("page.html"), "--report: ");
  test::write_file(files / "text.wav", "no sound");
  refused(small + "--sound " + files.text("text.wav"), files.text("text.wav") + ": ");
  files.write(files.rows + "4_ann_test.mp3\tann\ttest\t4\n0_bob_dev.wav\tbob\tdev\tten\n");
  refused(small, files.text("manifest.tsv") + ":63: column \"digit\": ");
  const Outcome skipped = run(small + "--skip-bad");
  CHECK(skipped.status == 0);
  CHECK(has(skipped.output, "left out, 2:\n"));
  files.write("path\tspeaker\tsplit\n");
  refused(small, files.text("manifest.tsv") + ":1: ");
}
