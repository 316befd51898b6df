// The program examples/translation as a person runs it.

#include <doctest/doctest.h>

#include <algorithm>

#include <string>

#include "examples/program.h"
#include "saw/train/progress.h"
#include "support/files.h"

using test::Outcome;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/translation";

Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Three tables in which a text is turned around, with a third column that nobody reads.
std::string small_tables(const test::TemporaryDirectory& directory, int count = 60) {
  const char* words[] = {"red", "dog", "sees", "cats", "now"};
  std::string arguments;
  int number = 0;
  for (const char* part : {"train", "dev", "test"}) {
    std::string table;
    for (int i = 0; i < (part == std::string("train") ? count : 6); ++i, ++number) {
      const char *a = words[number % 5], *b = words[number / 5 % 5], *c = words[number / 25 % 5];
      table += std::string(a) + " " + b + " " + c + "\t" + c + " " + b + " " + a + "\tnobody\n";
    }
    test::write_file(directory / (std::string(part) + ".tsv"), table);
    arguments += std::string("--") + part + " " + (directory / (std::string(part) + ".tsv")).string() + " ";
  }
  return arguments + "--source-units characters --threads 1 ";
}

}  // namespace

TEST_CASE("translation: learns, is saved, loaded, and translates standard input") {
  const test::TemporaryDirectory directory;
  const std::string data = small_tables(directory), model = (directory / "model").string();
  const std::string predicted = (directory / "out.tsv").string();
  const Outcome trained = run(data + "--epochs 2 --beam 2 --save " + model + " --predict " + predicted);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(has(trained.output, "60 pairs to train on, 6 to choose by, 6 to report on"));
  for (const char* row : {"dictionary of words", "nearest training pair", "transformer, greedy", "transformer, beam 2"})
    CHECK(has(trained.output, row));
  const std::string lines = test::read_file(predicted);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 6);
  const Outcome loaded = test::run_command("printf 'red dog now\\n\\nzebra\\n' | " + program + " --load " + model);
  CAPTURE(loaded.output);
  CHECK(loaded.status == 0);
  CHECK(std::count(loaded.output.begin(), loaded.output.end(), '\n') == 3);
  // A model goes on with its own units, whatever the data.
  const Outcome other = run(data + "--epochs 1 --beam 1 --init-from " + model);
  CHECK(other.status == 0);
  CHECK(run("--epochs 1 --target-units subwords --source-units characters --init-from " + model).status == 1);
  // The same weights give the same figures.
  const Outcome again = run("--load " + model + " --beam 2 --test " + (directory / "test.tsv").string());
  CHECK(again.status == 0);
  const auto figures = [](const std::string& output) {
    const std::size_t at = output.find("transformer, greedy");
    return output.substr(at, output.find("\n\n", at) - at);
  };
  CHECK(figures(again.output) == figures(trained.output));
}

TEST_CASE("translation: killed and resumed, the same bytes at the end") {
  const test::TemporaryDirectory directory;
  const std::string common = small_tables(directory, 40) + "--epochs 3 --checkpoint-steps 2";
  const auto save = [&](const char* name) { return (directory / name).string(); };
  const saw::train::Stopwatch watch;
  REQUIRE(run(common + " --save " + save("whole")).status == 0);
  const std::string again = program + " " + common + " --resume --save " + save("killed");
  CHECK(test::run_and_stop("KILL", again, watch.seconds()) > 2);
  CHECK(test::read_file(directory / "killed" / "model.safetensors") ==
        test::read_file(directory / "whole" / "model.safetensors"));
}

TEST_CASE("translation: lines that are no pairs are named, or left out and counted") {
  const test::TemporaryDirectory directory;
  const std::string data = small_tables(directory, 20), train = (directory / "train.tsv").string();
  const std::string good = test::read_file(train);
  const auto refused = [&](const std::string& line, const std::string& why) {
    test::write_file(train, good + line + "\n");
    const Outcome outcome = run(data + "--epochs 1");
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "translation: " + train + ":21: " + why));
    const Outcome skipped = run(data + "--epochs 1 --beam 1 --skip-bad");
    CHECK(skipped.status == 0);
    CHECK(has(skipped.output, "1 lines were left out"));
  };
  refused("only one", "no tab between two texts");
  refused("\ttarget", "the source is empty");
  refused("source\t \tthird", "the target is empty");
  refused("bad \xFF\tbytes", "not UTF-8");
  test::write_file(train, good);
  const Outcome large = run(data + "--epochs 1 --beam 500");
  CHECK(large.status == 1);
  CHECK(has(large.output, "translation: --beam: a beam of 500 is larger than the vocabulary of "));
  CHECK_FALSE(has(large.output, "epoch"));
  test::write_file(train, "");
  CHECK(has(run(data).output, "train.tsv: has no pairs of texts"));
}
