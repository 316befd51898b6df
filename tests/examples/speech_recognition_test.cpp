// The program examples/speech_recognition as a person runs it.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "examples/program.h"
#include "saw/autograd/ops.h"
#include "saw/data/audio/audio.h"
#include "saw/data/audio/synthetic_speech.h"
#include "saw/train/model_file.h"
#include "saw/train/progress.h"
#include "support/files.h"

using namespace saw;
using test::Outcome;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/speech_recognition";

Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments + " --threads 1"); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A table of ten recordings on lines 2 to 11, with a dev and two test ones at the end; 4 kHz, which makes little work.
std::string small_manifest(const test::TemporaryDirectory& directory) {
  const data::SyntheticSpeech speech({.voices = 1, .utterances = 10, .fewest_words = 3, .most_words = 4, .seed = 1});
  std::string table = "path\ttext\tspeaker\tsplit\n";
  for (std::int64_t i = 0; i < 10; ++i) {
    const std::string name = "sound" + std::to_string(i) + ".wav";
    data::write_wav((directory / name).string(), data::resample(speech(i).audio, 4000));
    table += name + "\t" + speech.text(i) + "\tsomebody\t" + (i < 7 ? "train" : i < 8 ? "dev" : "test") + "\n";
  }
  test::write_file(directory / "speech.tsv", table);
  return (directory / "speech.tsv").string();
}

/// What the program prints about the test part.
std::string figures_of(const std::string& output) {
  const std::size_t at = output.find("\ntest, ");
  REQUIRE(at != std::string::npos);
  return output.substr(at, output.rfind('\n', output.find(" in all", at)) - at);  // the last line is the time
}

}  // namespace

TEST_CASE("speech recognition: learns its own words, is saved, loaded, and reads a file") {
  const test::TemporaryDirectory directory;
  const std::string model = (directory / "model").string(), predicted = (directory / "heard.tsv").string();
  const std::string common = " --voices 3 --sample-rate 4000 --beam 2";
  const Outcome trained = run("--steps 3 --save " + model + " --predict " + predicted + common);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(has(trained.output, "words of the synthesiser: 24 utterances to train on, 24 dev, 24 test"));
  CHECK(has(trained.output, "19 letters; "));
  CHECK(has(trained.output, "  said:  "));
  for (const char* row : {"greedy", "beam 2", "beam 2, lexicon of 16 words"})
    CHECK(has(trained.output, std::string("\n") + row + " "));
  const std::string lines = test::read_file(predicted);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 24);
  CHECK(std::count(lines.begin(), lines.end(), '\t') == 48);
  CHECK(lines.starts_with("voice03-utterance001\t"));

  const Outcome loaded = run("--load " + model + common);
  CAPTURE(loaded.output);
  REQUIRE(loaded.status == 0);
  CHECK(figures_of(loaded.output) == figures_of(trained.output));

  // Alone, a file is read and nothing else is printed: the text, and the text that the lexicon allows.
  const std::string wav = (directory / "some.wav").string();
  data::write_wav(wav, data::SyntheticSpeech({.voices = 1, .utterances = 1})(0).audio);
  const Outcome read = run("--beam 2 --load " + model + " --transcribe " + wav);
  CAPTURE(read.output);
  CHECK(read.status == 0);
  CHECK(std::count(read.output.begin(), read.output.end(), '\n') == 2);
  CHECK(has(read.output, "  (with the lexicon)\n"));
  const Outcome timed = run("--beam 2 --times --load " + model + " --transcribe " + wav);
  CAPTURE(timed.output);
  CHECK(timed.output.starts_with(read.output));
  const std::string with_lexicon = read.output.substr(read.output.find('\n') + 1);
  CHECK(std::count(timed.output.begin(), timed.output.end(), '\n') ==
        3 + std::count(with_lexicon.begin(), with_lexicon.begin() + with_lexicon.find("  (with"), ' '));
  data::write_wav(wav, {zeros({9}), 4000});
  CHECK(has(run("--load " + model + " --transcribe " + wav).output, "some.wav: too short; got 9 samples"));
  CHECK(has(run("--load " + model + " --transcribe " + wav + "x").output, "some.wavx: "));
}

TEST_CASE("speech recognition: killed and resumed, the same bytes at the end") {
  const test::TemporaryDirectory directory;
  const std::string common =
      "--manifest " + small_manifest(directory) + " --sample-rate 4000 --steps 6 --checkpoint-steps 1 --beam 1";
  const auto save = [&](const char* name) { return (directory / name).string(); };
  const train::Stopwatch watch;
  REQUIRE(run(common + " --save " + save("whole")).status == 0);
  const std::string again = program + " " + common + " --threads 1 --resume --save " + save("killed");
  CHECK(test::run_and_stop("KILL", again, watch.seconds()) > 2);
  CHECK(test::read_file(directory / "killed" / "model.safetensors") ==
        test::read_file(directory / "whole" / "model.safetensors"));
  CHECK(has(run(common + " --seed 2 --resume --save " + save("killed")).output, "--seed"));
  data::write_wav((directory / "sound1.wav").string(), {randn({9000}) * 0.1, 4000});
  CHECK(has(run(common + " --resume --save " + save("killed")).output, "the recordings"));
}

TEST_CASE("speech recognition: rows of a table that cannot be used are named, or left out and listed") {
  const test::TemporaryDirectory directory;
  const std::string manifest = small_manifest(directory), good = test::read_file(manifest);
  const std::string common = "--manifest " + manifest + " --sample-rate 4000 --steps 1 --beam 1";
  data::write_wav((directory / "short.wav").string(), {zeros({9}), 4000});
  data::write_wav((directory / "second.wav").string(), {randn({4000}) * 0.1, 4000});
  test::write_file(directory / "empty.wav", "");
  const auto refused = [&](const std::string& row, const std::string& why) {
    test::write_file(manifest, good + row + "\n");
    const Outcome outcome = run(common);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "speech_recognition: " + manifest + ":12: "));
    CHECK(has(outcome.output, why));
    CHECK_FALSE(has(outcome.output, "step "));
  };
  refused("missing.wav\tsun\tx\ttrain", "missing.wav: ");
  refused("empty.wav\tsun\tx\ttrain", "empty.wav: ");
  refused("short.wav\tsun\tx\ttrain", "short.wav: too short; got 9 samples; expected at least 65");
  refused("second.wav\t \tx\ttrain", "column \"text\": is empty");
  refused("\tsun\tx\ttrain", "column \"path\": is empty");
  refused("sound1.wav\tsun\tx\ttrain", "column \"path\": is given twice");
  refused("second.wav\tsun\tx\tvalid", "column \"split\": is neither train, dev nor test");
  refused("second.wav\tsun 7\tx\tdev", "column \"text\": the letter \"7\" is in no text that is trained on");
  refused("second.wav\tsun sun sun sun sun sun sun sun all\tx\ttrain",
          "column \"text\": its letters, and a blank between equal ones, need 36 rows of 30 ms; ");
  refused("second.wav\tsun", "");

  test::write_file(manifest, good + "missing.wav\tsun\tx\ttrain\nsecond.wav\tsun 7\tx\ttest\nsecond2.wav\t\tx\tdev\n");
  const Outcome skipped = run(common + " --skip-bad");
  CAPTURE(skipped.output);
  CHECK(skipped.status == 0);
  CHECK(has(skipped.output, "7 utterances to train on, 1 dev, 2 test"));
  CHECK(has(skipped.output, "left out, 3:\n"));
  CHECK(has(skipped.output, manifest + ":13: column \"text\": the letter \"7\""));
  // A row that is left out does not take its path from a good one.
  test::write_file(manifest, good + "second.wav\t \tx\ttrain\nsecond.wav\tsun\tx\tvalid\nsecond.wav\tsun\tx\ttrain\n");
  const Outcome later = run(common + " --skip-bad");
  CAPTURE(later.output);
  CHECK(has(later.output, "8 utterances to train on, 1 dev, 2 test"));
  CHECK(has(later.output, "left out, 2:\n"));

  test::write_file(manifest, "path\tspeaker\nsound1.wav\tx\n");
  CHECK(has(run(common).output, "\"text\""));
  test::write_file(manifest, "path\ttext\n");
  CHECK(has(run(common).output, "speech.tsv: has no utterance to train on"));
  test::write_file(manifest, "path\ttext\nsound1.wav\tsun\n");
  CHECK(has(run(common).output, "speech.tsv: has no utterance left to choose the weights by"));
  // Without splits a tenth chooses the weights, and nothing is reported on.
  test::write_file(manifest, "path\ttext\nsound1.wav\tsun\nsound2.wav\tmoon\nsound3.wav\tred\n");
  const Outcome parted = run(common);
  CHECK(parted.status == 0);
  CHECK(has(parted.output, "2 utterances to train on, 1 dev, 0 test"));
  CHECK(has(run(common + " --predict " + (directory / "heard.tsv").string()).output,
            "--predict: " + manifest + " has no utterances to test on"));
  CHECK(has(run(common + " --times").output, "--times: needs --transcribe"));

  test::write_file(manifest, good);
  const std::string lexicon = (directory / "words.txt").string();
  test::write_file(lexicon, "sun\nzoo\n");
  CHECK(has(run(common + " --lexicon " + lexicon).output, "words.txt:2: column \"word\": the letter \"z\""));
  test::write_file(lexicon, "sun\nred sun\n");
  CHECK(has(run(common + " --lexicon " + lexicon).output, "words.txt:2: column \"word\": is not a single word"));
  test::write_file(lexicon, "sun\nred\nsun\n");
  CHECK(has(run(common + " --lexicon " + lexicon).output, "lexicon of 2 words"));
  const std::string model = (directory / "model").string();
  const Outcome with_lexicon = run(common + " --train-lexicon --save " + model);
  CHECK(has(with_lexicon.output, "lexicon of "));
  CHECK(figures_of(run("--load " + model + " --train-lexicon --beam 1 --manifest " + manifest).output) ==
        figures_of(with_lexicon.output));
  REQUIRE(run(common + " --save " + model).status == 0);
  CHECK(has(run("--load " + model + " --train-lexicon --manifest " + manifest).output,
            "--train-lexicon: " + model + "/model.safetensors was trained without it"));
  CHECK(has(
      run("--load " + model + " --predict " + lexicon + "2 --transcribe " + (directory / "second.wav").string()).output,
      "--predict: needs a test part"));
  train::ModelFile forged = train::load_model(model);
  forged.options["sample_rate"] = std::int64_t{99};
  train::save_model(model + "/forged", forged);
  CHECK(has(run("--load " + model + "/forged --manifest " + manifest).output,
            "/forged: option sample_rate is out of range; got 99"));
}

TEST_CASE("speech recognition: digits joined to strings, with a speaker left out") {
  const test::TemporaryDirectory directory;
  std::string table = "path\tspeaker\tsplit\tdigit\n";
  for (const char* speaker : {"ann", "bob"})
    for (const char* split : {"train", "dev", "test"})
      for (int digit = 0; digit < 10; ++digit) {
        const std::string name = std::string(speaker) + "_" + split + std::to_string(digit) + ".wav";
        data::write_wav((directory / name).string(), {randn({2000 + 50 * digit}) * 0.1, 4000});
        table += name + "\t" + speaker + "\t" + split + "\t" + std::to_string(digit) + "\n";
      }
  const std::string manifest = (directory / "digits.tsv").string(), heard = (directory / "heard.tsv").string();
  test::write_file(manifest, table);
  const std::string common = "--join-digits " + manifest + " --sample-rate 4000 --strings 4 --steps 2 --beam 2";
  const Outcome trained = run(common + " --leave-out ann --predict " + heard);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(has(trained.output, "digits.tsv, trained without ann: 32 utterances to train on, 4 dev, 4 test"));
  CHECK(has(trained.output, "lexicon of 10 words"));
  const std::string lines = test::read_file(heard);
  CHECK(has(lines, "test string 1, ann\t"));
  CHECK_FALSE(has(lines, "bob"));

  CHECK(has(run(common + " --leave-out cem").output,
            "speech_recognition: --leave-out: " + manifest + " has no speaker \"cem\"; it has ann, bob"));
  CHECK(has(run("--leave-out ann").output, "--leave-out: needs --join-digits"));
  data::write_wav((directory / "short.wav").string(), {randn({300}) * 0.1, 4000});
  test::write_file(manifest, table + "short.wav\tann\ttrain\t3\n");
  CHECK(has(run(common).output,
            "digits.tsv:62: column \"digit\": its letters, and a blank between equal ones, need 6 rows"));
  CHECK(has(run(common + " --skip-bad").output, "left out, 1:\n"));
  test::write_file(manifest, table + "short.wav\tann\ttrain\t12\n");
  CHECK(has(run(common).output, "digits.tsv:62: column \"digit\": "));
  test::write_file(manifest, "path\tspeaker\tsplit\nx.wav\tann\ttrain\n");
  CHECK(has(run(common).output, "\"digit\""));
}
