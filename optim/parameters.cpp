#include "saw/optim/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/listing.h"
#include "saw/optim/internal/named.h"

namespace saw {
namespace optim {

Parameters::Parameters(const StateDict& named) {
  for (const auto& [name, tensor] : named) {
    tensors_.push_back(tensor);
    names_.push_back(name);
  }
}

void Parameters::append(const Parameters& others) {
  tensors_.insert(tensors_.end(), others.tensors_.begin(), others.tensors_.end());
  names_.insert(names_.end(), others.names_.begin(), others.names_.end());
}

std::vector<Parameters> split_by_pattern(const StateDict& named, const std::vector<std::string>& patterns) {
  std::vector<StateDict> parts(patterns.size() + 1);
  for (const auto& entry : named) {
    const auto pattern = std::find_if(patterns.begin(), patterns.end(),
                                      [&](const std::string& p) { return name_matches(entry.first, p); });
    parts[pattern == patterns.end() ? 0 : static_cast<std::size_t>(pattern - patterns.begin()) + 1].push_back(entry);
  }
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (!parts[i + 1].empty()) continue;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : named) names.push_back(name);
    fail(ErrorKind::argument, "groups: no parameter is left for \"{}\"; there are {}", patterns[i], listed(names));
  }
  return {parts.begin(), parts.end()};
}

std::vector<Parameters> split_by_decay(const StateDict& named) {
  StateDict weights, others;
  for (const auto& [name, tensor] : named)
    (tensor.rank() <= 1 || std::string_view(name).ends_with("bias") ? others : weights).emplace_back(name, tensor);
  return {weights, others};
}

std::vector<std::string> unique_names(const std::string& who, const Parameters& parameters) {
  std::vector<std::string> names = parameters.names();
  std::unordered_set<std::string> taken;
  for (const std::string& name : names)
    if (!name.empty() && !taken.insert(name).second)
      fail(ErrorKind::argument, "{}: two parameters have the same name; got \"{}\" twice", who, name);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) continue;
    std::string name = parameters[i].defined() ? parameters[i].name() : std::string();
    if (name.empty() || taken.contains(name)) name = fmt::format("parameter.{}", i);
    while (!taken.insert(name).second) name += '_';
    names[i] = std::move(name);
  }
  return names;
}

void check_parameters(const std::string& who, const Parameters& parameters, const std::vector<std::string>& names) {
  if (parameters.empty())
    fail(ErrorKind::argument, "{}: there are no parameters; got an empty list; expected model.parameters()", who);
  // The same leaf may come through several handles, and the same memory through several leaves.
  std::unordered_map<const void*, std::size_t> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& parameter = parameters[i];
    if (!parameter.defined()) fail(ErrorKind::argument, "{}: parameter \"{}\" is undefined", who, names[i]);
    if (!is_floating(parameter.dtype()))
      fail(ErrorKind::dtype, "{}: parameter \"{}\" is not floating point; got {}; expected float32 or float64", who,
           names[i], parameter.dtype());
    if (!parameter.is_contiguous())
      fail(
          ErrorKind::argument,
          "{}: parameter \"{}\" is not contiguous; got shape {} with strides {}; pass the tensor that it is a view of, "
          "or contiguous()",
          who, names[i], parameter.shape(), parameter.strides());
    if (parameter.numel() == 0) continue;
    const auto [other, fresh] = seen.try_emplace(parameter.data(parameter.dtype()), i);
    if (!fresh)
      fail(ErrorKind::argument, "{}: the same parameter is there twice; got it as \"{}\" and as \"{}\"", who,
           names[other->second], names[i]);
  }
}

TensorList matching(const std::string& who, const StateDict& expected, const StateDict& state) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < expected.size(); ++i) places.emplace(expected[i].first, i);
  TensorList found(expected.size());
  std::vector<std::string> missing, unexpected, repeated, mismatched;
  for (const auto& [name, tensor] : state) {
    const auto place = places.find(name);
    if (place == places.end()) {
      unexpected.push_back(name);
      continue;
    }
    if (found[place->second].defined()) repeated.push_back(name);
    found[place->second] = tensor;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, model] = expected[i];
    if (!found[i].defined()) {
      missing.push_back(name);
    } else if (found[i].shape() != model.shape() || found[i].dtype() != model.dtype()) {
      mismatched.push_back(fmt::format("{} (got {} {}; expected {} {})", name, found[i].dtype(), found[i].shape(),
                                       model.dtype(), model.shape()));
    }
  }
  std::string problems;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) problems += fmt::format("; {}: {}", what, listed(names));
  };
  add("missing", missing);
  add("unexpected", unexpected);
  add("there twice", repeated);
  add("mismatched", mismatched);
  if (!problems.empty()) fail(ErrorKind::argument, "{}: the state does not fit{}", who, problems);
  return found;
}

std::int64_t loaded_count(const std::string& who, const std::string& name, const Tensor& value) {
  const std::int64_t count = *value.data<std::int64_t>();
  if (count < 0) fail(ErrorKind::argument, "{}: {} must not be negative; got {}", who, name, count);
  return count;
}

std::vector<double> loaded_rates(const std::string& who, const std::string& name, const Tensor& values) {
  std::vector<double> rates = values.to_vector<double>();
  for (const double rate : rates)
    if (!(rate >= 0 && std::isfinite(rate)))
      fail(ErrorKind::argument, "{}: {} must be finite and not negative; got {}", who, name, rate);
  return rates;
}

}  // namespace optim
}  // namespace saw
