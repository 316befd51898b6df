#pragma once

// For sources of autograd/, not for users: a node of the tape.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "saw/autograd/record.h"
#include "saw/autograd/tensor.h"

namespace saw {

/// Where the gradient of an input goes, and the shape it must be reduced to on the way.
struct Edge {
  std::shared_ptr<Node> node;  // null: this input needs no gradient
  std::uint32_t output_index = 0;
  Shape shape;
};

/// A tensor as it was when an op saved it.
struct SavedTensor {
  Tensor tensor;
  std::uint64_t version = 0;
  std::int64_t own_output = -1;  // ≥ 0: this is the node's own output, kept detached
};

/// An op that happened, or (with op == nullptr) a leaf that collects its gradient.
struct Node {
  std::uint64_t sequence = 0;  // larger than that of every node it depends on
  const OpInfo* op = nullptr;
  std::vector<Edge> edges;
  std::uint32_t outputs = 1;
  Gradient gradient;
  std::vector<SavedTensor> saved;
  std::vector<SavedTensor> reference_inputs;
  std::vector<std::pair<std::uint32_t, Hook>> hooks;
  bool released = false;
  std::string module_path;  // kept in anomaly mode only

  // leaves
  Tensor grad;
  std::string name;

  /// A node that destroys its ancestors in a loop, however deep the chain.
  static std::shared_ptr<Node> make();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

 private:
  Node();
};

/// Throws when a saved tensor was changed in place; returns it for use inside a backward.
Tensor unpack(const Node& node, const SavedTensor& saved, std::weak_ptr<Node> self);

}  // namespace saw
