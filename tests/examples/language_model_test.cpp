// The program examples/language_model as a person runs it, and what it measures by hand.

#include <doctest/doctest.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "../../examples/language_results.h"
#include "examples/program.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
using namespace saw::examples;
using test::Outcome;
using Ids = std::vector<std::int64_t>;

namespace {

const std::string program = SAW_EXAMPLES_DIRECTORY "/language_model";

Outcome run(const std::string& arguments) { return test::run_command(program + " " + arguments); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Sentences of a few words: train, dev and test.
std::string small_texts(const test::TemporaryDirectory& directory, int count = 60) {
  const char* words[] = {"red", "dog", "sees", "cats", "now"};
  std::string arguments;
  int number = 0;
  for (const std::string part : {"train", "dev", "test"}) {
    std::string text;
    for (int i = 0; i < (part == "train" ? count : 6); ++i, ++number)
      text += std::string(words[number % 5]) + " " + words[number / 5 % 5] + " " + words[number / 25 % 5] + ".\n";
    test::write_file(directory / (part + ".txt"), text);
    arguments += "--" + part + " " + (directory / (part + ".txt")).string() + " ";
  }
  return arguments + "--threads 1 --width 32 ";
}

/// The numbers behind a name in the table.
std::vector<double> row_of(const std::string& output, const std::string& name) {
  std::istringstream line(
      output.substr(output.find("\n" + name + " ", output.find("bits per character")) + 1 + name.size()));
  std::vector<double> numbers;
  for (double number = 0; line.peek() != '\n' && line >> number;) numbers.push_back(number);
  return numbers;
}

}  // namespace

TEST_CASE("language model: n-grams by hand") {
  // One text "a"; the symbols are padding, unknown, begin 2, end 3, a 4.
  const std::vector<Ids> texts = {{4}};
  for (const std::int64_t largest : {2, 3}) {
    NgramModel model(texts, {.symbols = 5, .begin = 2, .end = 3, .order = largest});
    const auto p = [&](const Ids& before, std::int64_t symbol) {
      return std::exp(model.log_probability(before, symbol));
    };
    model.use(1, Smoothing::witten_bell);
    CHECK(p({}, 4) == doctest::Approx((1 + 2 * 0.25) / (2 + 2)));
    CHECK(model.bits(texts[0]) == doctest::Approx(-2 * std::log2(0.375)));
    CHECK(model.size() == 2);
    model.use(2, Smoothing::witten_bell);
    CHECK(p({}, 4) == doctest::Approx((1 + 0.375) / 2));
    CHECK(p({4}, 4) == doctest::Approx(0.375 / 2));
    CHECK(model.size() == 4);
    // Too few counts to estimate discounts: 0.5 of what was seen once.
    model.use(2, Smoothing::kneser_ney);
    CHECK(p({}, 4) == doctest::Approx(0.5 + 0.5 * (0.5 + 0.5 * 2 * 0.25) / 2));
    CHECK(p({4, 4, 4}, 3) == doctest::Approx(p({4}, 3)));
  }
}

TEST_CASE("language model: n-grams' probabilities add up to one, as the beam search asks for them too") {
  Generator generator(5);
  const RandomStream random(generator);
  std::vector<Ids> texts(60);
  std::uint64_t place = 0;
  const auto draw = [&] { return random.uniform(place++); };
  for (Ids& text : texts)
    for (std::size_t n = static_cast<std::size_t>(9 * draw()); n > 0; --n)
      text.push_back(3 + static_cast<std::int64_t>(7 * draw() * draw()));
  const std::int64_t symbols = 10, begin = 0, end = 1;
  NgramModel model(texts, {.symbols = symbols, .begin = begin, .end = end, .order = 5});
  const nn::SymbolModel asked = model.symbol_model();
  for (const Smoothing smoothing : {Smoothing::kneser_ney, Smoothing::witten_bell})
    for (std::int64_t order = 1; order <= 5; ++order) {
      model.use(order, smoothing);
      CHECK(model.options().order == order);
      for (const Ids& before : {Ids{}, Ids{3}, Ids{9, 9, 9, 9, 9}, Ids{3, 4, 3}, texts[3], texts[7]}) {
        double sum = 0.0;
        for (std::int64_t symbol = 0; symbol < symbols; ++symbol) {
          if (symbol == begin) continue;
          const double p = std::exp(model.log_probability(before, symbol));
          CHECK(p > 0.0);
          sum += p;
        }
        CHECK(sum == doctest::Approx(1.0).epsilon(1e-12));
        CHECK(asked(before, nn::end_of_sequence) == model.log_probability(before, end));
      }
    }
  // More context helps on what was counted.
  double before = 1e9;
  for (std::int64_t order = 1; order <= 4; ++order) {
    model.use(order, Smoothing::witten_bell);
    double bits = 0.0;
    for (const Ids& text : texts) bits += model.bits(text);
    CHECK(bits < before);
    before = bits;
  }
}

TEST_CASE("language model: bits per character of a model that knows nothing, and of unknown characters") {
  const LanguageTexts training{{"abab", "ab\xC3\xA9\xC3\xA9"}, 0}, texts{{"ab", "", "b\xC3\xA9x"}, 0};
  const TextUnits units = TextUnits::train("characters", training.texts, {.minimum_count = 2});
  CHECK(units.size() == 4 + 3);  // padding, unknown, begin, end; a, b, é
  const NumberedTexts numbered(texts, units);
  CHECK(numbered.characters == 2 + 3 + 3);  // with three ends
  for (const char* name : {"lstm", "transformer"}) {
    const auto model = make_language_model(name, {.units = 7, .width = 32, .layers = 1});
    for (const Tensor& parameter : model->parameters()) parameter.detach().fill_(0.0);
    const std::vector<double> bits = bits_of(*model, numbered, units);
    CHECK(bits[0] == doctest::Approx(3 * std::log2(7.0)).epsilon(1e-6));
    CHECK(bits[1] == doctest::Approx(std::log2(7.0)).epsilon(1e-6));
    CHECK(bits[2] == doctest::Approx(4 * std::log2(7.0) + std::log2(1112064.0)).epsilon(1e-6));
    CHECK(per_character(bits, numbered) == doctest::Approx((8 * std::log2(7.0) + std::log2(1112064.0)) / 8));
  }
}

TEST_CASE("language model: a text as it is written has the scores of the text at once") {
  const GeneratorGuard seeded(Generator(2));
  for (const char* name : {"lstm", "transformer"}) {
    const auto model = make_language_model(name, {.units = 9, .width = 32, .layers = 2});
    model->eval();
    const NoGradGuard no_grad;
    const Ids ids = {2, 5, 6, 7, 5};
    const Tensor at_once = model->forward(tensor(ids), Segments::single(5));
    const nn::NextScores next = model->writer(2);
    // The other text lies beside it, then in its place, then there is none.
    for (std::int64_t i = 0; i < 5; ++i) {
      const std::int64_t id = ids[static_cast<std::size_t>(i)];
      const Ids last = i < 2 ? Ids{4, id} : i == 2 ? Ids{id, 8} : Ids{id};
      const Ids from = i < 2 ? Ids{0, 1} : i == 2 ? Ids{1, 0} : Ids{0};
      const Tensor scores = next(last, from);
      CHECK(test::same_bits(scores.select(0, i < 2 ? 1 : 0).clone(), at_once.select(0, i).clone()));
    }
  }
}

TEST_CASE("language model: learns, is saved, loaded, measures and writes") {
  const test::TemporaryDirectory directory;
  const std::string data = small_texts(directory), model = (directory / "model").string();
  const std::string testing = " --test " + (directory / "test.txt").string();
  const Outcome trained = run(data + "--epochs 2 --save " + model);
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  CHECK(has(trained.output, "60 texts of "));
  CHECK(has(trained.output, "grams of characters, Kneser-Ney"));
  CHECK(has(trained.output, "grams of characters, Witten-Bell"));
  for (const std::string name : {"lstm", "transformer"}) {
    CAPTURE(name);
    const std::vector<double> row = row_of(trained.output, name);
    REQUIRE(row.size() == 4);  // parameters, seconds, dev, test
    CHECK(row[3] > 0.5);
    CHECK(row[3] < 6.5);
    // One model alone is the same one.
    const Outcome loaded = run("--load " + model + "/" + name + testing + " --predict " +
                               (directory / "bits.tsv").string() + " --sample 0");
    CAPTURE(loaded.output);
    REQUIRE(loaded.status == 0);
    const std::vector<double> again = row_of(loaded.output, name);
    REQUIRE(again.size() == 2);
    CHECK(again[1] == row[3]);
    std::istringstream lines(test::read_file(directory / "bits.tsv"));
    double bits = 0.0, all_bits = 0.0, characters = 0.0, all_characters = 0.0;
    std::string text;
    while (lines >> bits >> characters && std::getline(lines, text)) {
      CHECK(characters == static_cast<double>(text.size()));  // the tab before it for the end
      all_bits += bits, all_characters += characters;
    }
    CHECK(std::abs(all_bits / all_characters - row[3]) < 0.001);
    // What is written depends on the seed, not on how much is written.
    const std::string write = "--load " + model + "/" + name + " --longest 20 --threads 1 --prompt 'red d' ";
    const Outcome three = run(write + "--sample 3"), two = run(write + "--sample 2");
    CHECK(three.output.starts_with(two.output));
    CHECK(std::count(three.output.begin(), three.output.end(), '\n') == 3);
    CHECK(three.output.starts_with("red d"));
    CHECK(run(write + "--sample 3 --seed 2").output != three.output);
    const Outcome best = run(write + "--sample 2 --temperature 0"), first = run(write + "--sample 2 --top-k 1");
    CHECK(best.output == first.output);
    CHECK(best.output == run(write + "--sample 2 --top-p 0.000001").output);
  }
  // Both at once, of the folder that holds them; what is for one model says so.
  const Outcome both = run("--load " + model + testing + " --sample 0");
  CAPTURE(both.output);
  for (const std::string name : {"lstm", "transformer"})
    CHECK(row_of(both.output, name).at(1) == row_of(trained.output, name).at(3));
  const std::string page = (directory / "page.html").string(), metrics = (directory / "metrics.jsonl").string();
  CHECK(has(run("--load " + model + " --report " + page).output,
            "--report: is for one model; hint: --load " + model + "/lstm"));
  const Outcome reported =
      run("--load " + model + "/lstm" + testing + " --sample 0 --profile --report " + page + " --metrics " + metrics);
  CAPTURE(reported.output);
  CHECK(has(reported.output, "\ntest "));
  CHECK(has(test::read_file(page), "bits per character, test"));
  CHECK(test::read_file(metrics).starts_with("{\"final_test_bits\":"));
  CHECK(has(run("--load " + model + "/lstm --sample 0 --predict " + page + "2").output, "--predict: needs texts"));
  CHECK(run("--load " + model + "/lstm --prompt 'z\xC3\xBC' --sample 1 --longest 0").output == "z\xC3\xBC…\n");
  CHECK(run("--load " + model + "/lstm --prompt 'z\xC3\xBC' --sample 1 --longest 5").output.starts_with("z\xC3\xBC"));
  // A model goes on with its own units, whatever the texts.
  CHECK(run(data + "--epochs 1 --model lstm --init-from " + model + "/lstm").status == 0);
  // … and with its own size.
  const std::string from = "--epochs 1 --model lstm --sample 0 --threads 1 --init-from " + model + "/lstm --train " +
                           (directory / "train.txt").string() + " --dev " + (directory / "dev.txt").string();
  const Outcome sized = run(from);
  CAPTURE(sized.output);
  CHECK(sized.status == 0);
  CHECK(has(sized.output, "\n8 of 8 tensors taken\n"));
  CHECK(has(run(from + " --width 64").output, "has a width of 32; hint: --width 32"));
  for (const std::string other : {"--model transformer", "--model lstm --units subwords", "--model all"})
    CHECK(run(data + "--epochs 1 --init-from " + model + "/lstm " + other).status == 1);
}

TEST_CASE("language model: a file that says what cannot be is refused by its name") {
  const test::TemporaryDirectory directory;
  const std::string model = (directory / "model").string(), forged = (directory / "forged.safetensors").string();
  REQUIRE(run(small_texts(directory, 20) + "--epochs 1 --model lstm --sample 0 --save " + model).status == 0);
  const train::ModelFile good = train::load_model(model);
  const auto refused = [&](const train::ModelFile& file, const std::string& why) {
    train::save_model(forged, file);
    const Outcome outcome = run("--load " + forged);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "language_model: " + forged + why));
  };
  const auto with = [&](const char* option, const train::Setting& value) {
    train::ModelFile file = good;
    file.options[option] = value;
    return file;
  };
  for (const std::int64_t width : {-32, 0, 1, 33, 1 << 20})
    refused(with("width", width), ": option width is out of range; got " + std::to_string(width));
  for (const std::int64_t layers : {-1, 0, 1 << 30})
    refused(with("layers", layers), ": option layers is out of range; got " + std::to_string(layers));
  refused(with("units", std::string("syllables")), ", units: unknown units \"syllables\"; expected characters");
  train::ModelFile bare = good;
  bare.parts["units"] = data::Vocabulary({"a", "b"}).text();
  refused(bare, ", units: has no entry for ");
}

TEST_CASE("language model: killed and resumed, the same bytes at the end") {
  const test::TemporaryDirectory directory;
  const std::string common = small_texts(directory, 40) + "--epochs 3 --checkpoint-steps 2 --sample 0";
  const auto save = [&](const char* name) { return (directory / name).string(); };
  const train::Stopwatch watch;
  REQUIRE(run(common + " --save " + save("whole")).status == 0);
  const std::string again = program + " " + common + " --resume --save " + save("killed");
  CHECK(test::run_and_stop("KILL", again, watch.seconds()) > 2);
  for (const char* name : {"lstm", "transformer"})
    CHECK(test::read_file(directory / "killed" / name / "model.safetensors") ==
          test::read_file(directory / "whole" / name / "model.safetensors"));
}

TEST_CASE("language model: treebanks and sub-words") {
  const test::TemporaryDirectory directory;
  const std::string plain = (directory / "plain").string(), treebank = (directory / "treebank").string();
  std::string lines, sentences;
  for (int i = 0; i < 30; ++i) {
    const std::string last = i % 2 == 0 ? "cats" : "dogs";
    lines += (i % 3 == 0 ? "I  see " : "I see ") + last + ".\n";
    if (i % 3 == 0) sentences += "# text = I  see " + last + ".\n";
    sentences += "1\tI\t_\tPRON\t_\t_\t_\t_\t_\t_\n2\tsee\t_\tVERB\t_\t_\t_\t_\t_\t_\n3\t" + last +
                 "\t_\tNOUN\t_\t_\t_\t_\t_\tSpaceAfter=No\n4\t.\t_\tPUNCT\t_\t_\t_\t_\t_\t_\n\n";
  }
  test::write_file(plain, "\n" + lines + " \n");
  test::write_file(treebank, sentences);
  const std::string common = "--epochs 1 --model transformer --width 32 --threads 1 --sample 1 --data ";
  const auto table = [](const std::string& output) {
    const std::size_t at = output.find("transformer writes");
    return output.substr(at, output.find("\n\n", at) - at);
  };
  const Outcome of_lines = run(common + plain), of_treebank = run(common + treebank);
  CAPTURE(of_lines.output);
  REQUIRE(of_lines.status == 0);
  CHECK(has(of_lines.output, "24 texts of "));
  CHECK(table(of_lines.output) == table(of_treebank.output));
  if (!data::Subwords::available()) return;
  const Outcome pieces =
      run(common + plain + " --units subwords --pieces 300 --save " + (directory / "model").string());
  CAPTURE(pieces.output);
  REQUIRE(pieces.status == 0);
  for (const char* row : {"grams of characters, Kneser-Ney", "grams of subwords, Kneser-Ney"})
    CHECK(has(pieces.output, row));
  CHECK(run("--load " + (directory / "model").string() + " --prompt 'I  s' --sample 1").output.starts_with("I  s"));
}

TEST_CASE("language model: what cannot be read is named, or left out and counted") {
  const test::TemporaryDirectory directory;
  const std::string data = small_texts(directory, 20) + "--model lstm --epochs 1 ";
  const std::string train = (directory / "train.txt").string(), good = test::read_file(train);
  const auto refused = [&](const std::string& bytes, const std::string& why, int left_out = 1) {
    test::write_file(train, bytes);
    const Outcome outcome = run(data);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "language_model: " + train + why));
    CHECK_FALSE(has(outcome.output, "epoch"));
    if (left_out == 0) return;
    const Outcome skipped = run(data + "--skip-bad --sample 0");
    CAPTURE(skipped.output);
    CHECK(skipped.status == 0);
    CHECK(has(skipped.output, std::to_string(left_out) + " texts were left out"));
    CHECK(has(skipped.output, "20 texts of "));
  };
  refused(good + "bad \xFF bytes\n", ":21: invalid UTF-8; got byte 0xff in column 5");
  refused(good + std::string(50000, 'x') + "\n\xC3\n", ":21: the line is too long", 2);
  refused("", ": has no text", 0);
  refused(" \n\n", ": has no text", 0);
  std::string treebank;
  for (int i = 0; i < 20; ++i) treebank += "# text = saw\n1\tsaw\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n";
  refused(treebank + "1\tsaw\t_\n\n", ":61: wrong number of fields; got 3");
  refused(treebank + "1\tsaw\t_\tNOUN\t_\t_\t_\t_\t_\t_\xFF\n\n" + "# text = " + std::string(19999, 'x') +
              "\n1\tsaw\t_\tNOUN\t_\t_\t_\t_\t_\t_\n",
          ":61: invalid UTF-8", 2);
  test::write_file(train, good);
  test::write_file(directory / "dev.txt", "\n");
  CHECK(has(run(data).output, "dev.txt: has no text"));
  const auto wrong = [&](const std::string& arguments, const std::string& why) {
    const Outcome outcome = run(arguments);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.output, "language_model: " + why));
  };
  wrong("--train " + train, "--train: needs --dev");
  wrong("--test " + train, "--test: needs --train and --dev, or --load");
  wrong("--data " + train + " --test " + train, "--test: has no meaning together with --data");
  wrong("--report " + (directory / "page.html").string(), "--report: is for one model");
  wrong("--temperature -1", "--temperature: \"-1\" is not a number from 0 to 100");
  wrong("--width 100", "--width: is no multiple of 32");
  wrong("--top-p 0", "--top-p: \"0\" is not a number");
  wrong("--prompt '\xFF'", "--prompt: is not UTF-8");
  wrong("--load " + directory.path().string(), "");
}
