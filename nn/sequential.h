#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/nn/module.h"
#include "saw/nn/sequences.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// A module that maps rows to rows and looks at one position at a time.
template <class M>
concept PositionWise = std::derived_from<M, Module> && requires(M& module, const Tensor& x) {
  { module.forward(x) } -> std::convertible_to<Tensor>;
};

/// A module that looks across the positions of a sequence, and so wants to know where sequences begin and end.
template <class M>
concept SequenceWise = std::derived_from<M, Module> && requires(M& module, const Tensor& x, const Segments& segments) {
  module.forward(x, segments);
  requires std::convertible_to<decltype(module.forward(x, segments)), Tensor> ||
      std::same_as<decltype(module.forward(x, segments)), Sequences>;
};

/// Modules one after the other, named "0", "1", …:
///
///   nn::Sequential& net = child<nn::Sequential>("net")
///                             .add<nn::Linear>(40, 80, {.bias = false}).add<nn::ReLU>().add<nn::Linear>(80, 17);
///   Tensor y = net.forward(x);
///
/// Modules that want segments get them: `net.forward(x, segments)`. Behind one that changes how many rows there are (a
/// strided Conv1d, ConvolutionSubsampling) those of its result go on.
class Sequential : public Module {
 public:
  /// Makes the next module from these arguments; returns *this.
  template <class M, class... Arguments>
  requires(PositionWise<M> || SequenceWise<M>) Sequential& add(Arguments&&... arguments) {
    append(child<M>(std::to_string(size()), std::forward<Arguments>(arguments)...));
    return *this;
  }
  /// The same with the module's options in braces, as in child().
  template <class M>
  Sequential& add(const typename M::Options& options) {
    return add<M, const typename M::Options&>(options);
  }
  template <class M, class A>
  Sequential& add(A&& a, const typename M::Options& options) {
    return add<M, A, const typename M::Options&>(std::forward<A>(a), options);
  }
  template <class M, class A, class B>
  Sequential& add(A&& a, B&& b, const typename M::Options& options) {
    return add<M, A, B, const typename M::Options&>(std::forward<A>(a), std::forward<B>(b), options);
  }
  template <class M, class A, class B, class C>
  Sequential& add(A&& a, B&& b, C&& c, const typename M::Options& options) {
    return add<M, A, B, C, const typename M::Options&>(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                                                       options);
  }

  /// Throws Error(argument) when one of the modules wants segments.
  Tensor forward(const Tensor& x) const;
  Tensor forward(const Tensor& x, const Segments& segments) const;
  /// The segments of the result of forward(x, segments).
  Segments output_segments(const Segments& segments) const;

  std::size_t size() const { return steps_.size(); }  ///< how many modules
  /// The i-th module. Throws Error(argument) for one that is not there.
  Module& operator[](std::size_t i) const;
  /// The i-th module as what it is: `net.get<nn::Linear>(0).weight`. Throws Error(argument) when it is another.
  template <class M>
  M& get(std::size_t i) const {
    Module& module = (*this)[i];
    if (M* typed = dynamic_cast<M*>(&module)) return *typed;
    fail_type(i, typeid(M));
  }

 private:
  struct Step {
    Module* module;
    bool needs_segments;
    std::function<Tensor(const Tensor& x, const Segments* segments)> run;  // null: none were given
    std::function<Segments(const Segments&)> output_segments;              // empty: they stay
  };

  template <class M>
  void append(M& made) {
    Step step{&made, !PositionWise<M>, {}, {}};
    step.run = [&made](const Tensor& x, const Segments* segments) -> Tensor {
      if constexpr (SequenceWise<M>) {
        if (segments != nullptr) return rows_of(made.forward(x, *segments));
      }
      if constexpr (PositionWise<M>) return made.forward(x);
      return {};  // forward(x) has refused this before
    };
    if constexpr (requires(const Segments& segments) {
                    { made.output_segments(segments) } -> std::convertible_to<Segments>;
                  })
      step.output_segments = [&made](const Segments& segments) { return made.output_segments(segments); };
    steps_.push_back(std::move(step));
  }
  static Tensor rows_of(Tensor rows) { return rows; }
  static Tensor rows_of(Sequences sequences) { return std::move(sequences.rows); }

  [[noreturn]] void fail_type(std::size_t i, const std::type_info& wanted) const;

  std::vector<Step> steps_;
};

}  // namespace nn
}  // namespace saw
