#pragma once

#include <string>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/state_dict.h"
#include "support/tensors.h"

namespace test {

// A file of tests/golden: what PyTorch computed.
class Golden {
 public:
  explicit Golden(const std::string& file);

  // The tensor of that name; throws where there is none.
  saw::Tensor at(const std::string& name) const;
  bool has(const std::string& name) const;
  // All tensors "<prefix><name>", by <name>.
  saw::StateDict below(const std::string& prefix) const;
  // Segments from a tensor of lengths.
  saw::Segments segments(const std::string& name) const;

 private:
  saw::StateDict tensors_;
};

// The largest magnitude in a tensor; 0 for an empty one.
double largest(const saw::Tensor& tensor);

}  // namespace test
