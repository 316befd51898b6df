#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/tape/engine.h"
#include "saw/train/early_stopping.h"
#include "saw/train/internal/loss_watch.h"
#include "saw/train/internal/run_files.h"
#include "saw/train/program.h"
#include "saw/train/run.h"
#include "saw/train/signals.h"

namespace saw::train {

using Clock = std::chrono::steady_clock;
inline double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// What to try when a training goes wrong.
extern const char* const what_to_try;

/// What a run is made of, and what its functions share.
struct Run::Inside {
  RunOptions options;
  RunPlan plan;
  EarlyStopping stopping;
  LossWatch watch;
  std::optional<Signals> signals;
  std::optional<RunFiles> files;
  States states;
  std::optional<State> model;
  ModelFile description;
  std::vector<std::pair<RunObserver, bool>> observers;  // and whether it still works

  // what a checkpoint has of it
  std::int64_t step = 0, epoch = 0;
  double seconds_before = 0.0;
  bool is_finished = false;
  bool owns_model = false;  // model.safetensors is of this run: an earlier model stays until this one is finished
  std::map<std::string, std::pair<double, std::int64_t>> sums;  // of a step's values since the last evaluation
  StateDict best;

  bool has_begun = false, was_finished = false, epoch_ended = false, was_evaluated = false;
  std::int64_t saved_step = -1;
  Clock::time_point begin = Clock::now(), saved_at = Clock::now();
  // when the loss was NaN: back at the last checkpoint, on the way to the step where it was; once in a run
  bool went_back = false, has_replayed = false;
  std::int64_t replay_until = -1;
  std::optional<AnomalyGuard> anomaly;

  Inside(const RunOptions& run_options, const RunPlan& run_plan);

  double seconds() const { return seconds_before + (has_begun ? since(begin) : 0.0); }
  bool is_done() const { return is_finished || step >= plan.steps || stopping.should_stop(); }

  StateDict own_state() const;
  void load_own_state(const StateDict& state);
  /// A copy of the model's weights.
  StateDict weights() const;
  ModelFile described(StateDict values) const;
  /// Bytes of two checkpoints, the model and two best weights: the least with which files can be replaced.
  std::uint64_t room() const;

  /// Writes a checkpoint; whether that went well. If not, a line says so, and what follows from it.
  bool save(const char* consequence = "the training goes on");
  /// Takes the newest checkpoint over that can be read; whether there was one.
  bool load();
  [[noreturn]] void stop(int signal);
  bool weights_are_finite() const;
  /// Goes back to the last checkpoint, or throws. `what`: "the loss is nan".
  void is_not_finite(const std::string& what);

  /// Calls f for all observers that still work.
  template <class F>
  void tell(F f) {
    if (replay_until >= 0) return;  // they have seen these steps
    for (auto& [observer, works] : observers) {
      if (!works) continue;
      try {
        f(observer);
      } catch (const std::exception& error) {
        works = false;
        options.say(fmt::format("{}; the training goes on without {}", printable(error.what()),
                                observer.name.empty() ? "it" : observer.name));
      }
    }
  }
};

}  // namespace saw::train
