#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/optim/plateau.h"
#include "saw/train/model_file.h"
#include "saw/train/program.h"
#include "saw/train/state.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// Names and values of a step or an evaluation: {{"loss", 0.53}}.
using RunRecord = std::vector<std::pair<std::string, std::variant<double, std::int64_t, std::string>>>;

/// What the person who starts a program chooses.
struct RunOptions {
  std::string folder = {};            ///< empty: nothing is saved, and signals are left alone
  bool resume = false;                ///< go on with what lies in the folder, or begin there
  std::int64_t checkpoint_steps = 0;  ///< a checkpoint every so many steps; 0: by time alone
  double checkpoint_seconds = 300.0;  ///< … and whenever the last one is so old; 0: by steps alone
  std::int64_t keep = 2;              ///< checkpoints that stay
  /// Options that change the arithmetic, with their values: {{"--seed", "1"}}. A run goes on only with the same.
  std::vector<std::pair<std::string, std::string>> arithmetic = {};
  /// Receives the lines that the run has to say; by default train::say().
  std::function<void(const std::string&)> say = [](const std::string& line) { train::say(line); };
};

/// What the program knows about its training.
struct RunPlan {
  std::int64_t steps = 0;                        ///< in all
  std::int64_t evaluation_steps = 0;             ///< an evaluation after so many steps; 0: after epochs
  std::int64_t evaluation_epochs = 1;            ///< an evaluation after so many epochs (finish_epoch())
  std::string metric = {};                       ///< that chooses the best weights; empty: the last are taken
  optim::Better better = optim::Better::larger;  ///< which values of the metric are the better ones
  std::int64_t patience = 0;                     ///< stop after so many evaluations without improvement; 0: never
  double minimum_gain = 0.0;                     ///< what counts as one
  bool later_of_equals = false;  ///< of equally good weights the later ones are the best (patience does not count them)
  std::string loss = "loss";     ///< the value of a step that is watched for NaN and divergence
  double divergence = 10.0;  ///< stop when the loss, smoothed over some 50 steps, is so many times that of the first
                             ///< ten; 0: never
};

/// Is told what happens in a run. One that throws is left out from then on, with a line that says so: to lose a report
/// is not worth a training. What `began` throws is thrown: at the beginning nothing is lost yet.
struct RunObserver {
  std::string name = {};                              ///< "metrics"
  std::function<void(std::int64_t step)> began = {};  ///< the step from which the run goes on, 0 at the beginning:
                                                      ///< records of later steps will come again
  /// A step was taken, an evaluation was made; `step` counts them from 1.
  std::function<void(std::int64_t step, const RunRecord&record)> stepped = {}, evaluated = {};
};

/// What surrounds a training loop: the folder and its lock, checkpoints, signals, best weights, patience, NaN and
/// divergence. The loop itself stays in the program:
///
///   train::Run run({.folder = "tagger", .resume = true}, {.steps = 5000, .evaluation_steps = 500, .metric =
///   "accuracy"}); run.track("model", model); run.track("adam", adam); run.track("schedule", schedule);
///   run.track("batches", batches);
///   run.describe({.model = "attention", .options = {{"width", 192}}, .parts = {{"words", words.text()}}});
///   run.resume();
///   while (run.next_step()) {
///     const auto batch = batches.next();
///     const Tensor loss = nn::cross_entropy(model.forward(batch), batch.tags);
///     adam.zero_grad();
///     loss.backward();
///     adam.step();
///     schedule.step();
///     run.finish_step({{"loss", loss.item()}});
///     if (run.evaluation_is_due()) run.evaluated({{"accuracy", accuracy(model)}});
///   }
///   run.finish();
///
/// What is tracked under the name "model" is the model: its weights are kept when the metric is the best so far, put
/// back at the end, and saved as `model.safetensors` in the folder. The default generator of the thread that makes the
/// run is tracked, too. A process that is killed at any moment and started again with `resume` ends with the same bytes
/// as one that was not, as long as all that a step depends on is tracked; the batch of a step counts, its gradients do
/// not. Checkpoints are made in next_step(), so what follows finish_step() in the loop is part of the step.
///
/// SIGINT, SIGTERM and SIGHUP are looked at in next_step(): it saves, says how to go on, and throws Stopped, which
/// run_program() makes the exit status. A checkpoint that cannot be written (a full disk) is said and the training goes
/// on; the last good one stays. What cannot be written at the end, model.safetensors, is an error.
class Run {
 public:
  /// Locks the folder. Throws Error(io) where it is in use by another run or cannot be written, Error(argument) for
  /// options out of range.
  Run(const RunOptions& options, const RunPlan& plan);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  /// Has a state saved and resumed; see States.
  void track(const std::string& name, State state);
  /// The same for all that state_of() knows.
  template <class T>
  requires requires(T& thing) { state_of(thing); }
  void track(const std::string& name, T& thing) { track(name, state_of(thing)); }
  /// Architecture, options and parts that model.safetensors is to have beside the weights.
  void describe(ModelFile description);
  void observe(RunObserver observer);  ///< from now on, in the order of these calls

  /// To be called when all is tracked: takes the newest checkpoint that is whole and says "resumed at step S of T" (or
  /// that the run was finished before), or begins. Whether there was one. Throws Error(argument) where options of
  /// `arithmetic` have other values than then, naming them, and where the states do not fit what is tracked; Error(io)
  /// where the disk has no room for a checkpoint, or no checkpoint can be read.
  bool resume();

  /// Whether there is another step to take. Before that: a checkpoint, if it is time for one, and signals. Throws
  /// Stopped.
  bool next_step();
  /// Counts the step and takes its values. Throws Error(argument) for a loss that is NaN or infinite or that diverges,
  /// with what to try. Before it does so for NaN, it goes back to the last checkpoint, if there is one, and has the
  /// loop take the steps again, the last two under AnomalyGuard: the error is then that of the op in which it began.
  void finish_step(const RunRecord& values);
  /// To be called after the last step of an epoch.
  void finish_epoch();
  /// Whether an evaluation belongs after the step that was just finished; the last step has one in any case.
  bool evaluation_is_due() const;
  /// Takes the values of an evaluation, among them the plan's metric; whether it is the best so far. Then the model's
  /// weights, as they are at this moment, are the best ones (to keep averaged ones, call it while they are applied).
  bool evaluated(const RunRecord& values);
  /// The mean of a step's value over the steps since the last evaluation.
  double mean(const std::string& name) const;

  /// Puts the best weights into the model, writes model.safetensors, and notes that the run is finished. From then on
  /// signals end the program as they did before.
  void finish();

  std::int64_t step() const;       ///< steps taken, over all starts of the program
  std::int64_t steps() const;      ///< in all
  std::int64_t epoch() const;      ///< epochs finished
  double seconds() const;          ///< since resume(), and in the starts before up to their last checkpoints
  double best() const;             ///< value of the metric at its best
  std::int64_t best_step() const;  ///< when that was; −1 before the first evaluation
  bool was_finished() const;       ///< before this start of the program
  bool stopped_early() const;      ///< patience ran out

 private:
  struct Inside;
  std::unique_ptr<Inside> in_;
};

}  // namespace train
}  // namespace saw
