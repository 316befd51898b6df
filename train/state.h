#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/state_dict.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// How the state of one thing is taken, and given back to it.
struct State {
  std::function<StateDict()> save;             ///< what it is now; the tensors may share its memory
  std::function<void(const StateDict&)> load;  ///< throws where it does not fit, and then changes nothing
};

/// What has state_dict() and load_state_dict(): modules, optimizers, schedules, averages, and types of one's own.
template <class T>
concept Stateful = requires(T& thing, const T& constant, const StateDict& state) {
  { constant.state_dict() } -> std::convertible_to<StateDict>;
  thing.load_state_dict(state);
};

namespace detail {
StateDict state_of_numbers(const std::vector<std::int64_t>& numbers);
/// Throws Error(argument) unless there are `count`.
std::vector<std::int64_t> numbers_of_state(const StateDict& state, std::size_t count);
}  // namespace detail

/// The state of a thing, which must outlive what is returned.
template <Stateful T>
State state_of(T& thing) {
  return {[&thing] { return thing.state_dict(); }, [&thing](const StateDict& state) { thing.load_state_dict(state); }};
}
/// Seed and position.
State state_of(Generator& generator);
/// What has a position of whole numbers, like data::Batches: position(), and restore(position).
template <class T>
concept Positioned = requires(T& thing, const T& constant) {
  thing.restore(constant.position());
  requires std::has_unique_object_representations_v<decltype(constant.position())>;
  requires sizeof(constant.position()) % sizeof(std::int64_t) == 0;
}
&&!Stateful<T>;
template <Positioned T>
State state_of(T& thing) {
  using Position = decltype(thing.position());
  using Numbers = std::array<std::int64_t, sizeof(Position) / sizeof(std::int64_t)>;
  return {[&thing] {
            const auto numbers = std::bit_cast<Numbers>(thing.position());
            return detail::state_of_numbers({numbers.begin(), numbers.end()});
          },
          [&thing](const StateDict& state) {
            const std::vector<std::int64_t> values = detail::numbers_of_state(state, std::tuple_size_v<Numbers>);
            Numbers numbers{};
            std::copy(values.begin(), values.end(), numbers.begin());
            thing.restore(std::bit_cast<Position>(numbers));
          }};
}
State state_of(std::int64_t& value);  ///< one number
State state_of(double& value);        ///< one number, to the bit
State state_of(std::string& text);    ///< any bytes
State state_of(std::vector<double>& values);
State state_of(std::vector<std::int64_t>& values);

/// The states of several things by name: all that a run must have to go on as if it had not been interrupted.
///
///   train::States states;
///   states.track("model", model);
///   states.track("adam", adam);
///   states.track("generator", default_generator());
///   states.track("words_seen", words_seen);                        // a number of one's own
///   states.track("position", {[&] { … }, [&](const StateDict& state) { … }});
///
/// Gradients are no state: states are taken between steps.
class States {
 public:
  using Parts = std::map<std::string, StateDict>;  ///< states by the names under which they are tracked

  /// Throws Error(argument) for a name that is there already, is empty or has a slash.
  void track(const std::string& name, State state);
  /// The same for all that state_of() knows.
  template <class T>
  requires requires(T& thing) { state_of(thing); }
  void track(const std::string& name, T& thing) { track(name, state_of(thing)); }

  bool contains(const std::string& name) const;  ///< whether something is tracked under that name
  /// All states. A model's values share memory with it: write them before it changes.
  Parts save() const;
  /// Gives all states back, in the order of track(). Throws Error(argument) that lists the names that are missing or
  /// unexpected, and then changes nothing; the error of one that does not fit begins with its name.
  void load(const Parts& parts) const;

 private:
  std::vector<std::pair<std::string, State>> states_;
};

}  // namespace train
}  // namespace saw
