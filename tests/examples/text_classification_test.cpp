// The program examples/text_classification as a person runs it.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "examples/program.h"
#include "saw/train/progress.h"
#include "support/files.h"
#include "support/tensors.h"

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/text_classification";

using test::Outcome;

Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

/// Two labels that one word tells apart.
std::string small_table(const test::TemporaryDirectory& directory) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text +=
        "good\ta fine film , number " + std::to_string(i) + "\nbad\ta dull film , number " + std::to_string(i) + "\n";
  test::write_file(directory / "small.tsv", text);
  return (directory / "small.tsv").string();
}

std::string all_three(const std::string& file) { return "--train " + file + " --dev " + file + " --test " + file; }

nlohmann::json last_record(const std::string& path) {
  std::istringstream lines(test::read_file(path));
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) last = nlohmann::json::parse(line);
  return last;
}

void check_error(const std::string& arguments, const std::string& part) {
  CAPTURE(arguments);
  const Outcome outcome = run(arguments);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 1);
  std::string last;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) last = line;
  CHECK(last.rfind("text_classification: ", 0) == 0);
  CHECK(last.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("text_classification learns its own corpus beside what only counts") {
  if (test::sanitized()) return;
  const test::TemporaryDirectory directory;
  const std::string metrics = (directory / "run.jsonl").string();
  const Outcome outcome = run("--metrics " + metrics);
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  const nlohmann::json record = last_record(metrics);
  CHECK(record["test_accuracy"] > 0.6);  // chance is 0.25
  CHECK(record["naive_bayes_accuracy"] > 0.7);
  CHECK(record["logistic_regression_accuracy"] > 0.6);
  CHECK(record["together_accuracy"] > 0.6);
  for (const char* key : {"seconds", "test_f1"}) CHECK(record[key].is_number());
}

TEST_CASE("text_classification: every model separates two labels, is saved, loaded and labels standard input") {
  const test::TemporaryDirectory directory;
  const std::string small = small_table(directory);
  test::write_file(directory / "text", "a dull film\n\na fine one\n");
  for (const std::string model : {"words", "window", "attention"}) {
    CAPTURE(model);
    const std::string folder = (directory / model).string(), predicted = (directory / (model + ".tsv")).string();
    const Outcome trained = run(all_three(small) + " --epochs 20 --model " + model + " --save " + folder);
    CAPTURE(trained.output);
    REQUIRE(trained.status == 0);
    const Outcome loaded = run("--load " + folder + " --test " + small + " --predict " + predicted);
    CAPTURE(loaded.output);
    CHECK(loaded.status == 0);
    CHECK(loaded.output.find("100.00 %") != std::string::npos);
    CHECK(loaded.output.find("Naive Bayes, words and pairs") != std::string::npos);
    CHECK(test::read_file(predicted).rfind("a fine film , number 0\tgood\tgood\na dull film , number 0\tbad\tbad\n",
                                           0) == 0);
    const Outcome labelled = run("--load " + folder + " < " + (directory / "text").string());
    CAPTURE(labelled.output);
    CHECK(labelled.status == 0);
    CHECK(labelled.output.rfind("bad\t", 0) == 0);
    CHECK(labelled.output.find("\ta dull film\n") != std::string::npos);
    CHECK(labelled.output.find("\ngood\t") != std::string::npos);
  }
}

TEST_CASE("text_classification: killed and resumed, the same bytes at the end") {
  const test::TemporaryDirectory directory;
  const std::string common = all_three(small_table(directory)) + " --epochs 10 --checkpoint-steps 3 --threads 1";
  const auto save = [&](const char* name) { return (directory / name).string(); };
  const saw::train::Stopwatch watch;
  REQUIRE(run(common + " --save " + save("whole")).status == 0);
  const std::string again = program + " " + common + " --resume --save " + save("killed");
  CHECK(test::run_and_stop("KILL", again, watch.seconds()) > 2);
  CHECK(test::read_file(directory / "killed" / "model.safetensors") ==
        test::read_file(directory / "whole" / "model.safetensors"));
}

TEST_CASE("text_classification parts one table by its labels, the same way for the same seed") {
  const test::TemporaryDirectory directory;
  const std::string data = "--data " + small_table(directory) + " --epochs 1 --model words --baselines off --predict ";
  const auto predicted = [&](const char* name, const char* seed) {
    const std::string path = (directory / name).string();
    const Outcome outcome = run(data + path + " --seed " + seed);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(outcome.output.find("32 texts to train on, 4 to choose by") != std::string::npos);
    CHECK(outcome.output.find("Naive Bayes") == std::string::npos);
    return test::read_file(path);
  };
  const std::string first = predicted("first", "1");
  CHECK(first == predicted("second", "1"));
  CHECK(first != predicted("third", "2"));
}

TEST_CASE("text_classification: mistakes are one line with file and line") {
  const test::TemporaryDirectory directory;
  const std::string small = small_table(directory);
  const auto file = [&](const char* name, const std::string& text) {
    test::write_file(directory / name, text);
    return (directory / name).string();
  };
  check_error(all_three(file("three.tsv", "a\tone\nb\ttwo\tthree\n")), "three.tsv:2:");
  check_error(all_three(file("label.tsv", "a\tone\n\ttwo\n")), "label.tsv:2: column \"label\"");
  check_error(all_three(file("empty.tsv", "")), "empty.tsv");
  check_error(all_three(file("single.tsv", "a\tone\na\ttwo\n")), "all texts have one label");
  check_error("--train " + small + " --test " + small + " --dev " + file("other.tsv", "good\tone\nugly\ttwo\n"),
              "other.tsv:2: column \"label\"");
  check_error("--train /nowhere.tsv", "/nowhere.tsv");
  check_error("--data " + small + " --test " + small, "--test");
  check_error("--model crystal_ball", "--model");
  check_error(all_three(small) + " --predict " + small, "--predict");
}
