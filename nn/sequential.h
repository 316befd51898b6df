#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// What Sequential takes: a module that maps rows to rows and looks at one position at a time.
template <class M>
concept PositionWise = std::derived_from<M, Module> && requires(M& module, const Tensor& x) {
  { module.forward(x) } -> std::convertible_to<Tensor>;
};

/// Modules one after the other, named "0", "1", …:
///
///   nn::Sequential& net = child<nn::Sequential>("net").add<nn::Linear>(40, 80).add<nn::ReLU>().add<nn::Linear>(80,
///   17);
class Sequential : public Module {
 public:
  /// Makes the next module from these arguments; returns *this.
  template <PositionWise M, class... Arguments>
  Sequential& add(Arguments&&... arguments) {
    M& made = child<M>(std::to_string(steps_.size()), std::forward<Arguments>(arguments)...);
    steps_.push_back([&made](const Tensor& x) -> Tensor { return made.forward(x); });
    return *this;
  }

  Tensor forward(const Tensor& x) const;
  std::size_t size() const { return steps_.size(); }

 private:
  std::vector<std::function<Tensor(const Tensor&)>> steps_;
};

}  // namespace nn
}  // namespace saw
