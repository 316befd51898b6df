#include "saw/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/optim/internal/named.h"
#include "saw/optim/optimizer.h"

namespace saw {
namespace optim {
namespace {

void check_positive(const char* rule, const char* option, std::int64_t value) {
  if (value <= 0) fail(ErrorKind::argument, "{}: {} must be positive; got {}", rule, option, value);
}

void check_positive(const char* rule, const char* option, double value) {
  if (!(value > 0 && std::isfinite(value)))
    fail(ErrorKind::argument, "{}: {} must be positive; got {}", rule, option, value);
}

void check_not_negative(const char* rule, const char* option, double value) {
  if (!(value >= 0 && std::isfinite(value)))
    fail(ErrorKind::argument, "{}: {} must not be negative; got {}", rule, option, value);
}

/// From `first` to `last` along half a cosine, part in [0, 1].
double along_cosine(double first, double last, double part) {
  return last + (first - last) / 2 * (1 + std::cos(std::numbers::pi * part));
}

double ratio(std::int64_t numerator, std::int64_t denominator) {
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

}  // namespace

// ---- rules ----

double ConstantSchedule::rate(std::int64_t /*step*/, double base) const { return base * factor; }
void ConstantSchedule::validate() const { check_not_negative("ConstantSchedule", "factor", factor); }

double StepSchedule::rate(std::int64_t step, double base) const {
  return base * std::pow(factor, static_cast<double>(step / every));
}
void StepSchedule::validate() const {
  check_positive("StepSchedule", "every", every);
  check_not_negative("StepSchedule", "factor", factor);
}

double MultiStepSchedule::rate(std::int64_t step, double base) const {
  const auto passed =
      std::count_if(milestones.begin(), milestones.end(), [step](std::int64_t milestone) { return milestone <= step; });
  return base * std::pow(factor, static_cast<double>(passed));
}
void MultiStepSchedule::validate() const {
  check_not_negative("MultiStepSchedule", "factor", factor);
  for (const std::int64_t milestone : milestones)
    check_not_negative("MultiStepSchedule", "a milestone", static_cast<double>(milestone));
}

double ExponentialSchedule::rate(std::int64_t step, double base) const {
  return base * std::pow(factor, static_cast<double>(step));
}
void ExponentialSchedule::validate() const { check_not_negative("ExponentialSchedule", "factor", factor); }

double LinearWarmup::rate(std::int64_t step, double base) const {
  if (step >= warmup_steps) return base;
  return base * (first_factor + (1 - first_factor) * ratio(step, warmup_steps));
}
void LinearWarmup::validate() const {
  check_positive("LinearWarmup", "warmup_steps", warmup_steps);
  check_not_negative("LinearWarmup", "first_factor", first_factor);
}

double CosineWithWarmup::rate(std::int64_t step, double base) const {
  if (step < warmup_steps) return base * ratio(step, warmup_steps);
  if (step >= total_steps) return 0.0;
  return base * along_cosine(1.0, 0.0, ratio(step - warmup_steps, total_steps - warmup_steps));
}
void CosineWithWarmup::validate() const {
  check_positive("CosineWithWarmup", "total_steps", total_steps);
  if (warmup_steps < 0 || warmup_steps > total_steps)
    fail(ErrorKind::argument, "CosineWithWarmup: warmup_steps is out of range; got {}; expected 0 to total_steps = {}",
         warmup_steps, total_steps);
}

double CosineAnnealing::rate(std::int64_t step, double base) const {
  return along_cosine(base, minimum_rate, ratio(std::min(step, total_steps), total_steps));
}
void CosineAnnealing::validate() const {
  check_positive("CosineAnnealing", "total_steps", total_steps);
  check_not_negative("CosineAnnealing", "minimum_rate", minimum_rate);
}

double CosineAnnealingWarmRestarts::rate(std::int64_t step, double base) const {
  std::int64_t period = first_steps, since = step;
  if (multiplier == 1) {
    since %= period;
  } else {
    while (since >= period) {
      since -= period;
      if (__builtin_mul_overflow(period, multiplier, &period)) period = std::numeric_limits<std::int64_t>::max();
    }
  }
  return along_cosine(base, minimum_rate, ratio(since, period));
}
void CosineAnnealingWarmRestarts::validate() const {
  check_positive("CosineAnnealingWarmRestarts", "first_steps", first_steps);
  check_positive("CosineAnnealingWarmRestarts", "multiplier", multiplier);
  check_not_negative("CosineAnnealingWarmRestarts", "minimum_rate", minimum_rate);
}

double SequentialSchedule::rate(std::int64_t step, double base) const {
  const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
  const std::int64_t begin = passed == 0 ? 0 : milestones[static_cast<std::size_t>(passed) - 1];
  return schedules[static_cast<std::size_t>(passed)].rate(step - begin, base);
}
void SequentialSchedule::validate() const {
  if (schedules.empty() || milestones.size() + 1 != schedules.size())
    fail(ErrorKind::argument,
         "SequentialSchedule: there must be one milestone fewer than schedules; got {} schedules and {} milestones",
         schedules.size(), milestones.size());
  for (const AnySchedule& schedule : schedules)
    if (!schedule) fail(ErrorKind::argument, "SequentialSchedule: a function is empty");
  for (std::size_t i = 0; i < milestones.size(); ++i)
    if (milestones[i] <= (i == 0 ? 0 : milestones[i - 1]))
      fail(ErrorKind::argument, "SequentialSchedule: milestones must grow from above 0; got {}",
           fmt::join(milestones, ", "));
}

double Noam::rate(std::int64_t step, double base) const {
  const auto t = static_cast<double>(step + 1);
  return base * factor / std::sqrt(static_cast<double>(width)) *
         std::min(1 / std::sqrt(t), t * std::pow(static_cast<double>(warmup_steps), -1.5));
}
void Noam::validate() const {
  check_positive("Noam", "width", width);
  check_positive("Noam", "warmup_steps", warmup_steps);
  check_not_negative("Noam", "factor", factor);
}

double OneCycle::rate(std::int64_t step, double base) const {
  const double maximum = maximum_rate.value_or(base);
  const double start = maximum / start_divisor, end = start / end_divisor;
  const auto total = static_cast<double>(total_steps);
  struct Phase {
    double last_step, first, last;
  };
  const Phase phases[] = {{rising * total - 1, start, maximum},
                          {2 * rising * total - 2, maximum, start},
                          {total - 1, three_phase ? start : maximum, end}};
  const auto now = static_cast<double>(std::min(step, total_steps - 1));
  double phase_begin = 0;
  for (const Phase& phase : phases) {
    if (&phase == &phases[1] && !three_phase) continue;
    if (now <= phase.last_step || &phase == &phases[2]) {
      const double length = phase.last_step - phase_begin;
      const double part = length > 0 ? (now - phase_begin) / length : 1.0;
      return annealing == Annealing::cosine ? along_cosine(phase.first, phase.last, part)
                                            : phase.first + (phase.last - phase.first) * part;
    }
    phase_begin = phase.last_step;
  }
  return end;
}
void OneCycle::validate() const {
  check_positive("OneCycle", "total_steps", total_steps);
  if (maximum_rate) check_positive("OneCycle", "maximum_rate", *maximum_rate);
  check_positive("OneCycle", "start_divisor", start_divisor);
  check_positive("OneCycle", "end_divisor", end_divisor);
  const double most = three_phase ? 0.5 : 1.0;
  if (!(rising >= 0 && rising <= most))
    fail(ErrorKind::argument, "OneCycle: rising is out of range; got {}; expected 0 to {}", rising, most);
}

// ---- at work ----

Schedule::Schedule(Optimizer& optimizer, Function rule) : optimizer_(optimizer), rule_(std::move(rule)) {
  if (!rule_) fail(ErrorKind::argument, "Schedule: the function is empty");
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) base_.push_back(optimizer.learning_rate(group));
  apply();
}

void Schedule::apply() {
  for (std::size_t group = 0; group < base_.size(); ++group)
    optimizer_.set_learning_rate(group, rule_(step_, base_[group]));
}

void Schedule::step() {
  ++step_;
  apply();
}

StateDict Schedule::state_dict() const {
  return {{"step", tensor(std::vector<std::int64_t>{step_}, {})}, {"base_learning_rate", tensor(base_)}};
}

void Schedule::load_state_dict(const StateDict& state) {
  const TensorList loaded = matching("Schedule.load_state_dict", state_dict(), state);
  const std::int64_t step = loaded_count("Schedule.load_state_dict", "step", loaded[0]);
  base_ = loaded_rates("Schedule.load_state_dict", "base_learning_rate", loaded[1]);
  step_ = step;
  apply();
}

}  // namespace optim
}  // namespace saw
