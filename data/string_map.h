#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Lets a map with std::string keys be asked with a std::string_view.
struct StringHash {
  using is_transparent = void;  ///< what std::unordered_map looks for
  /// The same for a std::string and its view.
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
/// A map from strings that is asked with any of std::string, std::string_view and char*.
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

}  // namespace data
}  // namespace saw
