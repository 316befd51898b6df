#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Modules by name, in the order of their making:
///
///   nn::ModuleDict<nn::Linear>& heads = child<nn::ModuleDict<nn::Linear>>("heads");
///   for (const std::string& task : tasks) heads.add(task, 64, classes(task));     // heads.tags.weight, …
///   Tensor y = heads["tags"].forward(x);
///   for (const auto& [name, head] : heads) …
///
/// A ModuleDict<> takes modules of every kind: `layers.add<nn::Linear>("first", 8, 8)`, and
/// `layers.find_module<nn::Linear>("first")` gives one back.
template <class M = Module>
class ModuleDict : public Module {
 public:
  using Entry = std::pair<std::string, M*>;  ///< a name and its module

  /// Makes the module `name` from these arguments. Throws Error(argument) for a name that is taken or not allowed.
  template <class N = M, class... Arguments>
  N& add(const std::string& name, Arguments&&... arguments) {
    return keep(name, child<N>(name, std::forward<Arguments>(arguments)...));
  }
  /// The same with the module's options in braces, as in child().
  template <class N = M>
  N& add(const std::string& name, const typename N::Options& options) {
    return keep(name, child<N>(name, options));
  }
  template <class N = M, class A>
  N& add(const std::string& name, A&& a, const typename N::Options& options) {
    return keep(name, child<N>(name, std::forward<A>(a), options));
  }
  template <class N = M, class A, class B>
  N& add(const std::string& name, A&& a, B&& b, const typename N::Options& options) {
    return keep(name, child<N>(name, std::forward<A>(a), std::forward<B>(b), options));
  }
  template <class N = M, class A, class B, class C>
  N& add(const std::string& name, A&& a, B&& b, C&& c, const typename N::Options& options) {
    return keep(name, child<N>(name, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), options));
  }

  /// Throws Error(argument) that lists the names for one that is not there.
  M& operator[](const std::string& name) const {
    for (const Entry& entry : entries_)
      if (entry.first == name) return *entry.second;
    std::string names;
    for (const Entry& entry : entries_) names += (names.empty() ? "" : ", ") + entry.first;
    throw Error(ErrorKind::argument, "ModuleDict: there is no module \"" + name + "\"; expected one of: " + names);
  }
  /// Whether there is a module of that name.
  bool contains(const std::string& name) const {
    for (const Entry& entry : entries_)
      if (entry.first == name) return true;
    return false;
  }
  std::size_t size() const { return entries_.size(); }  ///< how many modules
  typename std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  typename std::vector<Entry>::const_iterator end() const { return entries_.end(); }

 private:
  template <class N>
  N& keep(const std::string& name, N& made) {
    entries_.emplace_back(name, &made);
    return made;
  }

  std::vector<Entry> entries_;
};

}  // namespace nn
}  // namespace saw
