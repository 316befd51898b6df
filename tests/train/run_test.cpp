#include "saw/train/run.h"

#include <doctest/doctest.h>
#include <saw/saw.h>

#include <filesystem>
#include <limits>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;

namespace {

/// A "model" of one number, which every step makes larger by one.
struct Counter {
  Tensor value = zeros({1});
  StateDict state_dict() const { return {{"value", value}}; }
  void load_state_dict(const StateDict& state) { value.copy_(find_tensor(state, "value")); }
  void step() { value.copy_(value + 1.0); }
};

struct Lines {
  std::vector<std::string> lines;
  std::function<void(const std::string&)> say() {
    return [this](const std::string& line) { lines.push_back(line); };
  }
  bool has(const std::string& part) const {
    for (const std::string& line : lines)
      if (line.find(part) != std::string::npos) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("run: without a folder it counts, evaluates and keeps the best weights") {
  Counter model;
  train::Run run({}, {.steps = 10, .evaluation_steps = 4, .metric = "score"});
  run.track("model", model);
  std::vector<std::int64_t> evaluated;
  CHECK(!run.resume());
  while (run.next_step()) {
    model.step();
    run.finish_step({{"loss", 1.0 / static_cast<double>(run.step() + 1)}, {"rows", std::int64_t{3}}, {"note", "text"}});
    if (!run.evaluation_is_due()) continue;
    CHECK(run.mean("rows") == 3.0);
    const double score = run.step() == 8 ? 1.0 : 0.5;
    CHECK(run.evaluated({{"score", score}}) == (run.step() != 10));
    evaluated.push_back(run.step());
  }
  CHECK(evaluated == std::vector<std::int64_t>{4, 8, 10});
  CHECK(model.value.item() == 10);
  run.finish();
  CHECK(model.value.item() == 8);
  CHECK(run.best() == 1.0);
  CHECK(run.best_step() == 8);
  CHECK(!run.next_step());
}

TEST_CASE("run: means are those since the last evaluation") {
  train::Run run({}, {.steps = 4, .evaluation_steps = 2});
  double value = 1;
  while (run.next_step()) {
    run.finish_step({{"loss", value}});
    value *= 2;
    if (run.evaluation_is_due()) {
      CHECK(run.mean("loss") == (run.step() == 2 ? 1.5 : 6.0));
      run.evaluated({});
      CHECK(run.mean("loss") == (run.step() == 2 ? 1.5 : 6.0));  // until the next step
    }
  }
  CHECK(test::kind_of([&] { static_cast<void>(run.mean("none")); }) == ErrorKind::argument);
}

TEST_CASE("run: evaluation after epochs, and after the last step in any case") {
  train::Run run({}, {.steps = 11, .evaluation_epochs = 2});
  std::vector<std::int64_t> due;
  while (run.next_step()) {
    run.finish_step({});
    if (run.step() % 3 == 0) run.finish_epoch();
    if (run.evaluation_is_due()) due.push_back(run.step());
  }
  CHECK(due == std::vector<std::int64_t>{6, 11});
  CHECK(run.epoch() == 3);
}

TEST_CASE("run: patience, for metrics of which less is better, NaN never being better") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> losses{3, 2, nan, 2, 1.99, 1.95, 5, 5, 5};
  train::Run run({}, {.steps = 100,
                      .evaluation_steps = 1,
                      .metric = "dev_loss",
                      .better = optim::Better::smaller,
                      .patience = 3,
                      .minimum_gain = 0.02});
  while (run.next_step()) {
    run.finish_step({});
    run.evaluated({{"dev_loss", losses.at(static_cast<std::size_t>(run.step() - 1))}});
  }
  CHECK(run.step() == 5);
  CHECK(run.stopped_early());
  CHECK(run.best() == 2.0);
  CHECK(run.best_step() == 2);
}

TEST_CASE("run: mistakes in its use") {
  CHECK(test::kind_of([] { train::Run({}, {.steps = -1}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Run({}, {.steps = 1, .evaluation_epochs = 0}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Run({}, {.steps = 1, .patience = -1}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Run({.resume = true}, {.steps = 1}); }) == ErrorKind::argument);
  CHECK(test::kind_of([] { train::Run({}, {}).next_step(); }) == ErrorKind::argument);
  train::Run run({}, {.steps = 3, .metric = "accuracy"});
  std::int64_t number = 0;
  run.track("number", number);
  for (const char* name : {"number", "run", "default_generator"})
    CHECK(test::kind_of([&] { run.track(name, number); }) == ErrorKind::argument);
  run.resume();
  CHECK(test::kind_of([&] { run.resume(); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { run.track("late", number); }) == ErrorKind::argument);
  run.next_step();
  run.finish_step({});
  CHECK(test::error_text([&] {
          run.evaluated({{"f1", 1.0}});
        }) == "Run.evaluated: the metric \"accuracy\" is not among the values; got f1");
}

TEST_CASE("run: NaN and divergence stop it and say what to try") {
  const auto train_with = [](const std::function<double(std::int64_t)>& loss, train::RunPlan plan) {
    return test::error_text([&] {
      train::Run run({}, plan);
      while (run.next_step()) run.finish_step({{"loss", loss(run.step() + 1)}});
    });
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string nan = train_with([&](auto step) { return step == 3 ? infinity : 1.0; }, {.steps = 5});
  CHECK(nan.rfind("step 3: the loss is inf; try a smaller learning rate", 0) == 0);
  const auto growing = [](std::int64_t step) { return static_cast<double>(step); };
  const std::string diverging = train_with(growing, {.steps = 1000});
  CHECK(diverging.find("the training diverges: the loss has grown from 1.5 to ") != std::string::npos);
  CHECK(train_with(growing, {.steps = 1000, .divergence = 0}) == "nothing was thrown");
  CHECK(train_with([](auto step) { return step == 50 ? 400.0 : 1.0; }, {.steps = 100}) == "nothing was thrown");
}

TEST_CASE("run: an observer that fails is left out, and the training goes on") {
  Lines lines;
  std::vector<std::int64_t> seen, began;
  train::Run run({.say = lines.say()}, {.steps = 4});
  run.observe({.name = "metrics", .stepped = [&](std::int64_t step, const train::RunRecord&) {
                 seen.push_back(step);
                 if (step == 2) throw Error(ErrorKind::io, "metrics.jsonl: cannot be written; No space left on device");
               }});
  std::int64_t others = 0;
  run.observe({.began = [&](std::int64_t step) { began.push_back(step); },
               .stepped = [&](std::int64_t, const train::RunRecord& record) { others += record[0].first == "loss"; }});
  while (run.next_step()) run.finish_step({{"loss", 1.0}});
  CHECK(seen == std::vector<std::int64_t>{1, 2});
  CHECK(others == 4);
  CHECK(began == std::vector<std::int64_t>{0});
  CHECK(lines.lines == std::vector<std::string>{"metrics.jsonl: cannot be written; No space left on device; the "
                                                "training goes on without metrics"});
}

TEST_CASE("run: what is tracked must be what the checkpoint has, with the same options") {
  const test::TemporaryDirectory directory;
  const std::string folder = directory.path().string();
  Lines lines;
  const auto begin = [&](bool resume, const std::string& seed, std::int64_t steps, const char* name) {
    Counter model;
    double own = 0;
    train::Run run({.folder = folder,
                    .resume = resume,
                    .checkpoint_steps = 2,
                    .arithmetic = {{"--seed", seed}, {"--epochs", ""}},
                    .say = lines.say()},
                   {.steps = steps});
    run.track("model", model);
    run.track(name, own);
    const bool resumed = run.resume();
    for (int i = 0; i < 3 && run.next_step(); ++i) run.finish_step({});
    return resumed;
  };
  CHECK(!begin(true, "1", 10, "own"));
  CHECK(begin(true, "1", 10, "own"));
  CHECK(lines.lines == std::vector<std::string>{"resumed at step 2 of 10"});
  const std::string changed = test::error_text(ErrorKind::argument, [&] { begin(true, "2", 10, "own"); });
  CHECK(changed.rfind(folder + "/checkpoints/step-00000000", 0) == 0);
  CHECK(changed.find("--seed: was 1, is 2;") != std::string::npos);
  CHECK(test::error_text([&] { begin(true, "1", 20, "own"); }).find("steps: was 10, is 20;") != std::string::npos);
  const std::string other = test::error_text(ErrorKind::argument, [&] { begin(true, "1", 10, "other"); });
  CHECK(other.find("missing: other; unexpected: own") != std::string::npos);
  lines.lines.clear();
  CHECK(!begin(false, "2", 10, "other"));  // anew: what is there is announced, and then replaced
  CHECK(lines.has("there are checkpoints of another run, up to step 4"));
  CHECK(train::CheckpointFolder(folder + "/checkpoints.earlier").steps() == std::vector<std::int64_t>{2, 4});
  CHECK(begin(true, "2", 10, "other"));
}

TEST_CASE("run: an earlier model stays until the run is finished") {
  const test::TemporaryDirectory directory;
  const std::string folder = directory.path().string();
  const auto model_value = [&] { return find_tensor(train::load_model(folder).weights, "value").item(); };
  const auto run_steps = [&](std::int64_t steps, std::int64_t until) {
    Counter model;
    train::Run run({.folder = folder, .say = {}}, {.steps = steps, .evaluation_steps = 1, .metric = "score"});
    run.track("model", model);
    run.describe({.model = "counter"});
    while (run.step() < until && run.next_step()) {
      model.step();
      run.finish_step({});
      run.evaluated({{"score", static_cast<double>(run.step())}});
    }
    if (until >= steps) run.finish();
  };
  run_steps(5, 3);
  CHECK(model_value() == 3);  // the first one is there as soon as there is one
  run_steps(5, 5);
  CHECK(model_value() == 5);
  run_steps(5, 2);
  CHECK(model_value() == 5);
  CHECK(train::load_model(folder).model == "counter");
}

TEST_CASE("run: weights that are NaN are no checkpoint, whatever the loss says") {
  const test::TemporaryDirectory directory;
  Lines lines;
  Counter model;
  train::Run run({.folder = directory.path().string(), .checkpoint_steps = 2, .say = lines.say()}, {.steps = 10});
  run.track("model", model);
  const std::string text = test::error_text(ErrorKind::argument, [&] {
    while (run.next_step()) {
      model.step();
      if (run.step() == 5) model.value.mutable_data<float>()[0] = std::numeric_limits<float>::infinity();
      run.finish_step({{"loss", 1.0}});
    }
  });
  CHECK(lines.has("step 6: a weight of the model is NaN or infinite; taking the steps from 4 on again"));
  CHECK(text.rfind("step 6: a weight of the model is NaN or infinite; try a smaller learning rate", 0) == 0);
  CHECK(text.find("it came with the update of the weights") != std::string::npos);
  CHECK(train::CheckpointFolder((directory / "checkpoints").string()).steps() == std::vector<std::int64_t>{2, 4});
}

namespace {

/// Counts by `by` to step 6, of which the second is the best; leaves off after step `until`. The model at the end.
double count_to_six(const std::string& folder, double by, bool resume, std::int64_t until = 6) {
  Counter model;
  train::Run run({.folder = folder, .resume = resume, .checkpoint_steps = 1, .say = [](const std::string&) {}},
                 {.steps = 6, .evaluation_steps = 1, .metric = "score"});
  run.track("model", model);
  run.resume();
  while (run.next_step()) {
    if (run.step() == until) return 0.0;
    model.value.copy_(model.value + by);
    run.finish_step({});
    run.evaluated({{"score", run.step() == 2 ? 1.0 : 0.0}});
  }
  run.finish();
  return model.value.item();
}

}  // namespace

TEST_CASE("run: best weights that another run left without a checkpoint are nobody's") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "run").string();
  CHECK(count_to_six(folder, 10.0, false) == 20.0);
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "run" / "checkpoints"))
    if (entry.path().filename().string().starts_with("step-")) left.push_back(entry.path());
  for (const auto& path : left) std::filesystem::remove(path);
  count_to_six(folder, 1.0, true, 4);
  CHECK(count_to_six(folder, 1.0, true) == 2.0);
}

TEST_CASE("run: best weights of another run in the place of its own are refused by name") {
  const test::TemporaryDirectory directory;
  count_to_six((directory / "one").string(), 1.0, false, 4);
  count_to_six((directory / "ten").string(), 10.0, false, 4);
  const std::string best = "checkpoints/best-000000002.safetensors";
  std::filesystem::copy_file(directory / "ten" / best, directory / "one" / best,
                             std::filesystem::copy_options::overwrite_existing);
  Lines said;
  Counter model;
  train::Run run({.folder = (directory / "one").string(), .resume = true, .say = said.say()},
                 {.steps = 6, .evaluation_steps = 1, .metric = "score"});
  run.track("model", model);
  CHECK(test::kind_of([&] { run.resume(); }) == ErrorKind::io);
  CHECK(said.has("not the best weights with which the checkpoint of step 3 was saved"));
}

TEST_CASE("run: best weights of another run are not taken over where its checkpoints cannot be moved away") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "run").string();
  count_to_six(folder, 10.0, false);
  std::filesystem::create_directory(directory / "run" / "checkpoints.earlier");
  test::write_file(directory / "run" / "checkpoints.earlier" / "notes.txt", "in the way");
  count_to_six(folder, 1.0, false, 4);
  CHECK(count_to_six(folder, 1.0, true) == 2.0);
}
