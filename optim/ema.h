#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/optim/parameters.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of ExponentialMovingAverage.
struct ExponentialMovingAverageOptions {
  double decay = 0.999;  ///< d
  bool warm_up =
      false;  ///< in update t (from 1 on) use min(d, (1 + t) / (10 + t)), so that the start is soon forgotten
};

/// Averages of parameters over the steps of a training (Polyak & Juditsky, "Acceleration of stochastic approximation by
/// averaging", 1992, with exponential weights), which often serve better than the last ones:
///
///   a ← d a + (1 − d) p,   at first a = p
///
///   optim::ExponentialMovingAverage average(model.parameters(), {.decay = 0.999});
///   …
///   adam.step();
///   average.update();
///   …
///   {
///     const auto averaged = average.applied();   // the model has the averages until the end of the scope
///     evaluate(model);
///   }
///
/// The constructor throws Error(argument) for a list of parameters that is empty or has one of them twice, for one that
/// is not contiguous or not floating point, and for a decay outside [0, 1].
class ExponentialMovingAverage {
 public:
  /// The parameters have the averages as their values while it lives.
  class Applied {
   public:
    explicit Applied(ExponentialMovingAverage& average) : average_(average) { average_.swap(); }
    ~Applied() { average_.swap(); }
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    ExponentialMovingAverage& average_;
  };

  explicit ExponentialMovingAverage(const Parameters& parameters, const ExponentialMovingAverageOptions& options = {});
  ExponentialMovingAverage(const ExponentialMovingAverage&) = delete;
  ExponentialMovingAverage& operator=(const ExponentialMovingAverage&) = delete;

  /// Lets the parameters' values in. Throws Error(argument) while parameters and averages are swapped.
  void update();
  /// Calls of update() so far.
  std::int64_t update_count() const { return updates_; }
  /// Exchanges the values of parameters and averages; a second call puts them back.
  void swap();
  /// swap() for the duration of a scope: `const auto averaged = ema.applied();`.
  [[nodiscard]] Applied applied() { return Applied(*this); }
  /// Overwrites the parameters with the averages. Throws Error(argument) while they are swapped.
  void copy_to_parameters();

  /// A copy: "updates" (int64) and "average.<parameter>". Throws Error(argument) while parameters and averages are
  /// swapped.
  StateDict state_dict() const;
  /// Takes such a state over. Throws one Error(argument) with all names that do not fit, and then changes nothing.
  void load_state_dict(const StateDict& state);

 private:
  template <class F>
  void for_all(F f);
  void check_not_swapped(const char* what) const;
  StateDict described_state() const;

  ExponentialMovingAverageOptions options_;
  TensorList parameters_, averages_;
  std::vector<std::string> names_;
  // Found once: what swap() does in a destructor must not ask for memory.
  std::vector<void*> parameter_data_, average_data_;
  std::vector<std::int64_t> ends_;
  std::int64_t updates_ = 0;
  bool swapped_ = false;
};

}  // namespace optim
}  // namespace saw
