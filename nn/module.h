#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "saw/autograd/base/module_scope.h"
#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/hook_handle.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/nn/init.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

class Module;

/// Sees what a module made of its input, and may return another tensor in the output's place; an undefined one leaves
/// it as it is. `input` and `output` are undefined where the module's function does not hand them over.
using ForwardHook = std::function<Tensor(const Module& module, const Tensor& input, const Tensor& output)>;

/// What Module::enter() returns. While it lives, errors and anomaly messages of this thread name the module.
class [[nodiscard]] ForwardScope {
 public:
  ForwardScope(const Module& module, const Tensor* input);
  /// Calls the module's forward hooks, without an output, if output() did not and no exception is on its way. They may
  /// throw.
  ~ForwardScope() noexcept(false);
  ForwardScope(const ForwardScope&) = delete;
  ForwardScope& operator=(const ForwardScope&) = delete;

  /// Hands the result of forward over: calls the module's forward hooks and returns y, or what they put in its place.
  Tensor output(Tensor y) const;

 private:
  ModuleScope scope_;
  const Module& module_;
  const Tensor* input_;
  int exceptions_;                 // on their way when forward began; −1: there were no hooks then
  mutable bool is_shown_ = false;  // output() is called on the constant that enter() is kept in
};

/// A part of a model: parameters, buffers and smaller modules, each made and named in one call, so that none can be
/// forgotten. `forward` is an ordinary function of each module, with the arguments that are natural to it.
///
///   struct Tagger : nn::Module {
///     nn::Embedding& words = child<nn::Embedding>("words", 10000, 128);
///     nn::Linear& tags = child<nn::Linear>("tags", 128, 17);
///     const Tensor& scale = param("scale", {17}, nn::init::ones());
///
///     Tensor forward(const Tensor& ids) { return tags.forward(words.forward(ids)) * scale; }
///   };
///
/// Names are unique within a module, not empty and without dots; "encoder.layers.3.linear1.weight" comes out of them.
/// A module stays where it was made: it is neither copied nor moved, and references to its parts live as long as it
/// does. Hold parameters by reference (`const Tensor&`): to() and tie() put other tensors in their places.
class Module {
 public:
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // ---- parameters and buffers ----

  /// All parameters of this module and the modules in it, own ones first, in the order of creation; each once, also
  /// when it is tied to several names.
  TensorList parameters() const;
  /// The same with their names, relative to this module. A tied parameter has the first of its names.
  StateDict named_parameters() const;
  /// Buffers with their names, also those that are not persistent.
  StateDict named_buffers() const;
  /// How many numbers all parameters hold together, frozen ones included.
  std::int64_t number_of_parameters() const;

  /// Parameters and persistent buffers by all their names. The values share memory with the model and have no history:
  /// they change when the model is trained on; snapshot() does not.
  StateDict state_dict() const;
  /// A copy of state_dict() with memory of its own: what "keep the best weights" needs.
  StateDict snapshot() const;

  /// Where a state and the model differ; both empty when all went well.
  struct Unmatched {
    std::vector<std::string> missing;     ///< names of the model that the state does not have
    std::vector<std::string> unexpected;  ///< names of the state that the model does not have
  };
  /// Copies values into the parameters and buffers of these names. Throws Error(argument) that lists every missing,
  /// unexpected and mismatched name at once; nothing has changed then. With strict = false missing and unexpected names
  /// are returned instead; other shapes or dtypes under the same name always throw.
  Unmatched load_state_dict(const StateDict& state, bool strict = true);

  /// Forgets all gradients.
  void zero_grad();
  /// Converts all floating point parameters and buffers. The parameters become new leaves without gradients: make
  /// optimizers after it.
  void to(DType dtype);
  /// Makes the parameter `name` of this module or of one below ("tags.weight") one and the same with `parameter` of
  /// another (tied weights). Throws Error(argument) for an unknown name, Error(shape) for another shape or dtype.
  void tie(const std::string& name, const Tensor& parameter);
  /// Freezes all parameters (false) or lets them be trained again (true).
  void set_requires_grad(bool requires_grad);
  /// Freezes the parameters that have a name, relative to this module, which fits the pattern (name_matches() in
  /// state_dict.h): `model.freeze("encoder.*")`. A frozen parameter collects no gradient and no optimizer changes it.
  /// Returns how many there are; throws Error(argument) where no name fits.
  std::int64_t freeze(const std::string& pattern);
  /// The opposite of freeze().
  std::int64_t unfreeze(const std::string& pattern);

  // ---- training or not ----

  /// Switches layers that act differently in training (dropout), here and in all modules below. Gradients are no part
  /// of this: NoGradGuard stops recording.
  void train(bool training = true);
  void eval() { train(false); }                   ///< train(false)
  bool is_training() const { return training_; }  ///< whether train() or eval() came last; at first true

  // ---- the tree ----

  /// The name by which the parent knows this module; empty for the root.
  const std::string& name() const { return name_; }
  /// Where this module is below the root: "encoder.layers.3.linear1"; empty for the root.
  std::string path() const;
  /// The class, without namespaces: "TransformerEncoderLayer".
  std::string type_name() const;
  /// This module, with the path "", and all modules below, with their paths relative to this one, in the order of
  /// creation; each before what is in it.
  std::vector<std::pair<std::string, Module*>> modules();
  std::vector<std::pair<std::string, const Module*>> modules() const;
  /// Calls f for every module below and then for this one: those further inside first.
  void apply(const std::function<void(Module&)>& f);
  /// The module at a path relative to this one: "encoder.layers.3"; "" is this one. Throws Error(argument) that lists
  /// what is there for a path that leads nowhere.
  Module& find_module(const std::string& path);
  const Module& find_module(const std::string& path) const;
  /// The same as what it is: `model.find_module<nn::Linear>("tags")`. Throws Error(argument) when it is another.
  template <class M>
  M& find_module(const std::string& path) {
    Module& module = find_module(path);
    if (M* typed = dynamic_cast<M*>(&module)) return *typed;
    fail_type(module, path, typeid(M));
  }
  /// The parameter of that name, relative to this module; the reference sees what to() and tie() do. Throws
  /// Error(argument) where there is none.
  const Tensor& find_parameter(const std::string& name) const;
  /// Calls the hook at the end of every forward of this module that begins from now on, until the handle's remove().
  ///
  ///   HookHandle handle = model.find_module("encoder.layers.0").register_forward_hook(
  ///       [&](const nn::Module&, const Tensor&, const Tensor& output) { return seen.push_back(output), Tensor(); });
  ///
  /// Built-in layers whose forward takes and gives one tensor of rows hand both over, so that hooks see the input and
  /// see, or replace, the output. A module of your own takes part by the scope of enter(): `const auto scope =
  /// enter(x);` hands the input over, `return scope.output(y);` the output; with `enter()` alone the hook runs when the
  /// scope ends, and sees that the module was there. Functions beside forward that enter the module, such as
  /// attention_weights(), call hooks in that way, too. A module that never enters calls none.
  HookHandle register_forward_hook(ForwardHook hook);
  /// The modules directly below, in the order of creation.
  std::vector<std::pair<std::string, const Module*>> children() const;
  /// This module's own parameters (those of children() not included) by their short names.
  StateDict own_parameters() const;
  /// This module's own buffers by their short names.
  StateDict own_buffers() const;

 protected:
  Module();

  /// Makes a float32 parameter. Throws Error(argument) for a bad name. The reference stays valid, and sees what to()
  /// and tie() do.
  const Tensor& param(const std::string& name, const Shape& shape, const Initialiser& initialiser);
  /// A parameter that may be absent (a bias that was switched off): then the tensor is undefined and appears in no
  /// list, but its name is taken.
  const Tensor& param_if(bool present, const std::string& name, const Shape& shape, const Initialiser& initialiser);
  /// A tensor that belongs to the model's state but is not trained. If persistent, it is in state_dict().
  const Tensor& buffer(const std::string& name, const Tensor& tensor, bool persistent = true);
  /// Makes and owns a module below this one. Options may stand in braces: `child<nn::Linear>("tags", 128, 17, {.bias =
  /// false})`.
  template <class M, class... Arguments>
  M& child(const std::string& name, Arguments&&... arguments) {
    static_assert(std::is_base_of_v<Module, M>, "child<M>: M must derive from saw::nn::Module");
    check_name(name);
    auto made = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& reference = *made;
    adopt(name, std::move(made));
    return reference;
  }

  /// Braces have no type for the function above to find. These take them for the module's Options, behind up to three
  /// other arguments.
  template <class M>
  M& child(const std::string& name, const typename M::Options& options) {
    return child<M, const typename M::Options&>(name, options);
  }
  template <class M, class A>
  M& child(const std::string& name, A&& a, const typename M::Options& options) {
    return child<M, A, const typename M::Options&>(name, std::forward<A>(a), options);
  }
  template <class M, class A, class B>
  M& child(const std::string& name, A&& a, B&& b, const typename M::Options& options) {
    return child<M, A, B, const typename M::Options&>(name, std::forward<A>(a), std::forward<B>(b), options);
  }
  template <class M, class A, class B, class C>
  M& child(const std::string& name, A&& a, B&& b, C&& c, const typename M::Options& options) {
    return child<M, A, B, C, const typename M::Options&>(name, std::forward<A>(a), std::forward<B>(b),
                                                         std::forward<C>(c), options);
  }

  /// To be kept at the top of forward: `const auto scope = enter(x);`. While it lives, errors and anomaly messages name
  /// this module, and forward hooks hang on it; see register_forward_hook().
  ForwardScope enter() const { return ForwardScope(*this, nullptr); }
  ForwardScope enter(const Tensor& input) const { return ForwardScope(*this, &input); }
  ForwardScope enter(Tensor&&) const = delete;  // the scope only looks at it
  /// The same for functions beside forward (attention weights, keys to keep): errors name this module, no hook runs.
  [[nodiscard]] ModuleScope enter_beside_forward() const { return ModuleScope(&path_); }

  /// "Linear" for saw::nn::Linear.
  static std::string type_name_of(const std::type_info& type);

 private:
  friend class ForwardScope;
  using Hooks = std::vector<std::shared_ptr<const ForwardHook>>;
  struct Slot {
    std::string name;
    Tensor tensor;
    bool persistent = true;
  };
  struct Child {
    std::string name;
    std::unique_ptr<Module> module;
  };
  struct Entry;

  [[noreturn]] static void fail_type(const Module& module, const std::string& path, const std::type_info& wanted);
  std::int64_t set_requires_grad(const char* op, const std::string& pattern, bool requires_grad);
  Tensor run_hooks(const Tensor& input, Tensor output) const;
  void check_name(const std::string& name) const;
  void adopt(const std::string& name, std::unique_ptr<Module> module);
  std::vector<Entry> entries() const;
  void mark_unless_held(const Tensor& before) const;
  void collect(const std::string& prefix, std::vector<Entry>& entries) const;

  const Module* parent_ = nullptr;
  std::string name_;
  std::function<std::string()> path_;  // made once, so that enter() costs two pointers
  bool training_ = true;
  // Deques, because references to their elements outlive every addition.
  std::deque<Slot> parameters_;
  std::deque<Slot> buffers_;
  std::vector<Child> children_;
  std::shared_ptr<Hooks> hooks_;  // null until there is one
};

}  // namespace nn
}  // namespace saw
