#include "saw/train/internal/loss_watch.h"

#include "saw/train/state.h"

namespace saw::train {

bool LossWatch::update(double loss) {
  constexpr std::int64_t beginning = 2;  // a rate that is too large spoils the third one
  constexpr double share = 1.0 / 50;
  ++count_;
  if (count_ <= beginning) {
    first_ += (loss - first_) / static_cast<double>(count_);
    smoothed_ = first_;
    return false;
  }
  smoothed_ += share * (loss - smoothed_);
  // A loss that is not positive at first has no multiples.
  return factor_ > 0 && first_ > 0 && smoothed_ > factor_ * first_;
}

StateDict LossWatch::state_dict() const {
  std::vector<double> values{first_, smoothed_, static_cast<double>(count_)};
  return state_of(values).save();
}

void LossWatch::load_state_dict(const StateDict& state) {
  std::vector<double> values;
  state_of(values).load(state);
  values.resize(3);
  first_ = values[0];
  smoothed_ = values[1];
  count_ = static_cast<std::int64_t>(values[2]);
}

}  // namespace saw::train
