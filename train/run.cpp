#include "saw/train/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/tape/engine.h"
#include "saw/train/early_stopping.h"
#include "saw/train/internal/loss_watch.h"
#include "saw/train/internal/run_files.h"
#include "saw/train/signals.h"

namespace saw::train {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

constexpr const char* options_note = "options";
constexpr const char* run_part = "run";
constexpr const char* what_to_try =
    "try a smaller learning rate, a longer warm-up or gradient clipping (optim::clip_grad_norm), and look for NaN in "
    "the "
    "data and for log, sqrt and division of 0 in the model";

std::optional<double> number_of(const RunRecord& record, const std::string& name) {
  for (const auto& [key, value] : record) {
    if (key != name) continue;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  }
  return std::nullopt;
}

std::string names_of(const RunRecord& record) {
  std::string names;
  for (const auto& [name, value] : record) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

// "--seed: was 1, is 2; …", or nothing where all is as it was.
std::string changes(const std::string& before, const nlohmann::json& now) {
  const nlohmann::json then = nlohmann::json::parse(before, nullptr, false);
  std::string text;
  const auto add = [&](const std::string& name, const std::string& was, const std::string& is) {
    text += fmt::format("{}{}: was {}, is {}", text.empty() ? "" : "; ", name, was, is);
  };
  const auto value_of = [](const nlohmann::json& object, const std::string& name) {
    if (!object.is_object() || !object.contains(name) || !object[name].is_string()) return std::string("not given");
    const std::string value = object[name].get<std::string>();
    return value.empty() ? std::string("\"\"") : printable(value, 200);
  };
  for (const auto& [name, value] : now.items())
    if (value_of(then, name) != value_of(now, name)) add(name, value_of(then, name), value_of(now, name));
  if (then.is_object())
    for (const auto& [name, value] : then.items())
      if (!now.contains(name)) add(name, value_of(then, name), "not given");
  return text;
}

}  // namespace

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
  // when the loss was NaN: back at the last checkpoint, on the way to the step where it was
  bool went_back = false;
  std::int64_t replay_until = -1;
  std::optional<AnomalyGuard> anomaly;

  Inside(const RunOptions& run_options, const RunPlan& run_plan)
      : options(run_options),
        plan(run_plan),
        stopping({.better = plan.better, .patience = plan.patience, .minimum_gain = plan.minimum_gain}),
        watch(plan.divergence) {
    const auto check = [](const char* name, std::int64_t value, std::int64_t least) {
      if (value < least) fail(ErrorKind::argument, "Run: {}; got {}; expected at least {}", name, value, least);
    };
    check("steps", plan.steps, 0);
    check("evaluation_steps", plan.evaluation_steps, 0);
    check("evaluation_epochs", plan.evaluation_epochs, 1);
    check("checkpoint_steps", options.checkpoint_steps, 0);
    check("keep", options.keep, 1);
    if (!(options.checkpoint_seconds >= 0))
      fail(ErrorKind::argument, "Run: checkpoint_seconds must not be negative; got {}", options.checkpoint_seconds);
    if (options.resume && options.folder.empty())
      fail(ErrorKind::argument, "Run: resume needs the folder of the run; expected one");
    if (!options.say) options.say = [](const std::string&) {};
    if (!options.folder.empty()) {
      files.emplace(options.folder, options.keep, options.say);
      signals.emplace();
    }
    Generator& generator = default_generator();
    states.track("default_generator", generator);
    states.track(run_part, {[this] { return own_state(); }, [this](const StateDict& state) { load_own_state(state); }});
  }

  double seconds() const { return seconds_before + (has_begun ? since(begin) : 0.0); }
  bool is_done() const { return is_finished || step >= plan.steps || stopping.should_stop(); }

  // ---- state ----

  StateDict own_state() const {
    StateDict state{{"progress", tensor(std::vector<std::int64_t>{step, epoch, is_finished, owns_model}, {4})},
                    {"seconds", tensor(std::vector<double>{seconds()}, {1})}};
    for (const auto& [name, tensor] : stopping.state_dict()) state.emplace_back("stopping." + name, tensor);
    for (const auto& [name, tensor] : watch.state_dict()) state.emplace_back("watch." + name, tensor);
    for (const auto& [name, sum] : sums)
      state.emplace_back("mean." + name, tensor(std::vector<double>{sum.first, static_cast<double>(sum.second)}, {2}));
    return state;
  }

  static StateDict below(const StateDict& state, const std::string& prefix) {
    StateDict result;
    for (const auto& [name, tensor] : state)
      if (name.starts_with(prefix)) result.emplace_back(name.substr(prefix.size()), tensor);
    return result;
  }

  void load_own_state(const StateDict& state) {
    std::vector<std::int64_t> progress;
    double loaded_seconds = 0.0;
    state_of(progress).load({{"values", find_tensor(state, "progress")}});
    state_of(loaded_seconds).load({{"value", find_tensor(state, "seconds")}});
    progress.resize(4);
    stopping.load_state_dict(below(state, "stopping."));
    watch.load_state_dict(below(state, "watch."));
    step = progress[0];
    epoch = progress[1];
    is_finished = progress[2] != 0;
    owns_model = progress[3] != 0;
    seconds_before = loaded_seconds;
    begin = Clock::now();
    sums.clear();
    for (const auto& [name, tensor] : below(state, "mean.")) {
      std::vector<double> values;
      state_of(values).load({{"values", tensor}});
      values.resize(2);
      sums[name] = {values[0], static_cast<std::int64_t>(values[1])};
    }
  }

  nlohmann::json arithmetic() const {
    nlohmann::json object{{"steps", std::to_string(plan.steps)}};
    for (const auto& [name, value] : options.arithmetic) object[name] = printable(value, 100000);
    return object;
  }

  StateDict weights() const {
    StateDict copy = model->save();
    for (auto& [name, tensor] : copy) tensor = tensor.detach().clone();
    return copy;
  }

  ModelFile described(StateDict values) const {
    ModelFile file = description;
    file.weights = std::move(values);
    return file;
  }

  bool save() {
    const bool saved =
        files->save({.step = step, .parts = states.save(), .notes = {{options_note, arithmetic().dump()}}},
                    best.empty() ? -1 : stopping.best_step(), [&] { return described(best); });
    saved_at = Clock::now();
    if (saved) saved_step = step;
    return saved;
  }

  // The newest checkpoint that can be read, taken over.
  bool load() {
    StateDict best_then;
    const auto best_step = [](const Checkpoint& checkpoint) {
      EarlyStopping stopping_then;
      const auto own = checkpoint.parts.find(run_part);
      if (own != checkpoint.parts.end()) stopping_then.load_state_dict(below(own->second, "stopping."));
      return stopping_then.best_step();
    };
    const std::optional<Checkpoint> checkpoint = files->load(best_step, best_then);
    if (!checkpoint) return false;
    const std::string path = files->checkpoint_path(checkpoint->step);
    const auto note = checkpoint->notes.find(options_note);
    if (const std::string changed = changes(note == checkpoint->notes.end() ? "" : note->second, arithmetic());
        !changed.empty())
      fail(ErrorKind::argument,
           "{}: the run cannot go on with other options than it began with: {}; give those, or begin in another folder",
           path, changed);
    try {
      states.load(checkpoint->parts);
    } catch (const Error& error) {
      throw Error(ErrorKind::argument, fmt::format("{}: {}", path, error.what()));
    }
    best = std::move(best_then);
    saved_step = step;
    return true;
  }

  // A checkpoint, the model and the best weights, and the space in which files are replaced.
  std::uint64_t room() const {
    std::uint64_t bytes = 1 << 16;
    for (const auto& [part, state] : states.save())
      for (const auto& [name, tensor] : state)
        bytes += static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype()) * (part == "model" ? 3 : 1);
    return bytes;
  }

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

  [[noreturn]] void stop(int signal) {
    const bool saved = saved_step == step || save();
    options.say(fmt::format("stopped by {} at step {} of {}; {}", signal_name(signal), step, plan.steps,
                            saved             ? "the same command with --resume goes on"
                            : saved_step >= 0 ? fmt::format("with --resume it goes on from step {}", saved_step)
                                              : "nothing could be saved"));
    throw Stopped(signal);
  }

  void loss_is_not_finite(double loss) {
    const std::int64_t at = step;
    anomaly.reset();
    if (files && saved_step >= 0 && saved_step < at && replay_until < 0) {
      options.say(fmt::format("step {}: the loss is {}; taking the steps from {} on again to find where it begins", at,
                              loss, saved_step));
      if (load() && step < at) {
        replay_until = at;
        went_back = true;
        return;
      }
    }
    fail(ErrorKind::argument, "step {}: the loss is {}; {}{}", at, loss, what_to_try,
         replay_until >= 0
             ? "; no op of the last two steps made it from finite numbers, so it came with the update of the weights"
             : "; under an AnomalyGuard the op in which it begins is named");
  }
};

Run::Run(const RunOptions& options, const RunPlan& plan) : in_(std::make_unique<Inside>(options, plan)) {}
Run::~Run() = default;

void Run::track(const std::string& name, State state) {
  if (in_->has_begun) fail(ErrorKind::argument, "Run.track: \"{}\" comes too late; expected it before resume()", name);
  if (name == "model") in_->model = state;
  in_->states.track(name, std::move(state));
}

void Run::describe(ModelFile description) { in_->description = std::move(description); }

void Run::observe(RunObserver observer) { in_->observers.emplace_back(std::move(observer), true); }

bool Run::resume() {
  if (in_->has_begun) fail(ErrorKind::argument, "Run.resume: called twice; expected once, before the first step");
  if (in_->plan.steps < 1) fail(ErrorKind::argument, "Run: steps; got {}; expected at least 1", in_->plan.steps);
  bool resumed = false;
  if (in_->files) {
    if (in_->options.resume) resumed = in_->load();
    if (!resumed) {
      in_->owns_model = !in_->files->has_model();
      if (const auto there = in_->files->steps(); !there.empty()) {
        in_->options.say(fmt::format(
            "{}: there are checkpoints of another run, up to step {}; the first one of this run replaces them "
            "(--resume goes on with them)",
            in_->options.folder, there.back()));
        in_->files->begin_anew();
      }
    }
    in_->was_finished = in_->is_finished;
    if (!in_->is_finished) in_->files->check_room(in_->room());
  }
  in_->has_begun = true;
  in_->begin = in_->saved_at = Clock::now();
  if (resumed)
    in_->options.say(in_->was_finished ? fmt::format("finished before, at step {} of {}", in_->step, in_->plan.steps)
                                       : fmt::format("resumed at step {} of {}", in_->step, in_->plan.steps));
  in_->tell([&](const RunObserver& o) {
    if (o.began) o.began(in_->step);
  });
  return resumed;
}

bool Run::next_step() {
  if (!in_->has_begun) resume();
  in_->epoch_ended = in_->went_back = false;
  if (std::exchange(in_->was_evaluated, false)) in_->sums.clear();
  if (in_->is_finished) return false;
  if (in_->files) {
    if (const int signal = in_->signals ? in_->signals->received() : 0) in_->stop(signal);
    const bool by_steps = in_->options.checkpoint_steps > 0 && in_->step % in_->options.checkpoint_steps == 0;
    const bool by_time = in_->options.checkpoint_seconds > 0 && since(in_->saved_at) >= in_->options.checkpoint_seconds;
    if (in_->step > 0 && in_->step != in_->saved_step && (by_steps || by_time) && in_->replay_until < 0) in_->save();
  }
  if (in_->replay_until >= 0 && in_->step >= in_->replay_until - 2 && !in_->anomaly) in_->anomaly.emplace();
  return !in_->is_done();
}

void Run::finish_step(const RunRecord& values) {
  ++in_->step;
  if (const auto loss = number_of(values, in_->plan.loss)) {
    if (!std::isfinite(*loss)) {
      in_->loss_is_not_finite(*loss);
      return;
    }
    if (in_->watch.update(*loss))
      fail(ErrorKind::argument, "step {}: the training diverges: the loss has grown from {:.4g} to {:.4g}; {}",
           in_->step, in_->watch.first(), in_->watch.smoothed(), what_to_try);
  }
  for (const auto& [name, value] : values) {
    const auto number = number_of(values, name);
    if (!number) continue;
    auto& [sum, count] = in_->sums[name];
    sum += *number;
    ++count;
  }
  in_->tell([&](const RunObserver& o) {
    if (o.stepped) o.stepped(in_->step, values);
  });
  if (in_->replay_until >= 0 && in_->step >= in_->replay_until) {  // it came out finite this time
    in_->replay_until = -1;
    in_->anomaly.reset();
  }
}

void Run::finish_epoch() {
  if (in_->went_back) return;  // the data are those of the checkpoint, whose epochs are counted
  ++in_->epoch;
  in_->epoch_ended = true;
}

bool Run::evaluation_is_due() const {
  if (in_->went_back || in_->step == 0) return false;
  if (in_->step >= in_->plan.steps) return true;
  if (in_->plan.evaluation_steps > 0) return in_->step % in_->plan.evaluation_steps == 0;
  return in_->epoch_ended && in_->epoch % in_->plan.evaluation_epochs == 0;
}

bool Run::evaluated(const RunRecord& values) {
  if (in_->went_back) return false;
  bool improved = false;
  if (!in_->plan.metric.empty()) {
    const auto value = number_of(values, in_->plan.metric);
    if (!value)
      fail(ErrorKind::argument, "Run.evaluated: the metric \"{}\" is not among the values; got {}", in_->plan.metric,
           names_of(values));
    improved = in_->stopping.update(in_->step, *value);
  }
  in_->tell([&](const RunObserver& o) {
    if (o.evaluated) o.evaluated(in_->step, values);
  });
  in_->was_evaluated = true;
  if (!improved || !in_->model) return improved;
  in_->best = in_->weights();
  if (!in_->files || !in_->owns_model) return improved;
  try {
    in_->files->save_model_file(in_->described(in_->best));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io) throw;
    in_->options.say(fmt::format("{}; the training goes on", printable(error.what())));
  }
  return improved;
}

double Run::mean(const std::string& name) const {
  const auto sum = in_->sums.find(name);
  if (sum == in_->sums.end())
    fail(ErrorKind::argument, "Run.mean: no step since the last evaluation has a value \"{}\"", name);
  return sum->second.first / static_cast<double>(sum->second.second);
}

void Run::finish() {
  if (in_->model && !in_->best.empty()) in_->model->load(in_->best);
  if (in_->files && in_->has_begun) {
    if (in_->model && (!in_->was_finished || !in_->files->has_model()))
      in_->files->save_model_file(in_->described(in_->best.empty() ? in_->model->save() : in_->best));
    if (!in_->is_finished) {
      in_->is_finished = true;
      in_->save();
    }
  }
  in_->is_finished = true;
  in_->signals.reset();
}

std::int64_t Run::step() const { return in_->step; }
std::int64_t Run::steps() const { return in_->plan.steps; }
std::int64_t Run::epoch() const { return in_->epoch; }
double Run::seconds() const { return in_->seconds(); }
double Run::best() const { return in_->stopping.best(); }
std::int64_t Run::best_step() const { return in_->stopping.best_step(); }
bool Run::was_finished() const { return in_->was_finished; }
bool Run::stopped_early() const { return in_->stopping.should_stop() && in_->step < in_->plan.steps; }

}  // namespace saw::train
