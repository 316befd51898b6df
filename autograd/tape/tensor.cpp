#include "saw/autograd/tape/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <type_traits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {

// ---- storage ----

Storage::Storage(std::size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
Storage::Storage(void* memory, std::size_t bytes, std::function<void()> release)
    : data_(memory), bytes_(bytes), borrowed_(true), release_(std::move(release)) {}
Storage::~Storage() {
  if (!borrowed_) deallocate(data_, bytes_);
  if (release_) release_();
}

// ---- the handle ----

struct Tensor::Impl {
  std::shared_ptr<Storage> storage;
  Shape shape;
  Strides strides;
  std::int64_t offset = 0;
  DType dtype = float32;
  std::shared_ptr<Node> node;  // what made it, or the leaf that collects its gradient
  std::uint32_t output_index = 0;
  std::string name;  // of a leaf, beside its node's: a parameter keeps it while it is frozen
};

Tensor::Tensor(std::shared_ptr<Storage> storage, Shape shape, Strides strides, std::int64_t offset, DType dtype)
    : impl_(std::make_shared<Impl>(Impl{std::move(storage), shape, strides, offset, dtype, nullptr, 0, {}})) {}

Tensor Tensor::empty(Shape shape, DType dtype) {
  const auto bytes = static_cast<std::size_t>(element_count("tensor", shape)) * size_of(dtype);
  return Tensor(std::make_shared<Storage>(bytes), shape, contiguous_strides(shape), 0, dtype);
}

const Tensor::Impl& Tensor::checked() const {
  if (!impl_) fail(ErrorKind::argument, "tensor: used while undefined; expected a tensor with data");
  return *impl_;
}

const Shape& Tensor::shape() const { return checked().shape; }
const Strides& Tensor::strides() const { return checked().strides; }
std::int64_t Tensor::offset() const { return checked().offset; }
DType Tensor::dtype() const { return checked().dtype; }
const std::shared_ptr<Storage>& Tensor::storage() const { return checked().storage; }
std::int64_t Tensor::size(std::int64_t axis) const { return shape()[normalize_axis("size", axis, rank())]; }

bool Tensor::is_contiguous() const {
  const Impl& impl = checked();
  std::int64_t expected = 1;
  for (std::size_t i = impl.shape.size(); i-- > 0;) {
    if (impl.shape[i] == 0) return true;
    if (impl.shape[i] != 1 && impl.strides[i] != expected) return false;
    expected *= impl.shape[i];
  }
  return true;
}

const void* Tensor::data(DType expected) const {
  const Impl& impl = checked();
  if (impl.dtype != expected)
    fail(ErrorKind::dtype, "data: read as another dtype; got {}; expected {}", expected, impl.dtype);
  return static_cast<const char*>(impl.storage->data()) + static_cast<std::size_t>(impl.offset) * size_of(impl.dtype);
}

void* Tensor::mutable_data(DType expected) const {
  const Impl& impl = checked();
  const void* first = data(expected);
  if (impl.node && is_grad_enabled())
    fail(ErrorKind::autograd,
         "mutable_data: a tensor of shape {} that requires a gradient would change in place; do it under NoGradGuard",
         impl.shape);
  impl.storage->bump_version();
  return const_cast<void*>(first);
}

double Tensor::item() const {
  const Impl& impl = checked();
  if (impl.shape.numel() != 1)
    fail(ErrorKind::shape, "item: needs exactly one element; got shape {}; take sum(), mean() or select()", impl.shape);
  return dispatch_all(impl.dtype, [&]<class T>() { return static_cast<double>(*data<T>()); });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor row_major = saw::contiguous(detach());
  const T* values = row_major.data<T>();
  return std::vector<T>(values, values + row_major.numel());
}
template std::vector<float> Tensor::to_vector<float>() const;
template std::vector<double> Tensor::to_vector<double>() const;
template std::vector<std::int64_t> Tensor::to_vector<std::int64_t>() const;
template std::vector<bool> Tensor::to_vector<bool>() const;

// ---- the tape ----

bool Tensor::requires_grad() const { return checked().node != nullptr; }
bool Tensor::is_leaf() const { return checked().node == nullptr || impl_->node->op == nullptr; }

const Tensor& Tensor::set_requires_grad(bool requires_grad) const {
  const Impl& impl = checked();
  if (!is_leaf())
    fail(ErrorKind::autograd, "set_requires_grad: only leaves can change; got the result of {}; use detach()",
         impl.node->op->name);
  if (!requires_grad) {
    impl_->node = nullptr;
  } else if (impl.node == nullptr) {
    if (!is_floating(impl.dtype))
      fail(ErrorKind::dtype, "set_requires_grad: needs floating point elements; got {}", impl.dtype);
    impl_->node = Node::make();
    impl_->node->name = impl.name;
  }
  return *this;
}

Tensor Tensor::grad() const {
  const Impl& impl = checked();
  return impl.node ? impl.node->grad : Tensor();
}

void Tensor::set_grad(const Tensor& gradient) const {
  const Impl& impl = checked();
  if (!impl.node || !is_leaf())
    fail(ErrorKind::autograd, "set_grad: only a leaf that requires a gradient has one; shape {}", impl.shape);
  if (gradient.defined() && (gradient.shape() != impl.shape || gradient.dtype() != impl.dtype))
    fail(ErrorKind::shape, "set_grad: got {} {}; expected {} {}", gradient.dtype(), gradient.shape(), impl.dtype,
         impl.shape);
  impl.node->grad = gradient;
}

void Tensor::zero_grad() const {
  if (!checked().node) return;
  impl_->node->grad = Tensor();
  impl_->node->sparse_grad = {};
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  GradOptions options{.retain_graph = retain_graph, .create_graph = create_graph};
  if (gradient.defined()) options.grad_outputs = {gradient};
  saw::backward({*this}, options);
}

Tensor Tensor::detach() const {
  // A handle of its own also for a tensor without history: what becomes of the one must not happen to the other.
  const Impl& impl = checked();
  return Tensor(impl.storage, impl.shape, impl.strides, impl.offset, impl.dtype);
}

HookHandle Tensor::register_hook(Hook hook) const {
  const Impl& impl = checked();
  if (!impl.node)
    fail(ErrorKind::autograd, "register_hook: the tensor has no gradient; shape {}; set_requires_grad(true) first",
         impl.shape);
  const auto entry = std::make_shared<NodeHook>(NodeHook{impl.output_index, std::move(hook)});
  impl.node->hooks.push_back(entry);
  return HookHandle([where = std::weak_ptr<Node>(impl.node), which = std::weak_ptr<NodeHook>(entry)] {
    const std::shared_ptr<Node> node = where.lock();
    const std::shared_ptr<NodeHook> registered = which.lock();
    if (!node || !registered) return;
    registered->removed = true;
    std::erase(node->hooks, registered);
  });
}

void Tensor::set_name(std::string name) const {
  if (!is_leaf()) return;
  impl_->name = std::move(name);
  if (impl_->node) impl_->node->name = impl_->name;
}
std::string Tensor::name() const { return checked().node ? impl_->node->name : impl_->name; }

// ---- forwarding ----

Tensor Tensor::clone() const { return saw::clone(*this); }
Tensor Tensor::contiguous() const { return saw::contiguous(*this); }
Tensor Tensor::to(DType dtype) const { return saw::to(*this, dtype); }
Tensor Tensor::reshape(const Shape& shape) const { return saw::reshape(*this, shape); }
Tensor Tensor::transpose(std::int64_t axis0, std::int64_t axis1) const { return saw::transpose(*this, axis0, axis1); }
Tensor Tensor::permute(const Shape& axes) const { return saw::permute(*this, axes); }
Tensor Tensor::expand(const Shape& shape) const { return saw::expand(*this, shape); }
Tensor Tensor::squeeze(std::int64_t axis) const { return saw::squeeze(*this, axis); }
Tensor Tensor::unsqueeze(std::int64_t axis) const { return saw::unsqueeze(*this, axis); }
Tensor Tensor::select(std::int64_t axis, std::int64_t index) const { return saw::select(*this, axis, index); }
Tensor Tensor::slice(std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step) const {
  return saw::slice(*this, axis, begin, end, step);
}
Tensor Tensor::sum() const { return saw::sum(*this); }
Tensor Tensor::mean() const { return saw::mean(*this); }

// ---- in place ----

namespace {

/// What must hold before `target` changes, to values of `source` if there is one.
void check_in_place(const char* op, const Tensor& target, const Tensor& source = {}) {
  if (is_grad_enabled() && target.requires_grad())
    fail(ErrorKind::autograd,
         "{}: a tensor of shape {} that requires a gradient would change in place; do it under NoGradGuard", op,
         target.shape());
  if (is_grad_enabled() && source.defined() && source.requires_grad())
    fail(ErrorKind::autograd,
         "{}: values of shape {} that require a gradient would lose it; detach() them, or do it under NoGradGuard", op,
         source.shape());
  for (std::size_t axis = 0; axis < target.rank(); ++axis)
    if (target.shape()[axis] > 1 && target.strides()[axis] == 0 && target.numel() > 0)
      fail(
          ErrorKind::argument,
          "{}: elements along axis {} of shape {} are one and the same in memory; change the tensor that was expanded, "
          "or a clone()",
          op, axis, target.shape());
}

}  // namespace

const Tensor& Tensor::fill_(double value) const {
  check_in_place("fill_", *this);
  return copy_(dispatch_all(dtype(), [&]<class T>() {
    Tensor one = Tensor::empty({}, dtype());
    *one.mutable_data<T>() = static_cast<T>(value);
    return one;
  }));
}

const Tensor& Tensor::copy_(const Tensor& source) const {
  check_in_place("copy_", *this, source);
  if (source.dtype() != dtype())
    fail(ErrorKind::dtype, "copy_: dtypes differ; got {}; expected {}; convert with to()", source.dtype(), dtype());
  if (broadcast_shapes("copy_", source.shape(), shape()) != shape())
    fail(ErrorKind::shape, "copy_: the source does not broadcast to the destination; got {}; expected {}",
         source.shape(), shape());
  const NoGradGuard no_grad;
  // Overlapping views of one storage would be read while they are written.
  const Tensor distinct = source.storage() == storage() ? saw::clone(source.detach()) : source.detach();
  const Tensor expanded = saw::expand(distinct, shape());
  strided_copy(dtype(), expanded.data(dtype()), expanded.strides(), mutable_data(dtype()), strides(), shape());
  return *this;
}

const Tensor& Tensor::add_(const Tensor& other, double scale) const {
  check_in_place("add_", *this, other);
  if (other.dtype() != dtype() || other.shape() != shape())
    fail(ErrorKind::shape, "add_: got {} {}; expected {} {}", other.dtype(), other.shape(), dtype(), shape());
  // Views that overlap without being the same would be read after they were written.
  const bool apart = storage() != other.storage() || offset() == other.offset();
  if (!apart || !is_contiguous() || !other.is_contiguous()) {
    const NoGradGuard no_grad;
    return copy_(saw::add(detach(), saw::affine(other.detach(), scale, 0.0)));
  }
  dispatch_floating("add_", dtype(), [&]<class T>() {
    T* to = mutable_data<T>();
    const T* from = other.data<T>();
    const T factor = static_cast<T>(scale);
    parallel_for(0, numel(), 32768, [&](std::int64_t begin, std::int64_t end) {
      const auto count = static_cast<std::size_t>(end - begin);
      if constexpr (std::is_same_v<T, float>)
        kernels::axpy(factor, {from + begin, count}, {to + begin, count});
      else
        for (std::int64_t i = begin; i < end; ++i) to[i] += factor * from[i];
    });
  });
  return *this;
}

const Tensor& Tensor::mul_(double factor) const {
  check_in_place("mul_", *this);
  if (!is_contiguous()) {
    const NoGradGuard no_grad;
    return copy_(saw::affine(detach(), factor, 0.0));
  }
  dispatch_floating("mul_", dtype(), [&]<class T>() {
    T* values = mutable_data<T>();
    const T scale = static_cast<T>(factor);
    parallel_for(0, numel(), 32768, [&](std::int64_t begin, std::int64_t end) {
      if constexpr (std::is_same_v<T, float>)
        kernels::scale(scale, {values + begin, static_cast<std::size_t>(end - begin)});
      else
        for (std::int64_t i = begin; i < end; ++i) values[i] *= scale;
    });
  });
  return *this;
}

// ---- for the engine ----

const std::shared_ptr<Node>& Tensor::node() const { return checked().node; }
std::uint32_t Tensor::output_index() const { return checked().output_index; }

Tensor Tensor::with_node(std::shared_ptr<Node> node, std::uint32_t output_index) const {
  const Impl& impl = checked();
  Tensor view(impl.storage, impl.shape, impl.strides, impl.offset, impl.dtype);
  view.impl_->node = std::move(node);
  view.impl_->output_index = output_index;
  return view;
}

bool Tensor::uniquely_owned() const { return impl_.use_count() == 1 && impl_->storage.use_count() == 1; }

// ---- grad mode ----

namespace {
thread_local bool grad_enabled = true;
}

bool is_grad_enabled() { return grad_enabled; }
GradModeGuard::GradModeGuard(bool enabled) : saved_(grad_enabled) { grad_enabled = enabled; }
GradModeGuard::~GradModeGuard() { grad_enabled = saved_; }

}  // namespace saw
