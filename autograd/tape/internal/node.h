#pragma once

// For sources of autograd/, not for users: a node of the tape.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/record.h"
#include "saw/autograd/tape/sparse_gradient.h"
#include "saw/autograd/tape/tensor.h"

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

/// A hook on the gradient of one output of a node.
struct NodeHook {
  std::uint32_t output_index = 0;
  Hook hook;
  bool removed = false;  // for a backward that is just running the node's hooks
};

/// An op that happened, or (with op == nullptr) a leaf that collects its gradient.
struct Node : std::enable_shared_from_this<Node> {
  /// A node that destroys its ancestors in a loop, however deep the chain.
  static std::shared_ptr<Node> make();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The tensor as the op saw it, on the tape again if it was this node's own output.
  /// Throws Error(autograd) when it was changed in place since.
  Tensor unpack(const SavedTensor& saved);
  /// Lets go of everything that only another backward would need.
  void release();
  /// "matmul", or for a leaf its name.
  std::string describe() const;

  std::uint64_t sequence = 0;  // larger than that of every node it depends on
  const OpInfo* op = nullptr;
  std::vector<Edge> edges;
  std::uint32_t outputs = 1;
  std::optional<Gradient> gradient;  // of an op, until it is released
  std::vector<SavedTensor> saved;
  std::vector<SavedTensor> reference_inputs;
  std::vector<std::shared_ptr<NodeHook>> hooks;
  std::string module_path;  // kept in anomaly mode only
  bool released = false;

  // leaves
  Tensor grad;
  SparseGradient sparse_grad;
  std::string name;
  bool replaced = false;  // see replaced.h

 private:
  Node();
};

/// x with a place of its own on the tape. When one tensor serves several inputs of an op, its aliases tell their
/// gradients apart.
Tensor alias(const Tensor& x);

/// grad(), but the inputs' gradients as they are before their hooks: for a backward that finds gradients by another
/// walk, and whose results meet the hooks on their way on.
TensorList grad_before_hooks(const TensorList& outputs, const TensorList& inputs, const GradOptions& options);

/// Anomaly mode of this thread.
bool is_anomaly_enabled();
/// Whether every element is finite; integers and bools are.
bool all_finite(const Tensor& tensor);

}  // namespace saw
