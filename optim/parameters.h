#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// What an optimizer (or clipping, or an average of weights) works on: tensors in an order, with the names they have in
/// saved states. Made from `model.parameters()` or `model.named_parameters()`.
class Parameters {
 public:
  Parameters() = default;
  /// The names are those of the leaves; see names().
  Parameters(TensorList tensors) : tensors_(std::move(tensors)), names_(tensors_.size()) {}
  Parameters(std::initializer_list<Tensor> tensors) : Parameters(TensorList(tensors)) {}
  Parameters(const StateDict& named);

  std::size_t size() const { return tensors_.size(); }
  bool empty() const { return tensors_.empty(); }
  const Tensor& operator[](std::size_t i) const { return tensors_[i]; }
  const TensorList& tensors() const { return tensors_; }
  /// The given names; "" where none was given.
  const std::vector<std::string>& names() const { return names_; }
  /// Puts `others` behind.
  void append(const Parameters& others);

 private:
  TensorList tensors_;
  std::vector<std::string> names_;
};

}  // namespace optim
}  // namespace saw
