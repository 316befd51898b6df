#include "saw/autograd/tape/internal/node.h"

#include <atomic>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/internal/replaced.h"

namespace saw {
namespace {

std::atomic<std::uint64_t> next_sequence{1};
std::atomic<std::int64_t> alive{0};

// Deleting a node lets go of its inputs' nodes, which may delete them in turn. Instead of recursing, the nodes that
// die while one is being deleted wait in a list: a chain of any length is destroyed on a small stack.
thread_local std::vector<Node*>* dying = nullptr;

void delete_node(Node* node) {
  if (dying != nullptr) {
    dying->push_back(node);
    return;
  }
  std::vector<Node*> waiting;
  dying = &waiting;
  delete node;
  while (!waiting.empty()) {
    Node* next = waiting.back();
    waiting.pop_back();
    delete next;
  }
  dying = nullptr;
}

}  // namespace

Node::Node() : sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {
  alive.fetch_add(1, std::memory_order_relaxed);
}
Node::~Node() { alive.fetch_sub(1, std::memory_order_relaxed); }

std::shared_ptr<Node> Node::make() { return std::shared_ptr<Node>(new Node, delete_node); }

std::int64_t live_nodes() { return alive.load(std::memory_order_relaxed); }

std::string Node::describe() const {
  if (op != nullptr) return op->name;
  return name.empty() ? "a leaf" : name;
}

Tensor Node::unpack(const SavedTensor& saved_tensor) {
  const Tensor& tensor = saved_tensor.tensor;
  if (!tensor.defined()) return {};
  if (tensor.storage()->version() != saved_tensor.version)
    fail(ErrorKind::autograd,
         "{}: a tensor of shape {} that backward needs was changed in place; got version {}; expected {}; change a "
         "clone() instead, or change it after backward",
         describe(), tensor.shape(), tensor.storage()->version(), saved_tensor.version);
  if (saved_tensor.own_output < 0) return tensor;
  return tensor.with_node(shared_from_this(), static_cast<std::uint32_t>(saved_tensor.own_output));
}

void Node::release() {
  gradient.reset();
  saved.clear();
  reference_inputs.clear();
  released = true;
}

void mark_replaced(const Tensor& leaf) {
  if (leaf.requires_grad() && leaf.is_leaf()) leaf.node()->replaced = true;
}
bool is_replaced(const Tensor& leaf) { return leaf.requires_grad() && leaf.node()->replaced; }

Tensor alias(const Tensor& x) {
  static const OpInfo info{"alias", "x", true};
  if (!x.defined() || !x.requires_grad()) return x;
  const std::shared_ptr<Node> node = Node::make();
  node->op = &info;
  node->edges.push_back({x.node(), x.output_index(), x.shape()});
  node->gradient =
      Gradient::of_ops({}, [](const BackwardContext& context) { return TensorList{context.grad_output()}; });
  return x.with_node(node, 0);
}

}  // namespace saw
