#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// In training every element becomes 0 with probability p, else x/(1 − p) (Srivastava et al. 2014); in evaluation
/// nothing happens. Draws from default_generator().
class Dropout : public Module {
 public:
  /// Throws Error(argument) unless p is in [0, 1].
  explicit Dropout(double probability);

  Tensor forward(const Tensor& x) const;  ///< of any shape, which stays; x itself where nothing happens

 private:
  double probability_;
};

}  // namespace nn
}  // namespace saw
