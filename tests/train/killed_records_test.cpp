// A run that is killed at any moment and goes on from its checkpoint: its file of metrics and its events hold each step
// once, in order, and nothing else.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "saw/data/file.h"
#include "saw/train/event_file.h"
#include "saw/train/metrics_file.h"
#include "support/files.h"

using namespace saw;

namespace {

constexpr std::int64_t last_step = 4000, checkpoint_every = 50;

/// Trains, as far as files are concerned: a record and an event a step, and now and then a checkpoint, which here is
/// the number of its step.
void train_on(const std::string& folder) {
  const std::string checkpoint = folder + "/checkpoint";
  std::int64_t step = 0;
  if (::access(checkpoint.c_str(), F_OK) == 0) step = std::stoll(test::read_file(checkpoint));
  train::MetricsFile metrics(folder + "/run.jsonl", {.resume_step = step});
  train::EventFile events(folder + "/events", {.resume_step = step});
  while (step < last_step) {
    ++step;
    metrics.write({{"step", step}, {"loss", 1.0 / static_cast<double>(step)}});
    events.scalar("loss", step, 1.0 / static_cast<double>(step));
    if (step % checkpoint_every == 0) {
      // Without waiting for the disk: what is killed here is the process, not the machine.
      test::write_file(checkpoint + ".new", std::to_string(step));
      ::rename((checkpoint + ".new").c_str(), checkpoint.c_str());
    }
  }
}

}  // namespace

TEST_CASE("killed runs have each step once") {
  const test::TemporaryDirectory directory;
  const std::string folder = directory.path().string();
  int kills = 0;
  bool finished = false;
  for (int attempt = 0; attempt < 400 && !finished; ++attempt) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        train_on(folder);
        _exit(0);
      } catch (...) {
        _exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + 731 * (attempt % 11)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
      ++kills;
    else
      REQUIRE(WEXITSTATUS(status) == 0);
    finished = WIFEXITED(status);
  }
  if (!finished) train_on(folder);  // a machine so busy that no run got to its end
  CHECK(kills > 0);

  std::int64_t step = 0;
  std::istringstream lines(test::read_file(folder + "/run.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const std::int64_t here = nlohmann::json::parse(line).at("step").get<std::int64_t>();
    if (here != step + 1) FAIL_CHECK("metrics: step " << here << " after " << step);
    step = here;
  }
  CHECK(step == last_step);
  step = -1;
  for (const train::Event& event : train::read_events(folder + "/events/events.out.tfevents.0.saw")) {
    if (event.step != step + 1) FAIL_CHECK("events: step " << event.step << " after " << step);
    step = event.step;
  }
  CHECK(step == last_step);
}
