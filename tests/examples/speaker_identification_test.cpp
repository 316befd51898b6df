// The program examples/speaker_identification as a person runs it.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <string>

#include "examples/program.h"
#include "saw/autograd/ops.h"
#include "saw/data/audio/audio.h"
#include "saw/data/pytorch.h"
#include "saw/train/progress.h"
#include "support/files.h"

using namespace saw;
namespace fs = std::filesystem;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/speaker_identification";

test::Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void write_tone(const fs::path& file, double pitch, double seconds) {
  const auto count = static_cast<std::int64_t>(seconds * 16000);
  const Tensor samples = Tensor::empty({count}, float32);
  for (std::int64_t i = 0; i < count; ++i)
    samples.mutable_data<float>()[i] =
        static_cast<float>(0.4 * std::sin(2 * std::numbers::pi * pitch * static_cast<double>(i) / 16000));
  data::write_wav(file.string(), {samples, 16000});
}

/// Three "speakers", each a tone of their own, with a manifest.
struct Tones : test::TemporaryDirectory {
  Tones() {
    std::string manifest = "path\tspeaker\tsplit\n";
    for (int i = 0; i < 24; ++i) {
      const std::string name = fmt::format("tone{}.wav", i);
      write_tone(*this / name, 200 + 400 * (i % 3), 0.3 + 0.01 * i);
      manifest += fmt::format("{}\tspeaker{}\t{}\n", name, i % 3, i < 15 ? "train" : i < 18 ? "dev" : "test");
    }
    test::write_file(*this / "manifest.tsv", manifest);
  }
  std::string text(const std::string& name) const { return (*this / name).string(); }
  std::string arguments() const { return "--manifest " + text("manifest.tsv") + " --threads 1"; }
};

/// HW04's layout: three speakers whose features differ in one band.
struct Folder : test::TemporaryDirectory {
  Folder() {
    std::string metadata, test;
    Generator generator(3);
    for (int i = 0; i < 18; ++i) {
      const std::string name = fmt::format("uttr-{:032x}.pt", i);
      Tensor frames = randn({30 + i, 40}, generator);
      frames.slice(1, 5 * (i % 3), 5 * (i % 3) + 3).add_(full({1}, 4.0).expand({30 + i, 3}));
      data::save_pytorch(text(name), frames);
      names.push_back(name);
    }
    for (int s = 0; s < 3; ++s) {
      metadata += fmt::format("{}\"id0{}\": [", s > 0 ? ", " : "", s);
      for (int i = s; i < 15; i += 3)
        metadata += fmt::format("{}{{\"feature_path\": \"{}\", \"mel_len\": {}}}", i > s ? ", " : "",
                                names[static_cast<std::size_t>(i)], 30 + i);
      metadata += "]";
    }
    for (int i = 15; i < 18; ++i)
      test += fmt::format("{}{{\"feature_path\": \"{}\", \"mel_len\": {}}}", i > 15 ? ", " : "",
                          names[static_cast<std::size_t>(i)], 30 + i);
    test::write_file(*this / "metadata.json", "{\"n_mels\": 40, \"speakers\": {" + metadata + "}}");
    test::write_file(*this / "testdata.json", "{\"n_mels\": 40, \"utterances\": [" + test + "]}");
  }
  std::string text(const std::string& name) const { return (*this / name).string(); }
  std::vector<std::string> names;
};

}  // namespace

TEST_CASE("speaker_identification: synthetic voices need no files, and draw pictures") {
  const test::TemporaryDirectory directory;
  const test::Outcome outcome = run("--steps 2 --threads 1 --pictures " + (directory / "pictures").string());
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(has(outcome.output, "synthetic voices: 24 speakers"));
  CHECK(has(outcome.output, "test "));
  CHECK(has(test::read_file(directory / "pictures" / "log_mel.svg"), "</svg>"));
  CHECK(has(test::read_file(directory / "pictures" / "confusion.svg"), "voice24"));
}

TEST_CASE("speaker_identification: trains on a manifest, saves, loads, predicts, verifies") {
  const Tones tones;
  test::write_file(
      tones / "trials.txt",
      "1 tone18.wav tone21.wav\n0 tone18.wav tone19.wav\n1 tone19.wav tone22.wav\n0 tone20.wav tone22.wav\n");
  const std::string wanted = " --predict " + tones.text("out.csv") + " --verify " + tones.text("trials.txt");
  const test::Outcome trained = run(tones.arguments() + " --steps 60 --crop 20 --save " + tones.text("model") +
                                    " --metrics " + tones.text("run.jsonl") + wanted);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(has(trained.output, "test 100.00 % of 6 utterances"));
  CHECK(has(trained.output, "equal error rate 0.00 %"));
  const std::string csv = test::read_file(tones / "out.csv");
  CHECK(csv.substr(0, 41) == "Id,Category\r\ntone18.wav,speaker0\r\ntone19.");
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 7);
  CHECK(has(test::read_file(tones / "run.jsonl"), "\"test_accuracy\":1.0,\"equal_error_rate\":0.0,\"min_dcf\":0.0,"));

  const test::Outcome loaded = run(tones.arguments() + " --load " + tones.text("model") + wanted);
  CAPTURE(loaded.output);
  CHECK(loaded.status == 0);
  CHECK(has(loaded.output, "test 100.00 % of 6 utterances"));
  CHECK(test::read_file(tones / "out.csv") == csv);

  // A table without splits, with somebody whom the model does not know: all of it is recognised.
  write_tone(tones / "other.wav", 600, 0.4);
  test::write_file(tones / "new.tsv", "path\tspeaker\nother.wav\tstranger\ntone3.wav\tspeaker0\n");
  const test::Outcome unknown = run("--manifest " + tones.text("new.tsv") + " --threads 1 --load " +
                                    tones.text("model") + " --predict " + tones.text("new.csv"));
  CAPTURE(unknown.output);
  CHECK(unknown.status == 0);
  CHECK(test::read_file(tones / "new.csv") == "Id,Category\r\nother.wav,speaker1\r\ntone3.wav,speaker0\r\n");
}

TEST_CASE("speaker_identification: the baseline on a folder in HW04's layout") {
  const Folder folder;
  // The TorchScript modules that lie in the assignment's folder are nobody's utterance.
  test::write_file(folder / "wav2mel.pt", "PK\x03\x04 something else");
  const test::Outcome outcome = run("--data " + folder.text("") +
                                    " --model transformer --steps 60 --threads 1 --predict " + folder.text("out.csv"));
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  const std::string csv = test::read_file(folder / "out.csv");
  CHECK(csv == fmt::format("Id,Category\r\n{},id00\r\n{},id01\r\n{},id02\r\n", folder.names[15], folder.names[16],
                           folder.names[17]));
}

TEST_CASE("speaker_identification: damaged input is one line with file and reason, or left out and listed") {
  const Tones tones;
  test::write_file(tones / "tone4.wav", "RIFF, but no sound");
  const test::Outcome stopped = run(tones.arguments() + " --steps 2");
  CAPTURE(stopped.output);
  CHECK(stopped.status == 1);
  CHECK(has(stopped.output, tones.text("tone4.wav") + ": "));
  const test::Outcome skipped = run(tones.arguments() + " --steps 2 --skip-bad");
  CAPTURE(skipped.output);
  CHECK(skipped.status == 0);
  CHECK(has(skipped.output, "left out, 1:\n  " + tones.text("tone4.wav") + ": "));

  const Folder folder;
  data::save_pytorch(folder.text(folder.names[3]), zeros({7, 40}));  // mel_len says 33
  const std::string arguments = "--data " + folder.text("") + " --model transformer --steps 10 --threads 1";
  const test::Outcome disagrees = run(arguments);
  CAPTURE(disagrees.output);
  CHECK(disagrees.status == 1);
  CHECK(has(disagrees.output, folder.names[3] + ": "));
  const test::Outcome tolerated = run(arguments + " --skip-bad");
  CAPTURE(tolerated.output);
  CHECK(tolerated.status == 0);
  CHECK(has(tolerated.output, "left out, 1:\n"));
  // A damaged test utterance shows before training, too.
  data::save_pytorch(folder.text(folder.names[3]), zeros({33, 40}));
  test::write_file(folder / folder.names[16], "xx");
  const test::Outcome early = run(arguments);
  CAPTURE(early.output);
  CHECK(early.status == 1);
  CHECK(has(early.output, folder.names[16] + ": "));
  CHECK_FALSE(has(early.output, "loss"));
  fs::remove(folder / folder.names[4]);
  const test::Outcome missing = run(arguments);
  CAPTURE(missing.output);
  CHECK(missing.status == 1);
  CHECK(has(missing.output, folder.names[4]));
}

TEST_CASE("speaker_identification: speakers that cannot be learned or tested") {
  const Tones tones;
  const std::string manifest = test::read_file(tones / "manifest.tsv");
  const auto check = [&](const std::string& text, bool stops, const std::string& complaint) {
    test::write_file(tones / "manifest.tsv", text);
    const test::Outcome stopped = run(tones.arguments() + " --steps 2");
    CAPTURE(stopped.output);
    CHECK(stopped.status == (stops ? 1 : 0));
    CHECK(has(stopped.output, complaint));
    const test::Outcome skipped = run(tones.arguments() + " --steps 2 --skip-bad");
    CAPTURE(skipped.output);
    CHECK(skipped.status == (has(complaint, "single speaker") ? 1 : 0));
    CHECK(has(skipped.output, complaint));
  };
  write_tone(tones / "other.wav", 900, 0.4);
  check(manifest + "other.wav\tstranger\ttest\n", false,
        "other.wav: not to be identified, because its speaker stranger is not trained on");
  std::string without_dev;
  for (std::size_t begin = 0; begin < manifest.size();) {
    const std::size_t end = manifest.find('\n', begin) + 1;
    const std::string line = manifest.substr(begin, end - begin);
    if (!has(line, "\tdev")) without_dev += line;
    begin = end;
  }
  check("path\tspeaker\ntone0.wav\tspeaker0\ntone3.wav\tspeaker0\n", true, "has a single speaker");
  check(without_dev + "other.wav\tstranger\ttrain\n", true, "speaker stranger has a single utterance to train on");
}

TEST_CASE("speaker_identification: what cannot be done is said before anything is trained") {
  const Tones tones;
  for (const std::string arguments :
       {"--data /nowhere", "--manifest /nowhere.tsv", "--load /nowhere", "--model lstm", "--steps 0",
        "--data a --manifest b", "--metrics /nowhere/run.jsonl", "--predict /nowhere/out.csv", "--save /dev/null/model",
        "--verify /nowhere/trials.txt", "--pictures /dev/null/pictures"}) {
    CAPTURE(arguments);
    const test::Outcome outcome = run(arguments + " --threads 1");
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK_FALSE(has(outcome.output, "step "));
    CHECK(has(outcome.output, "speaker_identification: "));
  }
}

TEST_CASE("speaker_identification: killed and stopped while batches are made ahead, resumed, and the same bytes") {
  const Tones tones;
  const Folder folder;
  const std::string common =
      "--data " + folder.text("") + " --model transformer --steps 120 --crop 30 --threads 1 --checkpoint-steps 7";
  const auto model = [&](const std::string& name) { return test::read_file(tones / name / "model.safetensors"); };
  const auto records = [&](const std::string& name) { return test::read_file(tones / (name + ".jsonl")); };
  const auto options = [&](const std::string& name) {
    return common + " --save " + tones.text(name) + " --metrics " + tones.text(name + ".jsonl");
  };
  const train::Stopwatch watch;
  REQUIRE(run(options("whole")).status == 0);
  const double seconds = watch.seconds();
  for (const std::string signal : {"KILL", "TERM"}) {
    const std::string again = options(signal) + " --resume";
    CHECK(test::run_and_stop(signal, program + " " + again, seconds) > 2);
    CHECK(model(signal) == model("whole"));
    const std::string measured = records(signal);
    CHECK(measured.find("dev_accuracy") == measured.rfind("dev_accuracy"));
    for (const auto& entry : fs::recursive_directory_iterator(tones / signal))
      CHECK_FALSE(has(entry.path().string(), ".tmp."));
    const test::Outcome finished = run(again);
    CHECK(finished.status == 0);
    CHECK(has(finished.output, "finished before, at step 120 of 120"));
    // Killed between the end of the training and the last record, it still writes that one, and once.
    test::write_file(tones / (signal + ".jsonl"), measured.substr(0, measured.rfind("{")));
    for (int start = 0; start < 2; ++start) CHECK(run(again).status == 0);
    const std::string repaired = records(signal);
    CHECK(repaired.find("\"parameters\"") != std::string::npos);
    CHECK(repaired.find("\"parameters\"") == repaired.rfind("\"parameters\""));
  }
  std::string changed = options("whole") + " --resume";
  changed.replace(changed.find("--crop 30"), 9, "--crop 31");
  const test::Outcome other = run(changed);
  CHECK(other.status == 1);
  CHECK(has(other.output, "--crop: was 30, is 31"));
}

TEST_CASE("speaker_identification starts from a model of other speakers, takes options from a file, reports") {
  const Tones tones;
  const std::string first = tones.text("first");
  REQUIRE(run(tones.arguments() + " --steps 20 --crop 20 --save " + first).status == 0);
  const test::Outcome same = run(tones.arguments() + " --steps 2 --init-from " + first + "/model.safetensors");
  CAPTURE(same.output);
  CHECK(same.status == 0);
  CHECK_FALSE(has(same.output, "other labels"));
  std::string text = test::read_file(tones / "manifest.tsv");
  for (std::size_t at; (at = text.find("speaker2")) != std::string::npos;) text.replace(at, 8, "somebody");
  test::write_file(tones / "other.tsv", text);
  test::write_file(tones / "options.json", "{\"steps\": 3, \"crop\": 20, \"no-discriminant\": true, \"threads\": 1}");
  const test::Outcome other = run("--manifest " + tones.text("other.tsv") + " --config " + tones.text("options.json") +
                                  " --crop 15 --init-from " + first + " --save " + tones.text("second") + " --report " +
                                  tones.text("report.html") + " --tensorboard " + tones.text("events") + " --profile");
  CAPTURE(other.output);
  REQUIRE(other.status == 0);
  CHECK(has(other.output, "other labels: output.margin"));
  CHECK(has(other.output, "3 steps"));
  CHECK(has(other.output, "backward"));
  const std::string effective = test::read_file(tones / "second" / "options.json");
  CHECK(has(effective, "\"crop\": 15"));
  CHECK(has(effective, "\"no-discriminant\": true"));
  const std::string report = test::read_file(tones / "report.html");
  CHECK(has(report, "somebody"));
  CHECK(has(report, "test accuracy"));
  CHECK(fs::exists(tones / "events"));
  // The model can be asked with frames of its own kind alone, and does not change when it is asked.
  const std::string before = test::read_file(tones / "second" / "model.safetensors");
  CHECK(run(tones.arguments() + " --load " + tones.text("second/model.safetensors")).status == 0);
  CHECK(test::read_file(tones / "second" / "model.safetensors") == before);
  const Folder folder;
  const test::Outcome unlike = run("--data " + folder.text("") + " --load " + first);
  CHECK(unlike.status == 1);
  CHECK(has(unlike.output, "first/model.safetensors: was trained on frames of 64 features; the data has 40"));
}
