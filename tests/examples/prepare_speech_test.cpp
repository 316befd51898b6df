// The program examples/prepare_speech as a person runs it.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numbers>
#include <string>

#include "examples/program.h"
#include "saw/autograd/ops.h"
#include "saw/data/audio/audio.h"
#include "saw/data/hw04.h"
#include "saw/train/run_folder.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
namespace fs = std::filesystem;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/prepare_speech";

test::Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

// A tone whose pitch and length depend on `number`.
void write_tone(const fs::path& file, int number, std::int64_t sample_rate = 16000, double amplitude = 0.5,
                double seconds = 0) {
  if (seconds == 0) seconds = 0.2 + 0.05 * (number % 7);
  const auto count = static_cast<std::int64_t>(seconds * static_cast<double>(sample_rate));
  const Tensor samples = Tensor::empty({count}, float32);
  float* out = samples.mutable_data<float>();
  const double step = 2 * std::numbers::pi * (150 + 40 * number) / static_cast<double>(sample_rate);
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = static_cast<float>(amplitude * std::sin(step * static_cast<double>(i)));
  fs::create_directories(file.parent_path());
  data::write_wav(file.string(), {samples, sample_rate});
}

// Three speakers with four sounds each in sounds/, and a manifest of which one sound of each is for testing.
struct Sounds : test::TemporaryDirectory {
  Sounds() {
    std::string manifest = "path\tspeaker\tsplit\n";
    for (int i = 0; i < 12; ++i) {
      const std::string speaker = fmt::format("speaker{}", i / 4),
                        name = fmt::format("sounds/{}/{}.wav", speaker, i % 4);
      write_tone(*this / name, i, i % 4 == 1 ? 8000 : 16000);
      manifest += fmt::format("{}\t{}\t{}\n", name, speaker, i % 4 == 3 ? "test" : i % 4 == 2 ? "dev" : "train");
    }
    test::write_file(*this / "manifest.tsv", manifest);
  }
  std::string text(const std::string& name) const { return (*this / name).string(); }
  std::string manifest(const std::string& out) const {
    return "--manifest " + text("manifest.tsv") + " --out " + text(out);
  }
  std::string tree(const std::string& out) const { return "--tree " + text("sounds") + " --out " + text(out); }
};

using Files = std::map<std::string, std::string>;

Files content(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::directory_iterator(folder))
    files[entry.path().filename().string()] = test::read_file(entry.path());
  return files;
}

Files prepare(const Sounds& sounds, const std::string& arguments, const std::string& out) {
  const test::Outcome outcome = run(arguments);
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  return content(sounds / out);
}

void check_one_line_error(const std::string& arguments, const std::string& part) {
  CAPTURE(arguments);
  const test::Outcome outcome = run(arguments);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 1);
  CHECK(outcome.output.starts_with("prepare_speech: "));
  CHECK(std::count(outcome.output.begin(), outcome.output.end(), '\n') == 1);
  CHECK(outcome.output.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("prepare_speech makes a folder of a manifest: test rows go to testdata.json, the others to metadata.json") {
  const Sounds sounds;
  prepare(sounds, sounds.manifest("out"), "out");
  const data::Hw04Folder folder = data::read_hw04(sounds.text("out"));
  CHECK(folder.n_mels == 40);
  CHECK(folder.data.speakers == std::vector<std::string>{"speaker0", "speaker1", "speaker2"});
  REQUIRE(folder.data.utterances.size() == 12);
  std::string answers = "Id,Category\r\n";
  for (std::size_t i = 0; i < 12; ++i) {
    const data::Utterance& utterance = folder.data.utterances[i];
    CHECK(utterance.name.size() == 5 + 32 + 3);
    CHECK(utterance.split == (i < 9 ? "train" : "test"));
    CHECK(utterance.speaker == (i < 9 ? static_cast<std::int64_t>(i / 3) : -1));
    // 100 frames a second and one: the sounds are those with the numbers 0, 1, 2, 4, 5, 6, … and 3, 7, 11
    const std::int64_t number = static_cast<std::int64_t>(i < 9 ? i / 3 * 4 + i % 3 : 4 * (i - 9) + 3);
    CHECK(utterance.frames == 1 + 20 + 5 * (number % 7));
    CHECK(data::read_features(utterance, 40).size(0) == utterance.frames);
    if (i >= 9) answers += fmt::format("{},speaker{}\r\n", utterance.name, i - 9);
  }
  CHECK(test::read_file(sounds / "out/test_speakers.csv") == answers);
}

TEST_CASE("prepare_speech makes a folder of a tree, with any number of bands") {
  const Sounds sounds;
  prepare(sounds, sounds.tree("a/new/folder") + " --mels 24", "a/new/folder");
  const data::Hw04Folder folder = data::read_hw04(sounds.text("a/new/folder"));
  CHECK(folder.n_mels == 24);
  CHECK(folder.data.utterances.size() == 12);
  for (const data::Utterance& utterance : folder.data.utterances) {
    CHECK(utterance.split == "train");
    CHECK(data::read_features(utterance, 24).size(0) == utterance.frames);
  }
}

TEST_CASE("prepare_speech: loudness does not matter, and a silence is cut out when that is asked for") {
  const test::TemporaryDirectory directory;
  write_tone(directory / "s/a/loud.wav", 3, 16000, 0.9, 1.0);
  write_tone(directory / "s/a/quiet.wav", 3, 16000, 0.3, 1.0);
  const data::Audio sound = data::read_audio((directory / "s/a/loud.wav").string());
  const Tensor pause = cat({sound.samples, Tensor::empty({16000}, float32).fill_(0), sound.samples}, 0);
  data::write_wav((directory / "s/a/pause.wav").string(), {pause, 16000});
  const auto features = [&](const std::string& out, const std::string& more) {
    const std::string folder = (directory / out).string();
    REQUIRE(run("--tree " + (directory / "s").string() + " --out " + folder + more).status == 0);
    TensorList result;
    for (const data::Utterance& utterance : data::read_hw04(folder).data.utterances)
      result.push_back(data::read_features(utterance, 40));
    REQUIRE(result.size() == 3);
    return result;
  };
  const TensorList whole = features("whole", ""), cut = features("cut", " --trim-silence");
  const auto loudest = [](const Tensor& frames) {
    const std::vector<float> values = frames.to_vector<float>();
    return *std::max_element(values.begin(), values.end());
  };
  CHECK(loudest(whole[0]) == doctest::Approx(loudest(whole[2])).epsilon(1e-3));
  CHECK(whole[0].size(0) == 101);
  CHECK(whole[1].size(0) == 301);
  // Loudness looks back 20 ms: so long a part of the pause stays, and the first sound begins a little later.
  CHECK(std::abs(cut[1].size(0) - 203) <= 1);
  CHECK(std::abs(cut[0].size(0) - 101) <= 1);
}

TEST_CASE("prepare_speech: one thread or two, the same bytes") {
  const Sounds sounds;
  const Files one = prepare(sounds, sounds.manifest("one") + " --threads 1", "one");
  CHECK(one.size() == 12 + 4);
  CHECK((one == prepare(sounds, sounds.manifest("two") + " --threads 2", "two")));
}

TEST_CASE("prepare_speech: two into one folder, the second is refused") {
  const Sounds sounds;
  const std::string folder = (sounds / "out").string();
  const saw::train::RunFolder first(folder);
  const test::Outcome second =
      test::run_command(std::string(SAW_EXAMPLES_DIRECTORY "/prepare_speech ") + sounds.manifest("out"));
  CHECK(second.status == 1);
  CHECK(second.output.find("prepare_speech: " + folder + ": the folder is in use by another run (process ") !=
        std::string::npos);
}

TEST_CASE("prepare_speech goes on where it was stopped, to the same folder") {
  const Sounds sounds;
  const Files whole = prepare(sounds, sounds.manifest("whole"), "whole");
  Files partial = prepare(sounds, sounds.manifest("partial"), "partial");
  // What a run leaves that was killed: some features, half a file under another name, no tables yet. And a damaged
  // file.
  int number = 0;
  const fs::path folder = sounds / "partial";
  fs::file_time_type untouched;
  std::string kept;
  for (const auto& [name, bytes] : whole) {
    if (!name.ends_with(".pt") || number++ < 4) {
      fs::remove(folder / name);
    } else if (number == 5) {
      test::write_file(folder / name, bytes.substr(0, bytes.size() / 2));
    } else {
      kept = name;
      untouched = fs::last_write_time(folder / name);
    }
  }
  test::write_file(folder / "uttr-0.pt.tmp.123.0", "half a file");
  test::write_file(folder / "notes.txt", "somebody's own");
  Files again = prepare(sounds, sounds.manifest("partial"), "partial");
  CHECK(again.erase("notes.txt") == 1);
  CHECK((again == whole));
  CHECK(fs::last_write_time(folder / kept) == untouched);

  // Another sound under an old name is not what was there.
  write_tone(sounds / "sounds/speaker1/0.wav", 20);
  again = prepare(sounds, sounds.manifest("partial"), "partial");
  const Files fresh = prepare(sounds, sounds.manifest("fresh"), "fresh");
  for (const auto& [name, bytes] : fresh) CHECK((again.at(name) == bytes));
  CHECK(fresh.at("metadata.json") != whole.at("metadata.json"));
}

TEST_CASE("prepare_speech: a run that is killed leaves whole files only") {
  const test::TemporaryDirectory directory;
  for (int i = 0; i < 300; ++i) write_tone(directory / fmt::format("s/{}/{}.wav", i % 3, i), i % 20, 8000);
  const std::string input = "--tree " + (directory / "s").string() + " --out ";
  const std::string whole = (directory / "whole").string(), killed = (directory / "killed").string();
  REQUIRE(run(input + whole).status == 0);
  fs::create_directory(killed);
  // sh waits for some files to appear and then kills the program as a power failure would.
  test::run_command(fmt::format("{} {}{} & program=$!\nwhile [ $(ls {} | wc -l) -lt 20 ]; do :; done\nkill -9 $program",
                                program, input, killed, killed));
  for (const auto& entry : fs::directory_iterator(killed)) {
    if (entry.path().extension() != ".pt") continue;
    data::Utterance utterance;
    utterance.path = entry.path().string();
    CHECK(data::read_features(utterance, 40).defined());
  }
  REQUIRE(run(input + killed).status == 0);
  CHECK((content(killed) == content(whole)));
}

TEST_CASE("prepare_speech: bad files are one line and status 1, or with --skip-bad a list at the end") {
  const Sounds sounds;
  test::write_file(sounds / "sounds/speaker0/9.wav", "not a sound");
  write_tone(sounds / "sounds/speaker1/short.wav", 1, 16000, 0.5, 0.01);
  check_one_line_error(sounds.tree("out"), "/sounds/speaker");
  CHECK_FALSE(fs::exists(sounds / "out/metadata.json"));
  const test::Outcome outcome = run(sounds.tree("out") + " --skip-bad");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.output.find("12 utterances of 3 speakers") != std::string::npos);
  CHECK(outcome.output.find("2 files left out:\n  " + sounds.text("sounds/speaker0/9.wav") + ": ") !=
        std::string::npos);
  CHECK(outcome.output.find("\n  " + sounds.text("sounds/speaker1/short.wav") +
                            ": too short; got 160 samples at 16000 Hz; expected at least 201\n") != std::string::npos);
  CHECK(data::read_hw04(sounds.text("out")).data.utterances.size() == 12);

  const test::TemporaryDirectory silent;
  write_tone(silent / "s/anna/1.wav", 1, 16000, 0.0);
  check_one_line_error("--trim-silence --tree " + (silent / "s").string() + " --out " + sounds.text("silent"),
                       "1.wav: too short; got 0 samples besides silence at 16000 Hz; expected at least 201");

  const test::TemporaryDirectory slow;
  write_tone(slow / "s/anna/1.wav", 1, 20, 0.5, 100.0);
  check_one_line_error("--tree " + (slow / "s").string() + " --out " + sounds.text("slow"), "anna/1.wav: resample: ");

  test::write_file(sounds / "missing.tsv", "path\tspeaker\nnothing.wav\tanna\n");
  const std::string missing = "--manifest " + sounds.text("missing.tsv") + " --out " + sounds.text("out");
  check_one_line_error(missing, sounds.text("nothing.wav") + ": ");
  check_one_line_error(missing + " --skip-bad",
                       "none of 1 files can be used; the first: " + sounds.text("nothing.wav"));
}

TEST_CASE("prepare_speech: wrong options, tables and targets are one line and status 1") {
  const Sounds sounds;
  check_one_line_error("--out " + sounds.text("out"), "--manifest");
  check_one_line_error(sounds.manifest("out") + " --tree " + sounds.text("sounds"), "--tree");
  check_one_line_error("--tree " + sounds.text("sounds"), "--out");
  check_one_line_error(sounds.tree("out") + " --mels 0", "--mels");
  check_one_line_error("--manifest /nowhere.tsv --out " + sounds.text("out"), "/nowhere.tsv: ");
  check_one_line_error("--tree /nowhere --out " + sounds.text("out"), "/nowhere: ");
  check_one_line_error("--tree " + sounds.text("sounds") + " --out /proc/nothing", "/proc/nothing");
  check_one_line_error(sounds.tree("manifest.tsv") + " --skip-bad", "manifest.tsv: ");
  test::write_file(sounds / "rows.tsv", "path\tspeaker\n1.wav\n");
  check_one_line_error("--manifest " + sounds.text("rows.tsv") + " --out " + sounds.text("out"), "rows.tsv:2: ");
  test::write_file(sounds / "groups.tsv",
                   "path\tspeaker\tsplit\tgroup\n1.wav\ta\ttrain\tvideo\n2.wav\ta\ttest\tvideo\n");
  check_one_line_error("--manifest " + sounds.text("groups.tsv") + " --out " + sounds.text("out"),
                       "group \"video\" is in two splits");
}

TEST_CASE("prepare_speech: PyTorch reads the folder, where SAW_PYTHON names an interpreter that has it") {
  const char* python = std::getenv("SAW_PYTHON");
  if (python == nullptr) {
    MESSAGE("skipped: the environment variable SAW_PYTHON names no Python interpreter with PyTorch");
    return;
  }
  const Sounds sounds;
  prepare(sounds, sounds.manifest("out"), "out");
  const test::Outcome outcome = test::run_command(
      fmt::format("{} {} {}", python, (test::directory() / "examples" / "read_hw04.py").string(), sounds.text("out")));
  std::int64_t frames = 0;
  for (const data::Utterance& utterance : data::read_hw04(sounds.text("out")).data.utterances)
    frames += utterance.frames;
  CHECK(outcome.status == 0);
  CHECK(outcome.output == fmt::format("12 utterances of 3 speakers, {} frames\n", frames));
}
