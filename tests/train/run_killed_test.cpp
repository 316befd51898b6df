// Runs of the program in tests/train/child that are killed, stopped, refused, starved of disk space, and resumed.

#include <doctest/doctest.h>
#include <saw/saw.h>

#include <filesystem>
#include <random>

#include "support/files.h"
#include "support/tensors.h"
#include "train/child_process.h"

using namespace saw;
namespace fs = std::filesystem;
using test::ChildProcess;
using test::contains;
using test::Ended;

namespace {

std::vector<std::string> command(const std::string& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> words{SAW_RUN_CHILD, "--save", folder, "--resume"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Ended run(const std::string& folder, const std::vector<std::string>& more = {}) {
  return ChildProcess(command(folder, more), folder + ".output").wait();
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(folder).string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The bytes of the model, and of everything in the last checkpoint but the time it took.
void check_same_end(const std::string& folder, const std::string& reference) {
  CHECK(test::read_file(folder + "/model.safetensors") == test::read_file(reference + "/model.safetensors"));
  const auto last = [](const std::string& of) {
    return train::CheckpointFolder(of + "/checkpoints").load_newest({}).value();
  };
  const train::Checkpoint is = last(folder), expected = last(reference);
  CHECK(is.step == expected.step);
  CHECK(is.notes == expected.notes);
  REQUIRE(is.parts.size() == expected.parts.size());
  for (const auto& [part, state] : expected.parts) {
    REQUIRE(is.parts.at(part).size() == state.size());
    for (const auto& [name, tensor] : state) {
      const std::string place = part + "/" + name;  // Clang 14 captures no structured bindings
      CAPTURE(place);
      if (name == "seconds" || name == "progress") continue;
      const Tensor other = find_tensor(is.parts.at(part), name);
      REQUIRE(other.defined());
      CHECK(to(other, float64).to_vector<double>() == to(tensor, float64).to_vector<double>());
    }
  }
  for (const std::string& name : files_in(folder)) {
    CAPTURE(name);
    CHECK(name.ends_with(".safetensors"));  // no temporary file, and no lock
  }
}

struct Reference {
  const test::TemporaryDirectory directory;
  std::string folder = (directory / "reference").string();
  explicit Reference(const std::vector<std::string>& more = {"--checkpoint-steps", "4"}) {
    const Ended ended = run(folder, more);
    CAPTURE(ended.output);
    REQUIRE(ended.status == 0);
  }
  std::string path(const std::string& name) const { return (directory / name).string(); }
};

}  // namespace

TEST_CASE("run: killed at any moment, resumed, and the same bytes at the end") {
  const Reference reference;
  std::mt19937 random(5);
  const int kills = test::sanitized() ? 6 : 40;
  int killed = 0, round = 0;
  while (killed < kills) {
    const std::string folder = reference.path("run" + std::to_string(++round));
    for (int attempt = 0;; ++attempt) {
      REQUIRE(attempt < 500);
      const ChildProcess child(command(folder, {"--checkpoint-steps", "4", "--sleep", "2"}), folder + ".output");
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 200 + 5 * static_cast<unsigned>(attempt)));
      child.signal(SIGKILL);
      const Ended ended = child.wait();
      CAPTURE(ended.output);
      if (ended.status == 0) break;
      REQUIRE(ended.status == 128 + SIGKILL);
      ++killed;
      CHECK(!contains(ended.output, "damaged"));
      if (fs::exists(folder + "/model.safetensors")) train::load_model(folder);  // whole at any moment
    }
    check_same_end(folder, reference.folder);
  }
}

TEST_CASE("run: SIGTERM and SIGINT finish the step, save, and the run goes on to the same bytes") {
  const Reference reference;
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string folder = reference.path("run" + std::to_string(signal));
    int stopped = 0;
    for (;;) {
      const ChildProcess child(command(folder, {"--checkpoint-steps", "4", "--sleep", "4"}), folder + ".output");
      std::this_thread::sleep_for(std::chrono::milliseconds(100 + 40 * stopped));
      child.signal(signal);
      const Ended ended = child.wait();
      CAPTURE(ended.output);
      if (ended.status == 0) break;
      REQUIRE(stopped++ < 100);
      if (!contains(ended.output, "stopped by ")) continue;  // it came before the run began or after its end
      CHECK(ended.status == 128 + signal);
      CHECK(contains(ended.output, " of 60; the same command with --resume goes on\n"));
    }
    check_same_end(folder, reference.folder);
  }
}

TEST_CASE("run: a signal loses no step, and a resumed run says where it goes on") {
  const Reference reference(std::vector<std::string>{});
  const std::string folder = reference.path("run");
  const Ended stopped = run(folder, {"--raise-at", "13"});
  CHECK(stopped.status == 143);
  CHECK(contains(stopped.output, "stopped by SIGTERM at step 13 of 60; the same command with --resume goes on\n"));
  CHECK(files_in(folder) == std::vector<std::string>{"checkpoints/best-000000007.safetensors",
                                                     "checkpoints/step-000000013.safetensors", "model.safetensors"});
  const Ended resumed = run(folder);
  CHECK(resumed.status == 0);
  CHECK(resumed.output.rfind("resumed at step 13 of 60\n", 0) == 0);
  CHECK(test::read_file(folder + "/model.safetensors") == test::read_file(reference.folder + "/model.safetensors"));

  const std::string before = test::read_file(folder + "/model.safetensors");
  const Ended finished = run(folder);
  CHECK(finished.status == 0);
  CHECK(finished.output.rfind("finished before, at step 60 of 60\nfinished at step 60", 0) == 0);
  CHECK(test::read_file(folder + "/model.safetensors") == before);
  fs::remove(folder + "/model.safetensors");
  CHECK(run(folder).status == 0);
  CHECK(test::read_file(folder + "/model.safetensors") == before);
}

TEST_CASE("run: patience runs out at the same step, stopped in between or not") {
  const Reference reference({"--patience", "2", "--checkpoint-steps", "4"});
  const std::string folder = reference.path("run");
  CHECK(run(folder, {"--patience", "2", "--raise-at", "17", "--checkpoint-steps", "4"}).status == 143);
  const Ended ended = run(folder, {"--patience", "2", "--checkpoint-steps", "4"});
  CHECK(ended.status == 0);
  CHECK(contains(ended.output, "stopped early"));
  CHECK(test::read_file(folder + "/model.safetensors") == test::read_file(reference.folder + "/model.safetensors"));
}

TEST_CASE("run: two in one folder, the second is refused and says by whom") {
  const Reference reference;
  const std::string folder = reference.path("run");
  const ChildProcess first(command(folder, {"--checkpoint-steps", "4", "--sleep", "10"}), folder + ".first");
  while (!fs::exists(folder + "/checkpoints")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const Ended second = run(folder);
  CHECK(second.status == 1);
  CHECK(second.output.rfind("run_child: " + folder + ": the folder is in use by another run (process ", 0) == 0);
  CHECK(first.wait().status == 0);
  check_same_end(folder, reference.folder);
}

TEST_CASE("run: other options are refused by name") {
  const Reference reference;
  const Ended ended = run(reference.folder, {"--seed", "2"});
  CHECK(ended.status == 1);
  CHECK(contains(ended.output, "--seed: was 1, is 2"));
}

TEST_CASE("run: a damaged checkpoint is named, the one before is taken, and the end is the same") {
  const Reference reference;
  const std::string folder = reference.path("run");
  REQUIRE(run(folder, {"--checkpoint-steps", "4", "--raise-at", "22"}).status == 143);
  const std::string newest = folder + "/checkpoints/step-000000022.safetensors";
  std::string bytes = test::read_file(newest);
  SUBCASE("cut") { bytes.resize(bytes.size() / 3); }
  SUBCASE("one bit") { bytes[bytes.size() - 9] = static_cast<char>(bytes[bytes.size() - 9] ^ 4); }
  SUBCASE("something else") { bytes = "PK\x03\x04 an archive"; }
  SUBCASE("empty") { bytes.clear(); }
  test::write_file(newest, bytes);
  const Ended ended = run(folder, {"--checkpoint-steps", "4"});
  CHECK(ended.status == 0);
  CHECK(ended.output.rfind(newest + ": ", 0) == 0);
  CHECK(contains(ended.output, "; taking the one before, of step 20\nresumed at step 20 of 60\n"));
  check_same_end(folder, reference.folder);
}

TEST_CASE("run: a disk that fills up is said, the last good checkpoint stays, and the training goes on") {
  const Reference reference;
  const std::string folder = reference.path("run");
  REQUIRE(run(folder, {"--checkpoint-steps", "4", "--raise-at", "9"}).status == 143);
  // From here on no file may grow beyond the size of a model; its output is small enough.
  const Ended ended = run(folder, {"--checkpoint-steps", "4", "--file-limit", "4500"});
  CAPTURE(ended.output);
  CHECK(contains(ended.output, "the checkpoint of step 12 could not be written: "));
  CHECK(contains(ended.output, "the training goes on, the last good checkpoint is of step 9\n"));
  CHECK(ended.status == 0);
  CHECK(test::read_file(folder + "/model.safetensors") == test::read_file(reference.folder + "/model.safetensors"));
  CHECK(train::CheckpointFolder(folder + "/checkpoints").load_newest({})->step == 9);
  CHECK(run(folder, {"--checkpoint-steps", "4"}).status == 0);
  check_same_end(folder, reference.folder);
}

TEST_CASE("run: a disk too full for the model is an error, and the model that was there stays") {
  const Reference reference({"--checkpoint-steps", "4"});
  const std::string model = reference.folder + "/model.safetensors", before = test::read_file(model);
  fs::remove_all(reference.folder + "/checkpoints");
  const Ended ended =  // through a pipe, which has no limit
      test::run_shell(SAW_RUN_CHILD " --seed 3 --file-limit 600 --save " + reference.folder + " 2>&1");
  CHECK(ended.status == 1);
  CHECK(contains(ended.output, "run_child: " + model + ": cannot write; File too large\n"));
  CHECK(test::read_file(model) == before);
}

TEST_CASE("run: a disk that is full already is said at the start") {
  const test::TemporaryDirectory directory;
  const std::string disk = (directory / "disk").string();
  fs::create_directory(disk);
  if (test::run_shell("mount -t tmpfs -o size=16k tmpfs " + disk + " 2>&1").status != 0) {
    MESSAGE("skipped: no small disk can be mounted here");
    return;
  }
  const Ended ended = ChildProcess(command(disk + "/run"), (directory / "output").string()).wait();
  CHECK(test::run_shell("umount " + disk).status == 0);
  CHECK(ended.status == 1);
  CHECK(ended.output.rfind("run_child: " + disk + "/run: no room for 0.1 MB", 0) == 0);
}

TEST_CASE("run: on a disk that fills up, the model takes the place of older checkpoints") {
  const Reference reference;
  const std::string disk = reference.path("disk"), folder = disk + "/run";
  fs::create_directory(disk);
  if (test::run_shell("mount -t tmpfs -o size=256k tmpfs " + disk + " 2>&1").status != 0) {
    MESSAGE("skipped: no small disk can be mounted here");
    return;
  }
  const ChildProcess child(command(folder, {"--checkpoint-steps", "4", "--sleep", "15"}), reference.path("output"));
  for (int i = 0; i < 1000 && !fs::exists(folder + "/checkpoints/step-000000008.safetensors"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  test::run_shell("cat /dev/zero > " + disk + "/filler 2>/dev/null");
  const Ended ended = child.wait();
  CAPTURE(ended.output);
  CHECK(ended.status == 0);
  CHECK(contains(ended.output,
                 ": cannot write; No space left on device; the training goes on, the last good checkpoint"));
  const bool same =
      test::read_file(folder + "/model.safetensors") == test::read_file(reference.folder + "/model.safetensors");
  CHECK(same);
  CHECK(train::CheckpointFolder(folder + "/checkpoints").load_newest({}).has_value());
  CHECK(test::run_shell("umount " + disk).status == 0);
}

TEST_CASE("run: a folder that is removed during the training is made again, and the model is in it") {
  const Reference reference;
  const std::string folder = reference.path("run");
  const ChildProcess child(command(folder, {"--checkpoint-steps", "4", "--sleep", "10"}), folder + ".output");
  while (!fs::exists(folder + "/checkpoints/step-000000008.safetensors"))
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  for (std::error_code error; fs::exists(folder);) fs::remove_all(folder, error);
  const Ended ended = child.wait();
  CAPTURE(ended.output);
  CHECK(ended.status == 0);
  CHECK(contains(ended.output, folder + ": the folder was removed or moved during the training; it was made again\n"));
  CHECK(test::read_file(folder + "/model.safetensors") == test::read_file(reference.folder + "/model.safetensors"));
}

TEST_CASE("run: a NaN is looked for from the last checkpoint on, and the op in which it begins is named") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "run").string();
  const Ended ended = run(folder, {"--checkpoint-steps", "4", "--nan-at", "14"});
  CHECK(ended.status == 1);
  CHECK(
      contains(ended.output, "step 14: the loss is nan; taking the steps from 12 on again to find where it begins\n"));
  CHECK(contains(ended.output, "run_child: log: produced a NaN or an infinity"));
  const Ended without = test::run_shell(SAW_RUN_CHILD " --nan-at 3 2>&1");
  CHECK(without.status == 1);
  CHECK(contains(without.output, "run_child: step 3: the loss is nan; try a smaller learning rate"));
}

TEST_CASE("run: observers are told the step from which a resumed run goes on, and each step once") {
  const test::TemporaryDirectory directory;
  const std::string folder = (directory / "run").string(), metrics = (directory / "metrics").string();
  CHECK(run(folder, {"--raise-at", "2", "--metrics", metrics}).status == 143);
  CHECK(test::read_file(metrics + ".0") == "1\n2\n");
  CHECK(run(folder, {"--metrics", metrics}).status == 0);
  CHECK(fs::exists(metrics + ".2"));
}
