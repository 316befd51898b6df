#include "saw/data/internal/pytorch_document.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

using Index = PytorchDocument::Index;
using Kind = PytorchDocument::Kind;
using Node = PytorchDocument::Node;

constexpr std::uint32_t deepest = 1000;
constexpr std::uint64_t most_values = 10'000'000;

// Keys in an order in which equal ones are neighbours.
struct Key {
  Kind kind;
  std::uint64_t bits;  // of numbers
  std::string_view text;

  auto tie() const { return std::tie(kind, bits, text); }
  bool operator<(const Key& other) const { return tie() < other.tie(); }
  bool operator==(const Key& other) const { return tie() == other.tie(); }
};

std::string describe(const PytorchDocument& document, const Node& node) {
  switch (node.kind) {
    case Kind::string:
      return quote(document.text_of(node));
    case Kind::integer:
      return fmt::format("{}", node.integer);
    case Kind::real:
      return fmt::format("{}", node.real);
    default:
      return to_string(node.kind);
  }
}

void check_keys(const PytorchDocument& document, const Node& dict, const std::string& path) {
  const std::span<const Index> items = document.children(dict);
  std::vector<Key> keys;
  keys.reserve(items.size() / 2);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const Node& key = document.nodes[items[i]];
    switch (key.kind) {
      case Kind::none:
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        keys.push_back({key.kind, key.begin, {}});
        break;
      case Kind::string:
        keys.push_back({key.kind, 0, document.text_of(key)});
        break;
      default:
        fail(ErrorKind::io, "{}: a dict has a {} as a key; expected a str, int, float, bool or None", path,
             to_string(key.kind));
    }
  }
  std::vector<Key> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  const auto repeated = std::adjacent_find(sorted.begin(), sorted.end());
  if (repeated == sorted.end()) return;
  const auto at = std::find(keys.begin(), keys.end(), *repeated) - keys.begin();
  const Node& key = document.nodes[items[2 * static_cast<std::size_t>(at)]];
  fail(ErrorKind::io, "{}: a dict has the key {} twice", path, describe(document, key));
}

}  // namespace

const char* to_string(Kind kind) {
  constexpr std::array names{"None",  "bool", "int",  "float", "str",    "bytes",  "tensor",
                             "tuple", "list", "dict", "dtype", "global", "storage"};
  return names[static_cast<std::size_t>(kind)];
}

void check_document(const PytorchDocument& document, Index root, const std::string& path) {
  struct Visit {
    Index node;
    std::uint32_t next = 0;    // of its children
    std::uint32_t depth = 1;   // with the deepest child so far
    std::uint64_t values = 1;  // with all children so far
  };
  struct Finished {
    std::uint32_t depth = 0;  // 0: not visited
    std::uint32_t values = 0;
  };
  constexpr std::uint32_t in_progress = ~std::uint32_t{0};
  std::vector<Finished> finished(document.nodes.size());
  std::vector<Visit> visits;  // the path from the root

  const auto enter = [&](Index index) {
    const Node& node = document.nodes[index];
    if (node.kind == Kind::global || node.kind == Kind::storage)
      fail(ErrorKind::io, "{}: it holds a {}; expected tensors, containers, numbers and strings", path,
           node.kind == Kind::storage ? "storage without a tensor" : "function or type");
    if (node.kind == Kind::dict) check_keys(document, node, path);
    if (visits.size() == deepest)
      fail(ErrorKind::io, "{}: values are nested too deep; expected at most {} levels", path, deepest);
    finished[index].depth = in_progress;
    visits.push_back({.node = index});
  };
  enter(root);
  for (;;) {
    Visit& visit = visits.back();
    const std::span<const Index> children = document.children(document.nodes[visit.node]);
    if (visit.next < children.size()) {
      const Index child = children[visit.next];
      const Finished& known = finished[child];
      if (known.depth == in_progress)
        fail(ErrorKind::io, "{}: a {} contains itself", path, to_string(document.nodes[child].kind));
      if (known.depth == 0) {
        enter(child);  // and come back to this child
        continue;
      }
      ++visit.next;
      visit.depth = std::max(visit.depth, known.depth + 1);
      visit.values += known.values;
      if (visit.values > most_values)
        fail(ErrorKind::io, "{}: values share parts so often that they would be more than {} without", path,
             most_values);
      if (visit.depth > deepest)
        fail(ErrorKind::io, "{}: values are nested too deep; expected at most {} levels", path, deepest);
      continue;
    }
    finished[visit.node] = {visit.depth, static_cast<std::uint32_t>(visit.values)};
    visits.pop_back();
    if (visits.empty()) return;
  }
}

}  // namespace data
}  // namespace saw
