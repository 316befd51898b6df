#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Modules of one type, named "0", "1", …:
///
///   nn::ModuleList<nn::Linear>& layers = child<nn::ModuleList<nn::Linear>>("layers");
///   for (int i = 0; i < 3; ++i) layers.add(64, 64);               // layers.0.weight, …
///   for (nn::Linear& layer : layers) x = relu(layer.forward(x));
template <class M>
class ModuleList : public Module {
 public:
  /// Makes the next module from these arguments.
  template <class... Arguments>
  M& add(Arguments&&... arguments) {
    return keep(child<M>(next_name(), std::forward<Arguments>(arguments)...));
  }
  /// The same with the module's options in braces, as in child().
  template <class N = M>
  M& add(const typename N::Options& options) {
    return keep(child<N>(next_name(), options));
  }
  template <class N = M, class A>
  M& add(A&& a, const typename N::Options& options) {
    return keep(child<N>(next_name(), std::forward<A>(a), options));
  }
  template <class N = M, class A, class B>
  M& add(A&& a, B&& b, const typename N::Options& options) {
    return keep(child<N>(next_name(), std::forward<A>(a), std::forward<B>(b), options));
  }
  template <class N = M, class A, class B, class C>
  M& add(A&& a, B&& b, C&& c, const typename N::Options& options) {
    return keep(child<N>(next_name(), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), options));
  }

  std::size_t size() const { return modules_.size(); }         ///< how many modules
  M& operator[](std::size_t i) const { return *modules_[i]; }  ///< the i-th, unchecked

  class Iterator {
   public:
    explicit Iterator(M* const* at) : at_(at) {}
    M& operator*() const { return **at_; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    M* const* at_;
  };
  Iterator begin() const { return Iterator(modules_.data()); }
  Iterator end() const { return Iterator(modules_.data() + modules_.size()); }

 private:
  std::string next_name() const { return std::to_string(modules_.size()); }
  M& keep(M& made) {
    modules_.push_back(&made);
    return made;
  }

  std::vector<M*> modules_;
};

}  // namespace nn
}  // namespace saw
