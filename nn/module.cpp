#include "saw/nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <set>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/listing.h"
#include "saw/autograd/tape/internal/replaced.h"

namespace saw::nn {
namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// "saw::nn::ModuleList<saw::nn::Linear>" → "ModuleList<Linear>".
std::string without_namespaces(std::string name) {
  static const std::string anonymous = "(anonymous namespace)::";
  for (std::size_t at; (at = name.find(anonymous)) != std::string::npos;) name.erase(at, anonymous.size());
  for (std::size_t at; (at = name.find("::")) != std::string::npos;) {
    std::size_t begin = at;
    while (begin > 0 && (std::isalnum(static_cast<unsigned char>(name[begin - 1])) || name[begin - 1] == '_')) --begin;
    name.erase(begin, at + 2 - begin);
  }
  return name;
}

std::string described(const Tensor& tensor) { return fmt::format("{} {}", tensor.dtype(), tensor.shape()); }

/// The same values, dtype and place in training, as a leaf of its own.
Tensor converted(const Tensor& tensor, DType dtype) {
  const NoGradGuard no_grad;
  const Tensor result = tensor.detach().to(dtype);
  if (tensor.requires_grad()) {
    result.set_requires_grad(true);
    result.set_name(tensor.name());
  }
  return result;
}

}  // namespace

struct Module::Entry {
  std::string name;
  Slot* slot;
  bool is_parameter;
};

Module::Module() : path_([this] { return path(); }) {}

Module::~Module() = default;

// ---- making ----

void Module::check_name(const std::string& name) const {
  if (name.empty() || name.find('.') != std::string::npos)
    fail(ErrorKind::argument, "{}: a name must not be empty and has no dots; got \"{}\"", type_name(), name);
  const auto taken = [&](const auto& part) { return part.name == name; };
  if (std::any_of(parameters_.begin(), parameters_.end(), taken) ||
      std::any_of(buffers_.begin(), buffers_.end(), taken) || std::any_of(children_.begin(), children_.end(), taken))
    fail(ErrorKind::argument, "{}: the name \"{}\" is taken; expected another for each parameter, buffer and module",
         type_name(), name);
}

const Tensor& Module::param(const std::string& name, const Shape& shape, const Initialiser& initialiser) {
  return param_if(true, name, shape, initialiser);
}

const Tensor& Module::param_if(bool present, const std::string& name, const Shape& shape,
                               const Initialiser& initialiser) {
  check_name(name);
  Tensor tensor;
  if (present) {
    tensor = Tensor::empty(shape, float32);
    initialiser(tensor);
    tensor.set_requires_grad(true);
    tensor.set_name(name);
  }
  return parameters_.emplace_back(Slot{name, tensor, true}).tensor;
}

const Tensor& Module::buffer(const std::string& name, const Tensor& tensor, bool persistent) {
  check_name(name);
  return buffers_.emplace_back(Slot{name, tensor.detach(), persistent}).tensor;
}

void Module::adopt(const std::string& name, std::unique_ptr<Module> module) {
  check_name(name);  // again: the module's own constructor may have been given this one
  module->parent_ = this;
  module->name_ = name;
  module->train(training_);
  children_.push_back({name, std::move(module)});
}

// ---- the tree ----

std::string Module::path() const { return parent_ == nullptr ? std::string() : joined(parent_->path(), name_); }

std::string Module::type_name() const { return type_name_of(typeid(*this)); }

std::string Module::type_name_of(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> readable(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                        std::free);
  return without_namespaces(status == 0 ? readable.get() : type.name());
}

std::vector<std::pair<std::string, Module*>> Module::modules() {
  std::vector<std::pair<std::string, Module*>> result{{"", this}};
  for (const Child& child : children_)
    for (const auto& [path, module] : child.module->modules())
      result.emplace_back(path.empty() ? child.name : joined(child.name, path), module);
  return result;
}

std::vector<std::pair<std::string, const Module*>> Module::modules() const {
  const auto all = const_cast<Module*>(this)->modules();
  return {all.begin(), all.end()};
}

void Module::apply(const std::function<void(Module&)>& f) {
  for (const Child& child : children_) child.module->apply(f);
  f(*this);
}

const Module& Module::find_module(const std::string& path) const {
  const Module* module = this;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto child = std::find_if(module->children_.begin(), module->children_.end(),
                                    [&](const Child& candidate) { return candidate.name == name; });
    if (child == module->children_.end()) {
      std::vector<std::string> there;
      for (const Child& candidate : module->children_) there.push_back(candidate.name);
      const std::string parent = begin == 0 ? "" : path.substr(0, begin - 1);
      fail(ErrorKind::argument, "find_module: there is no \"{}\" in this {}; {} has {}", path, type_name(),
           parent.empty() ? module->type_name() : parent, there.empty() ? "no modules" : listed(there));
    }
    module = child->module.get();
    if (end + 1 == path.size())
      fail(ErrorKind::argument, "find_module: a path does not end with a dot; got \"{}\"", path);
    begin = end + 1;
  }
  return *module;
}

Module& Module::find_module(const std::string& path) {
  return const_cast<Module&>(static_cast<const Module*>(this)->find_module(path));
}

void Module::fail_type(const Module& module, const std::string& path, const std::type_info& wanted) {
  fail(ErrorKind::argument, "find_module: \"{}\" is another module; got {}; expected {}", path, module.type_name(),
       type_name_of(wanted));
}

const Tensor& Module::find_parameter(const std::string& name) const {
  const std::size_t dot = name.rfind('.');
  const Module& owner = dot == std::string::npos ? *this : find_module(name.substr(0, dot));
  const std::string own_name = dot == std::string::npos ? name : name.substr(dot + 1);
  std::vector<std::string> there;
  for (const Slot& slot : owner.parameters_) {
    if (!slot.tensor.defined()) continue;
    if (slot.name == own_name) return slot.tensor;
    there.push_back(slot.name);
  }
  fail(ErrorKind::argument, "find_parameter: there is no \"{}\" in this {}; {} has {}", name, type_name(),
       dot == std::string::npos ? type_name() : name.substr(0, dot), there.empty() ? "no parameters" : listed(there));
}

// ---- forward ----

ForwardScope::ForwardScope(const Module& module, const Tensor* input)
    : scope_(&module.path_),
      module_(module),
      input_(input),
      exceptions_(module.hooks_ == nullptr ? -1 : std::uncaught_exceptions()) {}

ForwardScope::~ForwardScope() noexcept(false) {
  if (exceptions_ < 0 || is_shown_ || std::uncaught_exceptions() != exceptions_) return;
  module_.run_hooks(input_ != nullptr ? *input_ : Tensor(), {});
}

Tensor ForwardScope::output(Tensor y) const {
  if (exceptions_ < 0) return y;
  is_shown_ = true;
  return module_.run_hooks(input_ != nullptr ? *input_ : Tensor(), std::move(y));
}

Tensor Module::run_hooks(const Tensor& input, Tensor output) const {
  const Hooks hooks = *hooks_;  // a hook may remove itself
  for (const auto& hook : hooks) {
    Tensor replaced = (*hook)(*this, input, output);
    if (replaced.defined()) output = std::move(replaced);
  }
  return output;
}

HookHandle Module::register_forward_hook(ForwardHook hook) {
  if (!hook) fail(ErrorKind::argument, "register_forward_hook: the function is empty");
  if (hooks_ == nullptr) hooks_ = std::make_shared<Hooks>();
  const auto kept = std::make_shared<const ForwardHook>(std::move(hook));
  hooks_->push_back(kept);
  return HookHandle([where = std::weak_ptr<Hooks>(hooks_), which = std::weak_ptr<const ForwardHook>(kept)] {
    if (const std::shared_ptr<Hooks> hooks = where.lock()) std::erase(*hooks, which.lock());
  });
}

std::vector<std::pair<std::string, const Module*>> Module::children() const {
  std::vector<std::pair<std::string, const Module*>> result;
  for (const Child& child : children_) result.emplace_back(child.name, child.module.get());
  return result;
}

StateDict Module::own_parameters() const {
  StateDict result;
  for (const Slot& slot : parameters_)
    if (slot.tensor.defined()) result.emplace_back(slot.name, slot.tensor);
  return result;
}

StateDict Module::own_buffers() const {
  StateDict result;
  for (const Slot& slot : buffers_) result.emplace_back(slot.name, slot.tensor);
  return result;
}

void Module::collect(const std::string& prefix, std::vector<Entry>& entries) const {
  // A const module still hands out its tensors, whose values anyone may change: a Tensor is a handle.
  for (const Slot& slot : parameters_)
    if (slot.tensor.defined()) entries.push_back({joined(prefix, slot.name), const_cast<Slot*>(&slot), true});
  for (const Slot& slot : buffers_) entries.push_back({joined(prefix, slot.name), const_cast<Slot*>(&slot), false});
  for (const Child& child : children_) child.module->collect(joined(prefix, child.name), entries);
}

std::vector<Module::Entry> Module::entries() const {
  std::vector<Entry> result;
  collect({}, result);
  return result;
}

// ---- parameters and buffers ----

StateDict Module::named_parameters() const {
  StateDict result;
  const std::string above = path();
  for (const Entry& entry : entries()) {
    if (!entry.is_parameter) continue;
    const Tensor& tensor = entry.slot->tensor;
    const auto known = [&](const auto& named) { return named.second.is_same(tensor); };
    if (std::any_of(result.begin(), result.end(), known)) continue;
    // Only now is it known where in the model this parameter is; messages about leaves say so from here on.
    tensor.set_name(joined(above, entry.name));
    result.emplace_back(entry.name, tensor);
  }
  return result;
}

TensorList Module::parameters() const {
  TensorList result;
  for (auto& [name, tensor] : named_parameters()) result.push_back(tensor);
  return result;
}

StateDict Module::named_buffers() const {
  StateDict result;
  for (const Entry& entry : entries())
    if (!entry.is_parameter) result.emplace_back(entry.name, entry.slot->tensor);
  return result;
}

std::int64_t Module::number_of_parameters() const {
  std::int64_t result = 0;
  for (const Tensor& tensor : parameters()) result += tensor.numel();
  return result;
}

StateDict Module::state_dict() const {
  StateDict result;
  for (const Entry& entry : entries())
    if (entry.slot->persistent) result.emplace_back(entry.name, entry.slot->tensor.detach());
  return result;
}

StateDict Module::snapshot() const {
  const NoGradGuard no_grad;
  StateDict result = state_dict();
  for (auto& [name, tensor] : result) tensor = tensor.clone();
  return result;
}

Module::Unmatched Module::load_state_dict(const StateDict& state, bool strict) {
  Unmatched unmatched;
  std::vector<std::string> mismatched;
  std::vector<std::pair<Tensor, Tensor>> copies;  // to, from

  std::set<std::string> given_names;
  for (const auto& [name, tensor] : state)
    if (!given_names.insert(name).second)
      fail(ErrorKind::argument, "load_state_dict: the name \"{}\" is there twice; expected each once", name);

  StateDict own = state_dict();
  for (const auto& [name, tensor] : own) {
    const Tensor given = find_tensor(state, name);
    if (!given.defined()) {
      unmatched.missing.push_back(name);
    } else if (given.shape() != tensor.shape() || given.dtype() != tensor.dtype()) {
      mismatched.push_back(fmt::format("{} (got {}, expected {})", name, described(given), described(tensor)));
    } else {
      copies.emplace_back(tensor, given);
    }
  }
  for (const auto& [name, tensor] : state)
    if (!find_tensor(own, name).defined()) unmatched.unexpected.push_back(name);

  if (!mismatched.empty() || (strict && !(unmatched.missing.empty() && unmatched.unexpected.empty()))) {
    std::string text = fmt::format("load_state_dict: the state does not fit this {}", type_name());
    const auto list = [&](const char* what, const std::vector<std::string>& names) {
      if (!names.empty()) text += fmt::format("; {}: {}", what, listed(names));
    };
    list("missing", unmatched.missing);
    list("unexpected", unmatched.unexpected);
    list("mismatched", mismatched);
    throw Error(ErrorKind::argument, text);
  }

  const NoGradGuard no_grad;
  for (const auto& [to, from] : copies) to.copy_(from);
  return unmatched;
}

void Module::zero_grad() {
  for (const Tensor& tensor : parameters()) tensor.zero_grad();
}

void Module::to(DType dtype) {
  if (!is_floating(dtype))
    fail(ErrorKind::dtype, "to: parameters are floating point; got {}; expected float32 or float64", dtype);
  std::vector<std::pair<Tensor, Tensor>> done;  // before, after: what was tied stays tied
  for (const Entry& entry : entries()) {
    Tensor& tensor = entry.slot->tensor;
    if (!is_floating(tensor.dtype()) || tensor.dtype() == dtype) continue;
    const auto known =
        std::find_if(done.begin(), done.end(), [&](const auto& pair) { return pair.first.is_same(tensor); });
    if (known == done.end()) {
      done.emplace_back(tensor, converted(tensor, dtype));
      tensor = done.back().second;
    } else {
      tensor = known->second;
    }
  }
  for (const auto& [before, after] : done) mark_unless_held(before);
}

void Module::tie(const std::string& name, const Tensor& parameter) {
  const std::vector<Entry> all = entries();
  const auto entry =
      std::find_if(all.begin(), all.end(), [&](const Entry& e) { return e.is_parameter && e.name == name; });
  if (entry == all.end()) fail(ErrorKind::argument, "tie: {} has no parameter \"{}\"", type_name(), name);
  Tensor& tensor = entry->slot->tensor;
  if (!parameter.is_leaf())
    fail(ErrorKind::argument, "tie: needs a parameter; got the result of an op, of shape {}", parameter.shape());
  if (parameter.shape() != tensor.shape() || parameter.dtype() != tensor.dtype())
    fail(ErrorKind::shape, "tie: parameter \"{}\" of {} does not fit; got {}; expected {}", name, type_name(),
         described(parameter), described(tensor));
  const Tensor before = std::exchange(tensor, parameter);
  mark_unless_held(before);
}

/// Optimizers that hold a parameter which is no longer anywhere in the model say so.
void Module::mark_unless_held(const Tensor& before) const {
  const Module* root = this;
  while (root->parent_ != nullptr) root = root->parent_;
  const std::vector<Entry> all = root->entries();
  if (std::none_of(all.begin(), all.end(), [&](const Entry& entry) { return entry.slot->tensor.is_same(before); }))
    mark_replaced(before);
}

void Module::set_requires_grad(bool requires_grad) {
  for (const Tensor& tensor : parameters()) tensor.set_requires_grad(requires_grad);
}

std::int64_t Module::set_requires_grad(const char* op, const std::string& pattern, bool requires_grad) {
  TensorList fitting;  // each once, also when several of its names fit
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    if (!entry.is_parameter) continue;
    names.push_back(entry.name);
    const Tensor& tensor = entry.slot->tensor;
    const auto same = [&](const Tensor& other) { return other.is_same(tensor); };
    if (name_matches(entry.name, pattern) && std::none_of(fitting.begin(), fitting.end(), same))
      fitting.push_back(tensor);
  }
  if (fitting.empty())
    fail(ErrorKind::argument, "{}: no parameter of this {} fits \"{}\"; there are {}", op, type_name(), pattern,
         names.empty() ? "none" : listed(names));
  for (const Tensor& tensor : fitting) tensor.set_requires_grad(requires_grad);
  return static_cast<std::int64_t>(fitting.size());
}

std::int64_t Module::freeze(const std::string& pattern) { return set_requires_grad("freeze", pattern, false); }
std::int64_t Module::unfreeze(const std::string& pattern) { return set_requires_grad("unfreeze", pattern, true); }

void Module::train(bool training) {
  training_ = training;
  for (const Child& child : children_) child.module->train(training);
}

}  // namespace saw::nn
