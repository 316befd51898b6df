#include "saw/optim/ema.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/creation.h"
#include "saw/optim/internal/named.h"
#include "saw/optim/internal/pieces.h"

namespace saw {
namespace optim {

ExponentialMovingAverage::ExponentialMovingAverage(const Parameters& parameters,
                                                   const ExponentialMovingAverageOptions& options)
    : options_(options),
      parameters_(parameters.tensors()),
      names_(unique_names("ExponentialMovingAverage", parameters)) {
  if (!(options.decay >= 0 && options.decay <= 1))
    fail(ErrorKind::argument, "ExponentialMovingAverage: decay is out of range; got {}; expected 0 to 1",
         options.decay);
  check_parameters("ExponentialMovingAverage", parameters, names_);
  for (const Tensor& parameter : parameters_) {
    averages_.push_back(parameter.detach().clone());
    parameter_data_.push_back(const_cast<void*>(parameter.data(parameter.dtype())));
    average_data_.push_back(averages_.back().mutable_data(parameter.dtype()));
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + parameter.numel());
  }
}

/// Calls f(parameter, average, size) for ranges of all parameters, in parallel.
template <class F>
void ExponentialMovingAverage::for_all(F f) {
  for_pieces(ends_, [&](std::int64_t, std::size_t i, std::int64_t begin, std::int64_t end) {
    dispatch_floating("ExponentialMovingAverage", averages_[i].dtype(), [&]<class T>() {
      f(static_cast<T*>(parameter_data_[i]) + begin, static_cast<T*>(average_data_[i]) + begin, end - begin);
    });
  });
}

void ExponentialMovingAverage::check_not_swapped(const char* what) const {
  if (swapped_)
    fail(ErrorKind::argument,
         "ExponentialMovingAverage: {} while the parameters have the averages as their values; swap() back first",
         what);
}

void ExponentialMovingAverage::update() {
  check_not_swapped("update");
  ++updates_;
  const auto t = static_cast<double>(updates_);
  const double decay = options_.warm_up ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
  for_all([decay]<class T>(T* parameter, T* average, std::int64_t size) {
    const T share = static_cast<T>(1 - decay);
    for (std::int64_t i = 0; i < size; ++i) average[i] += share * (parameter[i] - average[i]);
  });
}

void ExponentialMovingAverage::swap() {
  for (const Tensor& parameter : parameters_) parameter.storage()->bump_version();
  for_all([]<class T>(T* parameter, T* average, std::int64_t size) {
    std::swap_ranges(parameter, parameter + size, average);
  });
  swapped_ = !swapped_;
}

void ExponentialMovingAverage::copy_to_parameters() {
  check_not_swapped("copy_to_parameters");
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(averages_[i]);
}

// ---- state ----

/// The state as handles to the tensors themselves.
StateDict ExponentialMovingAverage::described_state() const {
  StateDict state{{"updates", tensor(std::vector<std::int64_t>{updates_}, {})}};
  for (std::size_t i = 0; i < names_.size(); ++i) state.emplace_back("average." + names_[i], averages_[i]);
  return state;
}

StateDict ExponentialMovingAverage::state_dict() const {
  check_not_swapped("state_dict");
  StateDict state = described_state();
  for (auto& [name, value] : state) value = value.clone();
  return state;
}

void ExponentialMovingAverage::load_state_dict(const StateDict& state) {
  check_not_swapped("load_state_dict");
  const NoGradGuard no_grad;
  const char* who = "ExponentialMovingAverage.load_state_dict";
  const TensorList loaded = matching(who, described_state(), state);
  updates_ = loaded_count(who, "updates", loaded[0]);
  for (std::size_t i = 0; i < averages_.size(); ++i) averages_[i].copy_(loaded[i + 1]);
}

}  // namespace optim
}  // namespace saw
