#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "saw/autograd/state_dict.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

class Optimizer;

// Learning-rate schedules are values: rate(step, base) is the learning rate with which step `step` (0 for the first) is
// taken by a group whose own learning rate is `base`. With the default base of 1 it is the factor. A Schedule puts
// one to work. validate() throws Error(argument) for options out of range.

/// base · factor.
struct ConstantSchedule {
  double factor = 1.0;  ///< of the base rate, all the time

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// base · factor^⌊step / every⌋.
struct StepSchedule {
  std::int64_t every = 1;  ///< steps between two changes
  double factor = 0.1;     ///< what each change multiplies by

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// base · factor^(number of milestones ≤ step).
struct MultiStepSchedule {
  std::vector<std::int64_t> milestones;  ///< the steps from which each change holds
  double factor = 0.1;                   ///< what each change multiplies by

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// base · factor^step.
struct ExponentialSchedule {
  double factor = 0.99;  ///< what each step multiplies by

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// base · (first_factor + (1 − first_factor) · step / warmup_steps), and base from step warmup_steps on.
struct LinearWarmup {
  std::int64_t warmup_steps = 1;  ///< how many steps it takes to the base rate
  double first_factor = 0.0;      ///< where it begins, as a part of the base rate

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// Linear from 0 to base over the warm-up, then along half a cosine to 0 at total_steps, and 0 from there on:
/// base · step / warmup_steps, then base · ½(1 + cos(π (step − warmup_steps) / (total_steps − warmup_steps))).
struct CosineWithWarmup {
  std::int64_t warmup_steps = 0;  ///< how many steps it takes to the base rate
  std::int64_t total_steps = 1;   ///< the end, warm-up included

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// From base along half a cosine to minimum_rate at total_steps, and minimum_rate from there on (Loshchilov & Hutter,
/// "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without the restarts).
struct CosineAnnealing {
  std::int64_t total_steps = 1;  ///< the end
  double minimum_rate = 0.0;     ///< the rate at the end

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// Cosine annealing with warm restarts (Loshchilov & Hutter, ICLR 2017): from base along half a cosine towards
/// minimum_rate over first_steps steps, then from base again, over multiplier times as many steps as before, and so on.
struct CosineAnnealingWarmRestarts {
  std::int64_t first_steps = 1;  ///< of the first cosine
  std::int64_t multiplier = 1;   ///< how many times longer each cosine is than the one before
  double minimum_rate = 0.0;     ///< the rate that each cosine comes down to

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// The Transformer's schedule (Vaswani et al., "Attention is all you need", NeurIPS 2017):
/// base · factor · width^−½ · min((step + 1)^−½, (step + 1) · warmup_steps^−1.5). Give the optimizer learning rate 1.
struct Noam {
  std::int64_t width = 512;          ///< of the model
  std::int64_t warmup_steps = 4000;  ///< until the largest rate
  double factor = 1.0;               ///< multiplies all rates

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// The shape of a way from one learning rate to another.
enum class Annealing {
  cosine,  ///< half a cosine
  linear,  ///< a straight line
};

/// One cycle (Smith & Topin, "Super-convergence", 2018): from maximum / start_divisor up to the maximum over the first
/// `rising` part of the steps, then down to maximum / start_divisor / end_divisor at the last; in three phases first
/// down to the start, as fast as it came up, and on to the end from there. The maximum is the group's own learning
/// rate unless maximum_rate says another. After the last step the rate stays.
struct OneCycle {
  std::int64_t total_steps = 1;             ///< of the cycle
  std::optional<double> maximum_rate = {};  ///< in place of the group's own
  double rising = 0.3;                      ///< the part of the steps that leads up
  double start_divisor = 25.0;              ///< the first rate is the maximum over this
  double end_divisor = 1e4;                 ///< the last rate is the first over this
  bool three_phase = false;                 ///< down as fast as it came up, then on to the end
  Annealing annealing = Annealing::cosine;  ///< the shape of the way up and down

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// What a rule has: rate() and validate(), as above.
template <class T>
concept ScheduleRule = requires(const T rule, std::int64_t step, double base) {
  { rule.rate(step, base) } -> std::convertible_to<double>;
  rule.validate();
};

/// Any rule as a value of one type; made of a rule, which is validated, or of a function of (step, base).
class AnySchedule {
 public:
  /// Throws Error(argument) for a rule out of range.
  template <ScheduleRule Rule>
  AnySchedule(const Rule& rule) : rate_([rule](std::int64_t step, double base) { return rule.rate(step, base); }) {
    rule.validate();
  }
  /// Any function, which may be empty.
  AnySchedule(std::function<double(std::int64_t step, double base)> rate) : rate_(std::move(rate)) {}

  /// Of step `step`, 0 for the first.
  double rate(std::int64_t step, double base = 1.0) const { return rate_(step, base); }
  explicit operator bool() const { return static_cast<bool>(rate_); }  ///< false for an empty function

 private:
  std::function<double(std::int64_t, double)> rate_;
};

/// One schedule after the other: the first up to step milestones[0], then the second, which counts its steps from 0
/// there, up to milestones[1], and so on; the last has no end.
///
///   optim::Schedule schedule(adam, optim::SequentialSchedule{
///       .schedules = {optim::LinearWarmup{.warmup_steps = 500}, optim::CosineAnnealing{.total_steps = 20000}},
///       .milestones = {500}});
///
/// Milestones grow, and there is one fewer than schedules.
struct SequentialSchedule {
  std::vector<AnySchedule> schedules;    ///< one after the other, each counting its own steps from 0
  std::vector<std::int64_t> milestones;  ///< the first step of each but the first

  double rate(std::int64_t step, double base = 1.0) const;  ///< of step `step`, 0 for the first
  void validate() const;                                    ///< throws Error(argument) for options out of range
};

/// Sets the learning rates of an optimizer, which must outlive it: those of step 0 when it is made, those of the next
/// step with every call of step(). The rates that the groups have at its making are their base rates.
///
///   optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = 500, .total_steps = 20000});
///   …
///   adam.step();
///   schedule.step();
///
/// Any function of (step, base rate) will do in place of a rule. Throws Error(argument) for a rule out of range.
class Schedule {
 public:
  using Function = std::function<double(std::int64_t step, double base)>;  ///< a rule that needs no validation

  /// Validates the rule and sets the rates of step 0.
  template <ScheduleRule Rule>
  Schedule(Optimizer& optimizer, const Rule& rule) : Schedule(optimizer, function_of(rule)) {}
  /// The same with a function. Throws Error(argument) for an empty one.
  Schedule(Optimizer& optimizer, Function rule);

  /// To be called after every step of the optimizer.
  void step();
  /// Calls of step() so far.
  std::int64_t step_count() const { return step_; }

  /// "step" (int64) and "base_learning_rate" (groups) float64.
  StateDict state_dict() const;
  /// Takes such a state over and sets the learning rates that belong to it. Throws Error(argument) for one that does
  /// not fit, and then changes nothing.
  void load_state_dict(const StateDict& state);

 private:
  template <class Rule>
  static Function function_of(const Rule& rule) {
    rule.validate();
    return [rule](std::int64_t step, double base) { return rule.rate(step, base); };
  }
  void apply();

  Optimizer& optimizer_;
  Function rule_;
  std::vector<double> base_;
  std::int64_t step_ = 0;
};

}  // namespace optim
}  // namespace saw
