#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/nn/init.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

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

  // ---- training or not ----

  /// Switches layers that act differently in training (dropout), here and in all modules below. Gradients are no part
  /// of this: NoGradGuard stops recording.
  void train(bool training = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }

  // ---- the tree ----

  /// The name by which the parent knows this module; empty for the root.
  const std::string& name() const { return name_; }
  /// Where this module is below the root: "encoder.layers.3.linear1"; empty for the root.
  std::string path() const;
  /// The class, without namespaces: "TransformerEncoderLayer".
  std::string type_name() const;
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
  /// Makes and owns a module below this one.
  template <class M, class... Arguments>
  M& child(const std::string& name, Arguments&&... arguments) {
    static_assert(std::is_base_of_v<Module, M>, "child<M>: M must derive from saw::nn::Module");
    check_name(name);
    auto made = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& reference = *made;
    adopt(name, std::move(made));
    return reference;
  }

  /// While the result lives, anomaly messages name this module: `const auto scope = enter();` at the top of forward.
  [[nodiscard]] ModuleScope enter() const { return ModuleScope(&path_); }

 private:
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

  void check_name(const std::string& name) const;
  void adopt(const std::string& name, std::unique_ptr<Module> module);
  std::vector<Entry> entries() const;
  void collect(const std::string& prefix, std::vector<Entry>& entries) const;

  const Module* parent_ = nullptr;
  std::string name_;
  std::function<std::string()> path_;  // made once, so that enter() costs two pointers
  bool training_ = true;
  // Deques, because references to their elements outlive every addition.
  std::deque<Slot> parameters_;
  std::deque<Slot> buffers_;
  std::vector<Child> children_;
};

}  // namespace nn
}  // namespace saw
