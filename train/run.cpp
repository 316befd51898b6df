#include "saw/train/run.h"

#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/train/internal/run_inside.h"

namespace saw::train {
namespace {

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

}  // namespace

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
        in_->options.say(
            fmt::format("{}: there are checkpoints of another run, up to step {}, with which --resume goes on; this "
                        "one begins anew, "
                        "and keeps them in checkpoints.earlier until it has finished",
                        in_->options.folder, there.back()));
        in_->files->begin_anew();
      } else {
        in_->files->remove_unneeded_best();  // of a run that was killed before its first checkpoint
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
  for (const auto& [observer, works] : in_->observers)
    if (observer.began) observer.began(in_->step);  // what fails at the beginning is worth an error
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
    if (in_->step > 0 && in_->step != in_->saved_step && (by_steps || by_time) && in_->replay_until < 0) {
      if (in_->weights_are_finite())
        in_->save();
      else  // a checkpoint from which nothing good can come
        in_->is_not_finite("a weight of the model is NaN or infinite");
    }
  }
  if (in_->replay_until >= 0 && in_->step >= in_->replay_until - 2 && !in_->anomaly) in_->anomaly.emplace();
  return !in_->is_done();
}

void Run::finish_step(const RunRecord& values) {
  ++in_->step;
  if (const auto loss = number_of(values, in_->plan.loss)) {
    if (!std::isfinite(*loss)) {
      in_->is_not_finite(fmt::format("the loss is {}", *loss));
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
      if (in_->save("the model is saved")) in_->files->remove_earlier();
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
