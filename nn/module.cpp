#include "saw/nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <typeinfo>

#include "saw/autograd/base/internal/check.h"

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

std::string Module::type_name() const {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> readable(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  return without_namespaces(status == 0 ? readable.get() : typeid(*this).name());
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
      if (!names.empty()) text += fmt::format("; {}: {}", what, fmt::join(names, ", "));
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
  tensor = parameter;
}

void Module::set_requires_grad(bool requires_grad) {
  for (const Tensor& tensor : parameters()) tensor.set_requires_grad(requires_grad);
}

void Module::train(bool training) {
  training_ = training;
  for (const Child& child : children_) child.module->train(training);
}

}  // namespace saw::nn
