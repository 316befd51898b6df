// The program examples/pos_tagging as a person runs it.

#include <doctest/doctest.h>

#include <saw/data/safetensors.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "examples/program.h"
#include "saw/train/progress.h"
#include "support/files.h"
#include "support/tensors.h"

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/pos_tagging";
const std::string corpus = SAW_EXAMPLES_CORPUS;

using test::Outcome;

Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

/// A corpus small enough to train on in a moment.
std::string small_corpus(const test::TemporaryDirectory& directory) {
  std::string text;
  const auto sentence = [&](std::initializer_list<std::pair<const char*, const char*>> words) {
    int id = 0;
    for (const auto& [word, tag] : words)
      text += std::to_string(++id) + "\t" + word + "\t_\t" + tag + "\t_\t_\t_\t_\t_\t_\n";
    text += "\n";
  };
  for (int i = 0; i < 20; ++i) {
    sentence({{"I", "PRON"}, {"saw", "VERB"}, {"a", "DET"}, {"dog", "NOUN"}});
    sentence({{"He", "PRON"}, {"took", "VERB"}, {"a", "DET"}, {"saw", "NOUN"}});
  }
  test::write_file(directory / "small.conllu", text);
  return (directory / "small.conllu").string();
}

std::string all_three(const std::string& file) { return "--train " + file + " --dev " + file + " --test " + file; }

void check_one_line_error(const std::string& arguments, const std::string& part) {
  CAPTURE(arguments);
  const Outcome outcome = run(arguments);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 1);
  // What the program prints before it finds the error may stand above it; the error itself is the last line.
  std::string last, line;
  std::istringstream lines(outcome.output);
  while (std::getline(lines, line)) last = line;
  CHECK(last.rfind("pos_tagging: ", 0) == 0);
  CHECK(last.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("pos_tagging learns its own corpus, and the two saws of the sentence apart") {
  if (test::sanitized()) return;  // minutes; the other cases run the same code
  const Outcome outcome = run("--tag 'I saw a saw'");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.output.find("I/PRON saw/VERB a/DET saw/NOUN") != std::string::npos);
  const auto at = outcome.output.find("\ntest ");
  REQUIRE(at != std::string::npos);
  CHECK(std::strtod(outcome.output.c_str() + at + 6, nullptr) > 90.0);
}

TEST_CASE("pos_tagging: what only the end of a run needs is looked at before it") {
  const test::TemporaryDirectory directory;
  const std::string small = small_corpus(directory);
  test::write_file(directory / "file", "in the way");
  const std::string training = "--epochs 1 --model position --train " + small + " --dev " + small;
  test::write_file(directory / "other.conllu", "1\tOh\t_\tINTJ\t_\t_\t_\t_\t_\t_\n\n");  // a tag without a model
  for (const std::string& mistake :
       {" --test " + (directory / "none.conllu").string(), " --test " + (directory / "other.conllu").string(),
        " --test " + small + " --save " + (directory / "file").string()}) {
    const Outcome outcome = run(training + mistake);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(outcome.output.find("epoch") == std::string::npos);
  }
}

TEST_CASE("pos_tagging: the position model must give both saws one tag") {
  const test::TemporaryDirectory directory;
  const Outcome outcome = run(all_three(small_corpus(directory)) + " --epochs 2 --model position --tag 'saw a saw'");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  const bool verbs = outcome.output.find("saw/VERB a/DET saw/VERB") != std::string::npos;
  const bool nouns = outcome.output.find("saw/NOUN a/DET saw/NOUN") != std::string::npos;
  const bool others =
      outcome.output.find("saw/PRON a/") != std::string::npos && outcome.output.find(" saw/PRON") != std::string::npos;
  const bool determiners =
      outcome.output.find("saw/DET a/") != std::string::npos && outcome.output.find(" saw/DET") != std::string::npos;
  CHECK((verbs || nouns || others || determiners));
}

TEST_CASE("pos_tagging saves, loads, tags standard input, and writes metrics") {
  const test::TemporaryDirectory directory;
  const std::string model = (directory / "model").string(), metrics = (directory / "run.jsonl").string();
  const Outcome trained =
      run(all_three(small_corpus(directory)) + " --epochs 6 --seed 3 --save " + model + " --metrics " + metrics);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);

  std::istringstream lines(test::read_file(metrics));
  std::string line;
  std::vector<nlohmann::json> records;
  while (std::getline(lines, line)) records.push_back(nlohmann::json::parse(line));
  REQUIRE(records.size() == 7);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(records[i]["epoch"] == i + 1);
    for (const char* key : {"train_loss", "dev_accuracy", "seconds", "words_per_second"})
      CHECK(records[i][key].is_number());
  }
  for (const char* key : {"test_accuracy", "parameters", "peak_bytes", "seconds"}) CHECK(records[6][key].is_number());

  test::write_file(directory / "text", "I saw a dog\n\nHe took a saw\n");
  const Outcome tagged = run("--load " + model + " < " + (directory / "text").string());
  CAPTURE(tagged.output);
  CHECK(tagged.status == 0);
  CHECK(tagged.output == "I/PRON saw/VERB a/DET dog/NOUN\n\nHe/PRON took/VERB a/DET saw/NOUN\n");
}

TEST_CASE("pos_tagging --crf decides the tags of a sentence together, and its model file says so") {
  const test::TemporaryDirectory directory;
  const std::string small = small_corpus(directory), model = (directory / "model").string();
  const std::string report = (directory / "report.html").string(), predicted = (directory / "predicted").string();
  // The model of single words cannot tell the two saws apart; the order of tags can.
  const Outcome trained = run(all_three(small) + " --epochs 30 --model position --crf --save " + model + " --report " +
                              report + " --predict " + predicted + " --tag 'He took a saw'");
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(trained.output.find("test 100.00 %") != std::string::npos);
  CHECK(trained.output.find("He/PRON took/VERB a/DET saw/NOUN") != std::string::npos);
  CHECK(test::read_file(predicted).find("saw\tVERB\tVERB\n") != std::string::npos);
  CHECK(test::read_file(predicted).find("saw\tNOUN\tNOUN\n") != std::string::npos);

  const auto file = saw::data::load_safetensors(model + "/model.safetensors");
  for (const char* name : {"crf.transitions", "crf.start_transitions", "crf.end_transitions"}) {
    const bool is_there =
        std::any_of(file.tensors.begin(), file.tensors.end(), [&](const auto& tensor) { return tensor.first == name; });
    CHECK_MESSAGE(is_there, name);
  }
  test::write_file(directory / "text", "I saw a dog\nHe took a saw\n");
  const Outcome tagged = run("--load " + model + " < " + (directory / "text").string());
  CHECK(tagged.output == "I/PRON saw/VERB a/DET dog/NOUN\nHe/PRON took/VERB a/DET saw/NOUN\n");

  // Without the option the same words get one tag each; with it the weights of a model without are taken over.
  const std::string plain = (directory / "plain").string();
  const Outcome without = run(all_three(small) + " --epochs 30 --model position --save " + plain);
  CHECK(without.output.find("test 100.00 %") == std::string::npos);
  const Outcome started = run(all_three(small) + " --epochs 1 --model position --crf --init-from " + plain);
  CHECK(started.status == 0);
  CHECK(started.output.find("5 of 8 tensors taken; not in the file: crf.") != std::string::npos);
}

TEST_CASE("pos_tagging: two runs with one seed save the same bytes, and so do 1 and 2 threads") {
  const test::TemporaryDirectory directory;
  const std::string file = small_corpus(directory);
  const auto weights = [&](const std::string& name, int threads) {
    const std::string folder = (directory / name).string();
    const Outcome outcome =
        run(all_three(file) + " --epochs 2 --threads " + std::to_string(threads) + " --save " + folder);
    CAPTURE(outcome.output);
    REQUIRE(outcome.status == 0);
    return test::read_file(folder + "/model.safetensors");
  };
  const std::string first = weights("first", 2);
  CHECK(first == weights("second", 2));
  CHECK(first == weights("third", 1));
}

TEST_CASE("pos_tagging: errors are one line and status 1") {
  const test::TemporaryDirectory directory;
  const std::string file = small_corpus(directory);
  test::write_file(directory / "empty.conllu", "");
  test::write_file(directory / "fields.conllu", "1\tI\tPRON\n\n");
  test::write_file(directory / "tag.conllu", "1\tHello\t_\tINTJ\t_\t_\t_\t_\t_\t_\n\n");
  check_one_line_error("--epochs 0", "--epochs");
  check_one_line_error("--model crystal_ball", "--model");
  check_one_line_error("--train /nowhere.conllu", "/nowhere.conllu");
  check_one_line_error(all_three((directory / "empty.conllu").string()), "empty.conllu");
  check_one_line_error(all_three((directory / "fields.conllu").string()), "fields.conllu:1:");
  // a tag that training never saw
  check_one_line_error("--train " + file + " --epochs 1 --dev " + (directory / "tag.conllu").string(), "tag.conllu:1:");
  check_one_line_error("--load " + (directory / "nothing").string(), "nothing");
  check_one_line_error("--epochs 1 --metrics /nowhere/run.jsonl", "/nowhere/run.jsonl");
  check_one_line_error(all_three(file) + " --epochs 1 --save /proc/nothing", "/proc/nothing");
}

TEST_CASE("pos_tagging: stopped and killed, resumed, and the same bytes at the end") {
  const test::TemporaryDirectory directory;
  const std::string common = all_three(small_corpus(directory)) + " --epochs 8 --model window --checkpoint-steps 3";
  const auto save = [&](const char* name) { return (directory / name).string(); };
  const auto model = [&](const char* name) { return test::read_file(directory / name / "model.safetensors"); };
  const saw::train::Stopwatch watch;
  REQUIRE(run(common + " --save " + save("whole")).status == 0);
  const double seconds = watch.seconds();
  for (const char* signal : {"KILL", "TERM"}) {
    const std::string again = common + " --resume --save " + save(signal);
    CHECK(test::run_and_stop(signal, program + " " + again, seconds) > 2);
    CHECK(model(signal) == model("whole"));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(save(signal)))
      CHECK(entry.path().string().find(".tmp.") == std::string::npos);
    const Outcome finished = run(again);
    CHECK(finished.status == 0);
    CHECK(finished.output.find("finished before, at step") != std::string::npos);
  }
  const Outcome other = run(common + " --resume --seed 2 --save " + save("whole"));
  CHECK(other.status == 1);
  CHECK(other.output.find("--seed: was 1, is 2") != std::string::npos);
}

TEST_CASE("pos_tagging: sentences and words that nobody could have written are refused with their line") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "long.conllu").string();
  std::string sentence;
  for (int i = 1; i <= 5001; ++i) sentence += std::to_string(i) + "\tno\t_\tINTJ\t_\t_\t_\t_\t_\t_\n";
  test::write_file(path, "1\tyes\t_\tINTJ\t_\t_\t_\t_\t_\t_\n\n" + sentence + "\n");
  CHECK(run("--train " + path).output.find(path + ":3: the sentence is too long; got 5001; expected at most 5000") !=
        std::string::npos);
  test::write_file(path, "1\t" + std::string(1001, 'n') + "\t_\tINTJ\t_\t_\t_\t_\t_\t_\n\n");
  CHECK(run("--dev " + path).output.find(path + ":1: a word of the sentence is too long; got 1001") !=
        std::string::npos);
}

TEST_CASE("pos_tagging: the other models and an ensemble are trained, saved and loaded") {
  const test::TemporaryDirectory directory;
  const std::string small = small_corpus(directory), folder = (directory / "model").string();
  const auto test_line = [](const std::string& output) {
    const auto at = output.find("\ntest ") == std::string::npos ? output.find("test ") : output.find("\ntest ") + 1;
    REQUIRE(at != std::string::npos);
    return output.substr(at, output.find(';', at) - at);  // what follows is the time
  };
  for (const std::string options : {"--epochs 3 --model bilstm", "--epochs 3 --model transformer",
                                    "--epochs 30 --model position --crf --ensemble 2"}) {
    CAPTURE(options);
    const Outcome trained = run(all_three(small) + " " + options + " --save " + folder);
    CAPTURE(trained.output);
    REQUIRE(trained.status == 0);
    const Outcome loaded = run("--load " + folder + " --test " + small);
    CAPTURE(loaded.output);
    REQUIRE(loaded.status == 0);
    CHECK(test_line(loaded.output) == test_line(trained.output));
    if (options.find("ensemble") != std::string::npos)
      check_one_line_error(all_three(small) + " --epochs 1 --model position --crf --init-from " + folder,
                           "has 2 tagger(s); give this --ensemble 2");
    std::filesystem::remove_all(folder);
  }
}

TEST_CASE("pos_tagging: a saved model that was changed is refused by name") {
  const test::TemporaryDirectory directory;
  const std::string small = small_corpus(directory), folder = (directory / "model").string();
  REQUIRE(run(all_three(small) + " --epochs 1 --model window --save " + folder).status == 0);
  const std::string path = folder + "/model.safetensors", tag = " --tag 'I saw a saw'";
  CHECK(run("--load " + path + tag).status == 0);
  const auto good = saw::data::load_safetensors(path);
  const auto refused = [&](const char* key, const char* value) {
    auto metadata = good.metadata;
    metadata[key] = value;
    saw::data::save_safetensors(path, good.tensors, metadata);
    const Outcome outcome = run("--load " + folder + tag);
    CHECK(outcome.status == 1);
    return outcome.output;
  };
  CHECK(refused("part.words", "dog\n").find(path + ": part.words was changed") != std::string::npos);
  CHECK(refused("model", "crystal_ball").find("model") != std::string::npos);
  CHECK(refused("format", "another").find("not a model of saw") != std::string::npos);
}

TEST_CASE("pos_tagging starts from a model, with other tags, and writes what it predicts") {
  const test::TemporaryDirectory directory;
  const std::string small = small_corpus(directory), first = (directory / "first").string();
  REQUIRE(run(all_three(small) + " --epochs 6 --model window --save " + first).status == 0);
  std::string text = test::read_file(small);
  for (std::size_t at; (at = text.find("PRON")) != std::string::npos;) text.replace(at, 4, "X");
  test::write_file(directory / "other.conllu", text);
  const std::string predicted = (directory / "predicted").string();
  const Outcome same = run(all_three(small) + " --epochs 1 --model window --init-from " + first);
  CHECK(same.output.find("5 of 5 tensors taken\n") != std::string::npos);
  const Outcome other = run(all_three((directory / "other.conllu").string()) +
                            " --epochs 4 --model window --init-from " + first + " --predict " + predicted);
  CAPTURE(other.output);
  CHECK(other.status == 0);
  CHECK(other.output.find("3 of 5 tensors taken; other labels: tags.weight, tags.bias\n") != std::string::npos);
  CHECK(test::read_file(predicted).rfind("I\tX\tX\nsaw\tVERB\tVERB\na\tDET\tDET\ndog\tNOUN\tNOUN\n\nHe\tX\t", 0) == 0);
}

TEST_CASE("pos_tagging: long input is cut into pieces with a note, or refused with its line") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "model").string();
  REQUIRE(run(all_three(small_corpus(directory)) + " --epochs 1 --save " + folder).status == 0);
  std::string words;
  for (int i = 0; i < 2000; ++i) words += "saw ";
  test::write_file(directory / "text", "I saw\n" + words + "\n");
  const Outcome cut = run("--load " + folder + " < " + (directory / "text").string());
  CHECK(cut.status == 0);
  CHECK(cut.output.find("standard input:2: 2000 words are tagged in pieces of 500\n") != std::string::npos);
  test::write_file(directory / "text", "I saw\n" + std::string(5000, 'x') + "\n");
  CHECK(run("--load " + folder + " < " + (directory / "text").string())
            .output.find("standard input:2: a word is too long; got 5000 bytes") != std::string::npos);
  test::write_file(directory / "text", std::string(2000000, 'x') + "\n");
  CHECK(run("--load " + folder + " < " + (directory / "text").string())
            .output.find("standard input:1: the line is too long") != std::string::npos);
}
