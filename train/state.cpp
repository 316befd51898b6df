#include "saw/train/state.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"

namespace saw::train {
namespace {

Tensor value_of(const StateDict& state, const char* name, DType dtype) {
  const Tensor value = find_tensor(state, name);
  if (!value.defined() || value.dtype() != dtype || value.rank() != 1)
    fail(ErrorKind::argument, "the state does not fit; expected {} numbers \"{}\"", dtype, name);
  return value;
}

template <class T>
std::vector<T> values_of(const StateDict& state, const char* name, std::size_t count) {
  std::vector<T> values = value_of(state, name, dtype_of<T>()).template to_vector<T>();
  if (values.size() != count)
    fail(ErrorKind::argument, "the state does not fit; got {} numbers \"{}\"; expected {}", values.size(), name, count);
  return values;
}

template <class T>
State state_of_values(std::vector<T>& values) {
  return {
      [&values]() -> StateDict {
        return {{"values", tensor(values, {static_cast<std::int64_t>(values.size())})}};
      },
      [&values](const StateDict& state) { values = value_of(state, "values", dtype_of<T>()).template to_vector<T>(); }};
}

template <class T>
State state_of_value(T& value) {
  return {[&value]() -> StateDict {
            return {{"value", tensor(std::vector<T>{value}, {1})}};
          },
          [&value](const StateDict& state) { value = values_of<T>(state, "value", 1)[0]; }};
}

}  // namespace

namespace detail {

StateDict state_of_numbers(const std::vector<std::int64_t>& numbers) {
  return {{"values", tensor(numbers, {static_cast<std::int64_t>(numbers.size())})}};
}

std::vector<std::int64_t> numbers_of_state(const StateDict& state, std::size_t count) {
  return values_of<std::int64_t>(state, "values", count);
}

}  // namespace detail

State state_of(Generator& generator) {
  return {[&generator] {
            return detail::state_of_numbers(
                {std::bit_cast<std::int64_t>(generator.seed()), std::bit_cast<std::int64_t>(generator.position())});
          },
          [&generator](const StateDict& state) {
            const auto values = detail::numbers_of_state(state, 2);
            generator = Generator(std::bit_cast<std::uint64_t>(values[0]), std::bit_cast<std::uint64_t>(values[1]));
          }};
}

State state_of(std::int64_t& value) { return state_of_value(value); }
State state_of(double& value) { return state_of_value(value); }
State state_of(std::vector<double>& values) { return state_of_values(values); }
State state_of(std::vector<std::int64_t>& values) { return state_of_values(values); }

State state_of(std::string& text) {
  return {[&text]() -> StateDict {  // eight bytes a number, behind their count
            std::vector<std::int64_t> words(1 + (text.size() + 7) / 8);
            words[0] = static_cast<std::int64_t>(text.size());
            if (!text.empty()) std::memcpy(words.data() + 1, text.data(), text.size());
            return {{"text", tensor(words, {static_cast<std::int64_t>(words.size())})}};
          },
          [&text](const StateDict& state) {
            const auto words = value_of(state, "text", int64).to_vector<std::int64_t>();
            if (words.empty() || words[0] < 0 || static_cast<std::size_t>(words[0]) > 8 * (words.size() - 1))
              fail(ErrorKind::argument, "the state does not fit; expected a text");
            const auto size = static_cast<std::size_t>(words[0]);
            text = size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(words.data() + 1), size);
          }};
}

void States::track(const std::string& name, State state) {
  if (name.empty() || name.find('/') != std::string::npos)
    fail(ErrorKind::argument, "track: a name must not be empty and has no slash; got \"{}\"", name);
  if (contains(name)) fail(ErrorKind::argument, "track: the name \"{}\" is there already; expected another", name);
  states_.emplace_back(name, std::move(state));
}

bool States::contains(const std::string& name) const {
  return std::any_of(states_.begin(), states_.end(), [&](const auto& state) { return state.first == name; });
}

States::Parts States::save() const {
  Parts parts;
  for (const auto& [name, state] : states_) parts.emplace(name, state.save());
  return parts;
}

void States::load(const Parts& parts) const {
  std::vector<std::string> missing, unexpected;
  for (const auto& [name, state] : states_)
    if (!parts.contains(name)) missing.push_back(name);
  for (const auto& [name, part] : parts)
    if (!contains(name)) unexpected.push_back(name);
  if (!missing.empty() || !unexpected.empty()) {
    std::string text = "the states do not fit what is tracked";
    if (!missing.empty()) text += fmt::format("; missing: {}", fmt::join(missing, ", "));
    if (!unexpected.empty()) text += fmt::format("; unexpected: {}", fmt::join(unexpected, ", "));
    throw Error(ErrorKind::argument, text);
  }
  for (const auto& [name, state] : states_) {
    try {
      state.load(parts.at(name));
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: {}", name, error.what()));
    }
  }
}

}  // namespace saw::train
