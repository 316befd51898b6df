#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace data {

enum class PytorchKind : std::uint8_t {
  // as in PytorchValue
  none,
  boolean,
  integer,
  real,
  string,
  bytes,
  tensor,
  tuple,
  list,
  dict,
  // a string for whoever reads the value, an element type for the pickle
  dtype,
  // only seen by the pickle itself
  global,
  storage
};

struct PytorchNode {
  PytorchKind kind = PytorchKind::none;
  std::uint32_t length = 0;  ///< of a text: bytes; of a tuple: elements
  union {
    std::int64_t integer = 0;
    double real;
    std::uint64_t begin;  ///< where a text or the elements of a tuple begin, or the position in another table
  };
};

/// What a pickle builds. The values are the nodes of one flat table and refer to each other by position: nothing
/// recurses when the document goes away, however deep the file nests, and even values that contain themselves leak
/// nothing.
struct PytorchDocument {
  using Index = std::uint32_t;
  using Kind = PytorchKind;
  using Node = PytorchNode;

  static constexpr std::uint64_t no_items = ~std::uint64_t{0};  ///< `begin` of a list or dict with nothing in it

  std::vector<Node> nodes;
  std::string text;                       ///< strings, bytes and dtype names, one after the other
  std::vector<Index> elements;            ///< of tuples, one after the other
  std::vector<std::vector<Index>> items;  ///< of lists and dicts, which grow: elements, or key, value, key, value, …
  std::vector<Tensor> tensors;

  /// What a string, bytes or dtype says.
  std::string_view text_of(const Node& node) const {
    return std::string_view(text).substr(static_cast<std::size_t>(node.begin), node.length);
  }

  /// What a container holds; nothing for all else.
  std::span<const Index> children(const Node& node) const {
    switch (node.kind) {
      case Kind::tuple:
        return std::span(elements).subspan(static_cast<std::size_t>(node.begin), node.length);
      case Kind::list:
      case Kind::dict:
        if (node.begin == no_items) return {};
        return items[static_cast<std::size_t>(node.begin)];
      default:
        return {};
    }
  }
};

/// "None", "bool", …: what Python calls a value of that kind, in messages.
const char* to_string(PytorchKind kind);

/// What the interpreter cannot see while it runs. Throws Error(io) that begins with `path` for values under `root` that
/// contain themselves, are nested deeper than 1,000 levels or would be more than 10 million if nothing were shared, so
/// that whoever walks them comes to an end; and for dicts whose keys repeat or are no str, int, float, bool or None.
void check_document(const PytorchDocument& document, PytorchDocument::Index root, const std::string& path);

}  // namespace data
}  // namespace saw
