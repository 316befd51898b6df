// The command line that all example programs share.

#include "../../examples/command_line.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "examples/program.h"
#include "support/files.h"

using namespace saw;
using namespace saw::examples;

namespace {

struct Parsed {
  CommonOptions options;
  std::int64_t width = 8;
  std::string effective;
  train::RunOptions run;
  int status = 0;
  bool ran = false;
};

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed parsed;
  CommandLine line("program", "Does something.", parsed.options);
  line.add({"--train", "--dev", "--test", "--epochs", "--seed", "--threads", "--save", "--load", "--resume",
            "--init-from", "--checkpoint-steps", "--metrics", "--report", "--tensorboard", "--predict", "--config"});
  line.choice("--model", parsed.options.model, "architecture", {"window", "attention"});
  line.number("--width", parsed.width, "of the model", 1, 100);
  std::vector<std::string> words{"program"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  parsed.status = line.run(static_cast<int>(argv.size()), argv.data(), [&] {
    parsed.ran = true;
    parsed.effective = line.effective();
    parsed.run = line.run_options();
  });
  return parsed;
}

/// What a program writes to standard error for these arguments. Uses pos_tagging, which ends before it reads anything.
std::string complaint(const std::string& arguments) {
  const test::Outcome outcome = test::run_command(SAW_EXAMPLES_DIRECTORY "/pos_tagging " + arguments + " </dev/null");
  CHECK(outcome.status == 1);
  CHECK(std::count(outcome.output.begin(), outcome.output.end(), '\n') == 1);
  return outcome.output;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("command line: what is not a value is refused by the option's name") {
  const std::string most = std::to_string(std::numeric_limits<std::int64_t>::max());
  CHECK(contains(complaint("--seed ''"), "--seed: \"\" is not a whole number from 0 to " + most));
  CHECK(contains(complaint("--seed 99999999999999999999"), "--seed: \"99999999999999999999\" is not a whole number"));
  for (const char* seed : {"-1", "1.5", "1e3", "' 1'", "0x1", "1x"})
    CHECK(contains(complaint("--seed=" + std::string(seed)), "--seed"));
  CHECK(contains(complaint("--epochs 0"), "--epochs: \"0\" is not a whole number from 1 to 1000000"));
  CHECK(contains(complaint("--threads 2000"), "--threads"));
  for (const char* name : {"--load", "--save", "--train", "--metrics", "--init-from", "--predict", "--config"}) {
    CAPTURE(name);
    CHECK(contains(complaint(std::string(name) + " ''"), std::string(name) + ": is empty"));
  }
  CHECK(contains(complaint("--model crystal_ball"), "--model"));
  CHECK(contains(complaint("--no-such"), "--no-such"));
}

TEST_CASE("command line: options that have no meaning together") {
  for (const char* other :
       {"--save x", "--resume", "--epochs 3", "--init-from x", "--train x", "--checkpoint-steps 5"}) {
    CAPTURE(other);
    const std::string text = complaint("--load x " + std::string(other));
    CHECK(contains(
        text, std::string(other).substr(0, std::string(other).find(' ')) + ": has no meaning together with --load"));
  }
  CHECK(contains(complaint("--resume"), "--resume: needs --save"));
  CHECK(contains(complaint("--checkpoint-steps 5"), "--checkpoint-steps: needs --save"));
}

TEST_CASE("command line: outputs are neither inputs nor each other, and nothing is touched") {
  const test::TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory / name).string(); };
  test::write_file(directory / "corpus", "text");
  std::filesystem::create_symlink("corpus", directory / "link");
  const std::string train = "--train " + path("corpus");
  CHECK(contains(complaint(train + " --metrics " + path("link")),
                 "--metrics: " + path("link") + ": the same file as --train"));
  CHECK(contains(complaint("--test " + path("corpus") + " --predict " + path("corpus")), "the same file as --test"));
  CHECK(contains(complaint("--metrics " + path("new") + " --predict " + path("new")), "the same file as --"));
  CHECK(contains(complaint("--save " + path("run") + " --metrics " + path("run/model.safetensors")), "--save: "));
  CHECK(contains(complaint("--config " + path("corpus") + " --metrics " + path("corpus")),
                 "--config: not a JSON object"));
  CHECK(contains(complaint("--metrics " + path("none/metrics")),
                 "--metrics: " + path("none/metrics") + ": cannot be written"));
  CHECK(test::read_file(directory / "corpus") == "text");
  CHECK(!std::filesystem::exists(directory / "new"));
  CHECK(!std::filesystem::exists(directory / "run"));
}

TEST_CASE("command line: --config gives options, the command line wins, and the effective ones can be given again") {
  const test::TemporaryDirectory directory;
  const std::string config = (directory / "config.json").string(), corpus = (directory / "corpus").string();
  test::write_file(corpus, "123456789");
  test::write_file(config, R"({"epochs": 3, "seed": 7, "model": "window", "width": "12", "train": ")" + corpus +
                               R"(", "save": ")" + (directory / "run").string() + R"(", "resume": true})");
  const Parsed parsed = parse({"--config", config, "--seed", "8"});
  REQUIRE(parsed.ran);
  CHECK(parsed.options.epochs == 3);
  CHECK(parsed.options.seed == 8);
  CHECK(parsed.options.model == "window");
  CHECK(parsed.width == 12);
  CHECK(parsed.options.resume);
  const auto effective = nlohmann::json::parse(parsed.effective);
  CHECK(effective == nlohmann::json{{"train", corpus},
                                    {"epochs", 3},
                                    {"seed", 8},
                                    {"save", (directory / "run").string()},
                                    {"model", "window"},
                                    {"width", 12}});
  test::write_file(config, parsed.effective);
  CHECK(parse({"--config", config}).effective == parsed.effective);

  CHECK(parsed.run.resume);
  const std::vector<std::pair<std::string, std::string>> arithmetic{{"--train", "crc cbf43926, 9 bytes"},
                                                                    {"--dev", ""},
                                                                    {"--epochs", "3"},
                                                                    {"--seed", "8"},
                                                                    {"--init-from", ""},
                                                                    {"--model", "window"},
                                                                    {"--width", "12"}};
  CHECK(parsed.run.arithmetic == arithmetic);
}

TEST_CASE("command line: a --config that is none is refused by what is wrong in it") {
  const test::TemporaryDirectory directory;
  const std::string config = (directory / "config.json").string();
  const auto refused = [&](const char* text) {
    test::write_file(config, text);
    return complaint("--config " + config);
  };
  CHECK(contains(refused("{\"epochs\": 0}"), "--epochs: \"0\""));
  CHECK(contains(refused("{\"epoch\": 3}"), "epoch"));
  CHECK(contains(refused("{\"epochs\": [3]}"), "epochs is neither"));
  CHECK(contains(refused("{\"save\": \"\"}"), "--save: is empty"));
  CHECK(contains(refused("{\"config\": \"x\"}"), "cannot name another"));
  CHECK(contains(refused("[]"), "not a JSON object"));
  CHECK(contains(refused("{"), "not a JSON object"));
  CHECK(contains(complaint("--config " + (directory / "none.json").string()), "none.json"));
}
