#include <doctest/doctest.h>
#include <saw/saw.h>

#include <filesystem>
#include <limits>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;

namespace {

struct Net : nn::Module {
  nn::Linear& hidden = child<nn::Linear>("hidden", 2, 3);
  nn::Linear& tags;
  explicit Net(std::int64_t labels = 4) : tags(child<nn::Linear>("tags", 3, labels)) {}
};

train::ModelFile described(const Net& net) {
  return {.model = "net",
          .options = {{"width", 3}, {"rate", 0.5}, {"deep", true}, {"name", "a \"name\""}},
          .parts = {{"words", "the\nGr\u00fc\u00dfe\n"}, {"pieces", std::string("\xff\x00\x01", 3)}, {"none", ""}},
          .weights = net.state_dict()};
}

bool equal_states(const StateDict& a, const StateDict& b) {
  for (const auto& [name, tensor] : a) {
    const Tensor other = find_tensor(b, name);
    if (!other.defined() || other.to_vector<float>() != tensor.to_vector<float>()) return false;
  }
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("model file: architecture, options, parts and weights come back, from the file and from its folder") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "model.safetensors").string();
  const Net net;
  train::save_model(path, described(net));
  for (const std::string& from : {path, directory.path().string()}) {
    const train::ModelFile file = train::load_model(from);
    CHECK(std::filesystem::equivalent(file.path, path));
    file.check_model({"other", "net"});
    CHECK(file.integer("width") == 3);
    CHECK(file.number("width") == 3.0);
    CHECK(file.number("rate") == 0.5);
    CHECK(file.flag("deep"));
    CHECK(file.text("name") == "a \"name\"");
    CHECK(file.parts == described(net).parts);
    Net copy;
    file.load_into(copy);
    CHECK(equal_states(copy.state_dict(), net.state_dict()));
  }
  const std::string bytes = test::read_file(path);
  train::ModelFile again = train::load_model(path);
  train::save_model(path, again);
  CHECK(test::read_file(path) == bytes);
  CHECK(data::load_safetensors(path).tensors.size() == 4);  // what any reader sees
}

TEST_CASE("model file: what is not there or not what it should be is named with the file") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "model.safetensors").string();
  train::save_model(path, described(Net()));
  const train::ModelFile file = train::load_model(path);
  const auto text = [&](auto call) { return test::error_text(ErrorKind::io, call); };
  CHECK(text([&] {
          file.check_model({"attention", "window"});
        }) == path + ": model=\"net\" is not known; expected one of attention, window");
  CHECK(text([&] { file.integer("heads"); }) == path + ": the model has no option \"heads\"");
  CHECK(text([&] { file.integer("rate"); }) == path + ": option \"rate\" is not an integer");
  CHECK(text([&] { file.part("tags"); }) == path + ": the model has no part \"tags\"");
  Net other(5);
  const std::string misfit = text([&] { file.load_into(other); });
  CHECK(misfit.rfind(path + ": load_state_dict", 0) == 0);
  CHECK(misfit.find("tags.weight") != std::string::npos);
}

TEST_CASE("model file: parts that were changed are refused by name") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "model.safetensors").string();
  train::save_model(path, described(Net()));
  const data::SafetensorsFile good = data::load_safetensors(path);
  const auto refused = [&](const data::SafetensorsFile& file) {
    data::save_safetensors(path, file.tensors, file.metadata);
    return test::error_text(ErrorKind::io, [&] { train::load_model(path); });
  };
  const auto with = [&](const std::string& key, const std::string& value) {
    data::SafetensorsFile file = good;
    file.metadata[key] = value;
    return file;
  };
  CHECK(refused(with("part.words", "the\nother\n")).rfind(path + ": part.words was changed", 0) == 0);
  CHECK(refused(with("bytes.pieces", "AAAA")).find("part.pieces was changed") != std::string::npos);
  CHECK(refused(with("bytes.pieces", "A\x01?=")).find("is damaged: not base 64") != std::string::npos);
  CHECK(refused(with("options", "{\"width\":4}")).find("options was changed") != std::string::npos);
  CHECK(refused(with("options", "[]")).find("options cannot be read") != std::string::npos);
  CHECK(refused(with("model", "window")).find("model was changed") != std::string::npos);
  CHECK(refused(with("part.more", "x")).find("part.more was changed") != std::string::npos);
  CHECK(refused(with("hashes", "1")).find("hashes cannot be read") != std::string::npos);
  data::SafetensorsFile without = good;
  without.metadata.erase("part.words");
  CHECK(refused(without).find("\"part.words\" is missing") != std::string::npos);
  data::SafetensorsFile moved = good;
  moved.tensors[0].second = moved.tensors[0].second + 1.0;
  CHECK(refused(moved).find("weights was changed") != std::string::npos);
  data::SafetensorsFile nan = good;
  nan.tensors[1].second = nan.tensors[1].second * std::numeric_limits<double>::quiet_NaN();
  CHECK(refused(nan) == path + ": weight \"hidden.weight\" is NaN or infinite");
  CHECK(refused({.tensors = good.tensors, .metadata = {}}).find("nothing says what they belong to") !=
        std::string::npos);
  CHECK(refused({.tensors = good.tensors, .metadata = {{"model", "window"}}}).find("version 0.1") != std::string::npos);
  CHECK(refused(with("format", "saw model 2")).find("another version") != std::string::npos);
  CHECK(refused(with("format", "saw checkpoint 1")).find("it is a checkpoint") != std::string::npos);
  data::save_safetensors(path, good.tensors, good.metadata);
  train::load_model(path);  // as it was it is good again
}

TEST_CASE("model file and checkpoint: whatever the metadata says, it is read or refused as a file") {
  const test::TemporaryDirectory directory;
  const std::string model = (directory / "model.safetensors").string(), checkpoint = (directory / "c").string();
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const std::vector<std::string> values{"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "null",
                                        "1e999",
                                        "{\"width\":null}",
                                        "{\"width\":[1]}",
                                        "{\"width\":18446744073709551615}",
                                        "{\"width\":1e999}",
                                        "[1]",
                                        "[\"a\",\"a\"]",
                                        "{\"width\":" + deep + "}",
                                        deep,
                                        "-1",
                                        "99999999999999999999",
                                        "\x1b[31m"};
  train::save_model(model, described(Net()));
  train::save_checkpoint(checkpoint, {.step = 3, .parts = {{"a", {{"b", ones({2})}}}}, .notes = {{"n", "text"}}});
  for (const std::string& path : {model, checkpoint}) {
    const data::SafetensorsFile good = data::load_safetensors(path);
    for (const auto& [key, text] : good.metadata) {
      for (const std::string& value : values) {
        if (value == text) continue;
        data::SafetensorsFile file = good;
        file.metadata[key] = value;
        data::save_safetensors(path, file.tensors, file.metadata);
        CAPTURE(value);
        CHECK(test::kind_of([&] { train::load_model(path); }) == ErrorKind::io);
        CHECK(test::kind_of([&] { train::load_checkpoint(path); }) == ErrorKind::io);
      }
    }
  }
}

TEST_CASE("model file: NaN is not saved, and the file that is there stays") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "model.safetensors").string();
  train::save_model(path, described(Net()));
  const std::string before = test::read_file(path);
  Net net;
  {
    const NoGradGuard no_grad;
    net.tags.bias.copy_(full({4}, std::numeric_limits<double>::infinity()));
  }
  CHECK(test::error_text(ErrorKind::argument, [&] { train::save_model(path, described(net)); }) ==
        path + ": the model is not saved: weight \"tags.bias\" is NaN or infinite");
  CHECK(test::read_file(path) == before);
}

TEST_CASE("initialise_from takes what fits and lists the rest") {
  const Net source(4);
  Net model(5);
  const StateDict before = model.snapshot();
  StateDict weights = source.state_dict();
  weights.emplace_back("old.weight", ones({1}));
  const train::Initialised result = train::initialise_from(weights, model.state_dict());
  CHECK(result.taken == std::vector<std::string>{"hidden.weight", "hidden.bias"});
  CHECK(result.other_shape.size() == 2);
  CHECK(result.unused == std::vector<std::string>{"old.weight"});
  CHECK(result.missing.empty());
  CHECK(result.text().rfind("2 of 4 tensors taken; of another shape: tags.weight (got float32", 0) == 0);
  CHECK(model.hidden.weight.to_vector<float>() == source.hidden.weight.to_vector<float>());
  CHECK(model.tags.weight.to_vector<float>() == find_tensor(before, "tags.weight").to_vector<float>());

  Net same(4);
  const StateDict fresh = same.snapshot();
  const auto skipped = train::initialise_from(source.state_dict(), same.state_dict(), {"tags.*"});
  CHECK(skipped.skipped == std::vector<std::string>{"tags.weight", "tags.bias"});
  CHECK(same.tags.bias.to_vector<float>() == find_tensor(fresh, "tags.bias").to_vector<float>());
  CHECK(test::kind_of([&] { train::initialise_from({{"x", ones({1})}}, model.state_dict()); }) == ErrorKind::argument);
}
