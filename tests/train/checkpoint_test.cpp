#include <doctest/doctest.h>
#include <saw/saw.h>

#include <filesystem>
#include <limits>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;

namespace {

Tensor numbers(const std::vector<double>& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}); }

/// As data::Batches, which has a position instead of a StateDict.
struct Stream {
  struct Position {
    std::int64_t epoch = 0, batch = 0;
  };
  Position at;
  Position position() const { return at; }
  void restore(const Position& position) { at = position; }
};

train::Checkpoint small(std::int64_t step) {
  return {.step = step,
          .parts = {{"model", {{"a.weight", numbers({1.5, -2.0})}, {"b/c", tensor(std::vector<std::int64_t>{3}, {})}}},
                    {"empty", {}}},
          .notes = {{"options", "{\"--seed\":\"1\"}"}}};
}

}  // namespace

TEST_CASE("checkpoint: what is saved comes back, and the same gives the same bytes") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "a.safetensors").string();
  train::save_checkpoint(path, small(7));
  const train::Checkpoint back = train::load_checkpoint(path);
  CHECK(back.step == 7);
  CHECK(back.notes == small(7).notes);
  REQUIRE(back.parts.size() == 2);
  CHECK(back.parts.at("empty").empty());
  CHECK(find_tensor(back.parts.at("model"), "a.weight").to_vector<double>() == std::vector<double>{1.5, -2.0});
  CHECK(find_tensor(back.parts.at("model"), "b/c").item() == 3);
  train::save_checkpoint((directory / "b.safetensors").string(), back);
  CHECK(test::read_file(directory / "a.safetensors") == test::read_file(directory / "b.safetensors"));
}

TEST_CASE("checkpoint: no bit may change and no byte be missing") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "a.safetensors").string();
  train::save_checkpoint(path, small(7));
  const std::string bytes = test::read_file(path);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      test::write_file(path, changed);
      CAPTURE(i);
      CAPTURE(bit);
      const std::string text = test::error_text(ErrorKind::io, [&] { train::load_checkpoint(path); });
      CHECK(text.rfind(path, 0) == 0);
    }
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    test::write_file(path, bytes.substr(0, size));
    CHECK(test::kind_of([&] { train::load_checkpoint(path); }) == ErrorKind::io);
  }
  test::write_file(path, bytes + '\0');
  CHECK(test::kind_of([&] { train::load_checkpoint(path); }) == ErrorKind::io);
}

TEST_CASE("checkpoint: another file of the same format is refused by what it is") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "model.safetensors").string();
  data::save_safetensors(path, {{"weight", numbers({1})}});
  CHECK(test::error_text(ErrorKind::io, [&] { train::load_checkpoint(path); }) ==
        path + ": not a checkpoint of saw: its metadata does not say that it is one");
  data::save_safetensors(path, {{"weight", numbers({1})}}, {{"format", "saw checkpoint 9"}});
  CHECK(test::error_text([&] { train::load_checkpoint(path); }).find("another version") != std::string::npos);
  data::save_safetensors(path, {{"weight", numbers({1})}}, {{"format", "saw checkpoint 1"}});
  CHECK(test::error_text([&] { train::load_checkpoint(path); }).find("no checksum") != std::string::npos);
}

TEST_CASE("checkpoint folder: the last ones stay, and later ones of an abandoned run go") {
  const test::TemporaryDirectory directory;
  const train::CheckpointFolder folder((directory / "checkpoints").string(), 2);
  CHECK(folder.steps().empty());
  CHECK(!folder.load_newest({}).has_value());
  for (const std::int64_t step : {5, 10, 15}) folder.save(small(step));
  CHECK(folder.steps() == std::vector<std::int64_t>{10, 15});
  folder.save(small(12));
  CHECK(folder.steps() == std::vector<std::int64_t>{10, 12});
  CHECK(folder.load_newest({})->step == 12);
  test::write_file(folder.path() + "/step-12.safetensors", "another name");
  CHECK(folder.steps() == std::vector<std::int64_t>{10, 12});
  folder.clear();
  CHECK(folder.steps().empty());
  CHECK(test::kind_of([] { train::CheckpointFolder("x", 0); }) == ErrorKind::argument);
}

TEST_CASE("checkpoint folder: in place of a damaged one the one before is taken, and a line says so") {
  const test::TemporaryDirectory directory;
  const train::CheckpointFolder folder((directory / "checkpoints").string(), 3);
  for (const std::int64_t step : {5, 10, 15}) folder.save(small(step));
  std::vector<std::string> lines;
  const auto say = [&](const std::string& line) { lines.push_back(line); };
  const std::string newest = test::read_file(folder.file(15));
  test::write_file(folder.file(15), newest.substr(0, newest.size() / 2));
  test::write_file(folder.file(10), test::read_file(folder.file(5)));  // whole, but of another step
  const auto taken = folder.load_newest(say);
  REQUIRE(taken.has_value());
  CHECK(taken->step == 5);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].rfind(folder.file(15), 0) == 0);
  CHECK(lines[0].find("; taking the one before, of step 10") != std::string::npos);
  CHECK(lines[1].find("of another step") != std::string::npos);

  SUBCASE("where none can be read, nothing begins anew by itself") {
    test::write_file(folder.file(5), "");
    const std::string text = test::error_text(ErrorKind::io, [&] { folder.load_newest(say); });
    CHECK(text.find("none of the 3 checkpoints can be read") != std::string::npos);
  }
  SUBCASE("whoever looks at one may refuse it, for reasons of files alone") {
    folder.save(small(6));
    CHECK(folder
              .load_newest(say,
                           [](const train::Checkpoint& checkpoint) {
                             if (checkpoint.step == 6) throw Error(ErrorKind::io, "best.safetensors: gone");
                           })
              ->step == 5);
    CHECK(test::kind_of([&] {
            folder.load_newest(say, [](const train::Checkpoint&) { throw Error(ErrorKind::shape, "a defect"); });
          }) == ErrorKind::shape);
  }
}

TEST_CASE("states: numbers, texts, generators, functions and what has a state_dict") {
  std::int64_t count = 3;
  double share = 0.1;
  std::string text("a\0b, and more than eight bytes", 30), empty;
  std::vector<double> values{1, 2}, none;
  std::vector<std::int64_t> ids{4};
  Generator generator(~std::uint64_t{0}, 5);
  train::EarlyStopping stopping;
  int called = 0;
  Stream stream;
  stream.at = {3, 4};
  train::States states;
  states.track("stream", stream);
  states.track("count", count);
  states.track("share", share);
  states.track("text", text);
  states.track("empty", empty);
  states.track("values", values);
  states.track("none", none);
  states.track("ids", ids);
  states.track("generator", generator);
  states.track("stopping", stopping);
  states.track("own", train::State{[] { return StateDict(); }, [&](const StateDict&) { ++called; }});
  stopping.update(2, 0.5);
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "a.safetensors").string();
  train::save_checkpoint(path, {.step = 1, .parts = states.save()});
  count = 0, share = 0, text = "x", empty = "y", values = {}, none = {1}, ids = {};
  generator = Generator(1);
  stopping = train::EarlyStopping();
  stream.at = {};
  states.load(train::load_checkpoint(path).parts);
  CHECK(count == 3);
  CHECK(share == 0.1);
  CHECK(text == std::string("a\0b, and more than eight bytes", 30));
  CHECK(empty.empty());
  CHECK(values == std::vector<double>{1, 2});
  CHECK(none.empty());
  CHECK(ids == std::vector<std::int64_t>{4});
  CHECK(generator.seed() == ~std::uint64_t{0});
  CHECK(generator.position() == 5);
  CHECK(stopping.best() == 0.5);
  CHECK(stopping.best_step() == 2);
  CHECK(called == 1);
  CHECK(stream.at.epoch == 3);
  CHECK(stream.at.batch == 4);
}

TEST_CASE("early stopping: of equal values the first is the best, or the last, and patience counts neither") {
  train::EarlyStopping first({.patience = 2}), last({.patience = 2, .later_of_equals = true});
  for (const double value : {0.5, 0.7, 0.7}) {
    const bool is_equal = value == first.best();
    CHECK(first.update(static_cast<std::int64_t>(10 * value) + (is_equal ? 1 : 0), value) == !is_equal);
    CHECK(last.update(static_cast<std::int64_t>(10 * value) + (is_equal ? 1 : 0), value));
  }
  CHECK(first.best_step() == 7);
  CHECK(last.best_step() == 8);
  CHECK(last.best() == 0.7);
  CHECK_FALSE(last.should_stop());
  CHECK_FALSE(last.update(9, 0.6));
  CHECK(last.should_stop());
  CHECK(last.best_step() == 8);
  CHECK_FALSE(last.update(10, std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("states: what does not fit is named") {
  std::int64_t count = 3;
  double share = 0.1;
  train::States states;
  states.track("count", count);
  for (const char* name : {"", "a/b", "count"})
    CHECK(test::kind_of([&] { states.track(name, share); }) == ErrorKind::argument);
  const StateDict good = states.save().at("count");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          states.load({{"other", good}});
        }) == "the states do not fit what is tracked; missing: count; unexpected: other");
  const std::string text = test::error_text(ErrorKind::argument, [&] {
    states.load({{"count", {{"value", numbers({1})}}}});
  });
  CHECK(text.rfind("count: ", 0) == 0);
  CHECK(count == 3);
}
