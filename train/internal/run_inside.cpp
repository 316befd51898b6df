#include "saw/train/internal/run_inside.h"

#include <nlohmann/json.hpp>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"

namespace saw::train {

const char* const what_to_try =
    "try a smaller learning rate, a longer warm-up or gradient clipping (optim::clip_grad_norm), and look for NaN in "
    "the "
    "data and for log, sqrt and division of 0 in the model";

namespace {

constexpr const char* options_note = "options";
constexpr const char* run_part = "run";

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

nlohmann::json arithmetic(const RunPlan& plan, const RunOptions& options) {
  nlohmann::json object{{"steps", std::to_string(plan.steps)}};
  for (const auto& [name, value] : options.arithmetic) object[name] = printable(value, 100000);
  return object;
}

/// The entries whose names begin with the prefix, without it.
StateDict below(const StateDict& state, const std::string& prefix) {
  StateDict result;
  for (const auto& [name, tensor] : state)
    if (name.starts_with(prefix)) result.emplace_back(name.substr(prefix.size()), tensor);
  return result;
}

}  // namespace

Run::Inside::Inside(const RunOptions& run_options, const RunPlan& run_plan)
    : options(run_options),
      plan(run_plan),
      stopping({.better = plan.better,
                .patience = plan.patience,
                .minimum_gain = plan.minimum_gain,
                .later_of_equals = plan.later_of_equals}),
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

// ---- state ----

StateDict Run::Inside::own_state() const {
  StateDict state{{"progress", tensor(std::vector<std::int64_t>{step, epoch, is_finished, owns_model}, {4})},
                  {"seconds", tensor(std::vector<double>{seconds()}, {1})}};
  for (const auto& [name, tensor] : stopping.state_dict()) state.emplace_back("stopping." + name, tensor);
  for (const auto& [name, tensor] : watch.state_dict()) state.emplace_back("watch." + name, tensor);
  for (const auto& [name, sum] : sums)
    state.emplace_back("mean." + name, tensor(std::vector<double>{sum.first, static_cast<double>(sum.second)}, {2}));
  return state;
}

void Run::Inside::load_own_state(const StateDict& state) {
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

StateDict Run::Inside::weights() const {
  StateDict copy = model->save();
  for (auto& [name, tensor] : copy) tensor = tensor.detach().clone();
  return copy;
}

ModelFile Run::Inside::described(StateDict values) const {
  ModelFile file = description;
  file.weights = std::move(values);
  return file;
}

std::uint64_t Run::Inside::room() const {
  std::uint64_t bytes = 1 << 16;
  for (const auto& [part, state] : states.save())
    for (const auto& [name, tensor] : state)
      bytes += static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype()) * (part == "model" ? 5 : 2);
  return bytes;
}

// ---- files ----

bool Run::Inside::save(const char* consequence) {
  const std::string problem =
      files->save({.step = step, .parts = states.save(), .notes = {{options_note, arithmetic(plan, options).dump()}}},
                  best.empty() ? -1 : stopping.best_step(), [&] { return described(best); });
  saved_at = Clock::now();
  if (problem.empty()) {
    saved_step = step;
    return true;
  }
  const auto there = files->steps();
  options.say(fmt::format("{}; {}, {}", problem, consequence,
                          there.empty() ? std::string("without a checkpoint")
                                        : fmt::format("the last good checkpoint is of step {}", there.back())));
  return false;
}

bool Run::Inside::load() {
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
  if (const std::string changed =
          changes(note == checkpoint->notes.end() ? "" : note->second, arithmetic(plan, options));
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

void Run::Inside::stop(int signal) {
  if (saved_step == step || save("the run ends here"))
    options.say(fmt::format("stopped by {} at step {} of {}; the same command with --resume goes on",
                            signal_name(signal), step, plan.steps));
  else
    options.say(
        fmt::format("stopped by {} at step {} of {}, which is not saved", signal_name(signal), step, plan.steps));
  throw Stopped(signal);
}

// ---- NaN ----

bool Run::Inside::weights_are_finite() const {
  if (!model) return true;
  const NoGradGuard no_grad;
  for (const auto& [name, tensor] : model->save())
    if (is_floating(tensor.dtype()) && !all(isfinite(tensor.detach())).item()) return false;
  return true;
}

void Run::Inside::is_not_finite(const std::string& what) {
  const std::int64_t at = step;
  anomaly.reset();
  if (files && saved_step >= 0 && saved_step < at && !has_replayed) {
    options.say(
        fmt::format("step {}: {}; taking the steps from {} on again to find where it begins", at, what, saved_step));
    if (load() && step < at) {
      replay_until = at;
      went_back = has_replayed = true;
      return;
    }
  }
  fail(ErrorKind::argument, "step {}: {}; {}{}", at, what, what_to_try,
       has_replayed
           ? "; no op of the last two steps made it from finite numbers, so it came with the update of the weights"
           : "; under an AnomalyGuard the op in which it begins is named");
}

}  // namespace saw::train
