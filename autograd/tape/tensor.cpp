#include "saw/autograd/tape/tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/rearranged.h"
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
    : impl_(std::make_shared<Impl>(Impl{std::move(storage), shape, strides, offset, dtype, nullptr, 0, {}})) {
  // A view that repeats elements needs no memory, but what is made of it does: its elements must be countable too.
  element_count("tensor", shape);
}

namespace {

/// Memory for a tensor; when there is none, the message says what for.
std::shared_ptr<Storage> storage_for(const Shape& shape, DType dtype, std::size_t bytes) {
  try {
    return std::make_shared<Storage>(bytes);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::memory) throw;
    fail(ErrorKind::memory,
         "tensor: out of memory; got shape {} of {}, {} bytes; {} bytes are in use; hint: smaller batches, or "
         "checkpoint()",
         shape, dtype, bytes, memory_stats().active_bytes);
  }
}

}  // namespace

Tensor Tensor::empty(Shape shape, DType dtype) {
  const auto bytes = static_cast<std::size_t>(element_count("tensor", shape)) * size_of(dtype);
  return Tensor(storage_for(shape, dtype, bytes), shape, contiguous_strides(shape), 0, dtype);
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

namespace {

/// Whether a To holds exactly this value; NaN is held by what knows it.
template <class To, class From>
bool holds(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return true;
  } else if constexpr (std::is_same_v<To, bool>) {
    return value == From{0} || value == From{1};
  } else if constexpr (std::is_floating_point_v<From> && std::is_floating_point_v<To>) {
    return value != value || std::isinf(value) || static_cast<From>(static_cast<To>(value)) == value;
  } else if constexpr (std::is_floating_point_v<From>) {
    // Both bounds are powers of two, or one more than one: exact in From.
    const From low = static_cast<From>(std::numeric_limits<To>::min());
    const From beyond = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    return value >= low && value < beyond && std::trunc(value) == value;
  } else if constexpr (std::is_floating_point_v<To>) {
    const To rounded = static_cast<To>(value);
    return rounded < static_cast<To>(0x1p63) && static_cast<std::int64_t>(rounded) == static_cast<std::int64_t>(value);
  } else if constexpr (std::is_same_v<From, bool>) {
    return true;
  } else {
    return std::in_range<To>(value);
  }
}

/// The elements that `values` points to as To; the first one that is not exact throws.
template <class To, class From, class Out>
void convert_exactly(const char* op, const From* values, const Shape& shape, Out out) {
  for (std::int64_t i = 0; i < shape.numel(); ++i, ++out) {
    if (!holds<To>(values[i]))
      fail(ErrorKind::dtype,
           "{}: an element does not fit the type that is asked for; got {} at position {}; convert "
           "with to()",
           op, values[i], unravel(i, shape));
    *out = static_cast<To>(values[i]);
  }
}

}  // namespace

template <class T>
T Tensor::item() const {
  const Impl& impl = checked();
  item();  // says what is wrong with the shape
  T result{};
  dispatch_all(impl.dtype, [&]<class From>() { convert_exactly<T>("item", data<From>(), {}, &result); });
  return result;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor row_major = saw::contiguous(detach());
  std::vector<T> result(static_cast<std::size_t>(row_major.numel()));
  dispatch_all(dtype(), [&]<class From>() {
    if constexpr (std::is_same_v<T, From>)
      std::copy_n(row_major.data<From>(), result.size(), result.begin());
    else
      convert_exactly<T>("to_vector", row_major.data<From>(), row_major.shape(), result.begin());
  });
  return result;
}

template bool Tensor::item<bool>() const;
template std::vector<bool> Tensor::to_vector<bool>() const;
template signed char Tensor::item<signed char>() const;
template std::vector<signed char> Tensor::to_vector<signed char>() const;
template unsigned char Tensor::item<unsigned char>() const;
template std::vector<unsigned char> Tensor::to_vector<unsigned char>() const;
template short Tensor::item<short>() const;
template std::vector<short> Tensor::to_vector<short>() const;
template unsigned short Tensor::item<unsigned short>() const;
template std::vector<unsigned short> Tensor::to_vector<unsigned short>() const;
template int Tensor::item<int>() const;
template std::vector<int> Tensor::to_vector<int>() const;
template unsigned int Tensor::item<unsigned int>() const;
template std::vector<unsigned int> Tensor::to_vector<unsigned int>() const;
template long Tensor::item<long>() const;
template std::vector<long> Tensor::to_vector<long>() const;
template unsigned long Tensor::item<unsigned long>() const;
template std::vector<unsigned long> Tensor::to_vector<unsigned long>() const;
template long long Tensor::item<long long>() const;
template std::vector<long long> Tensor::to_vector<long long>() const;
template unsigned long long Tensor::item<unsigned long long>() const;
template std::vector<unsigned long long> Tensor::to_vector<unsigned long long>() const;
template float Tensor::item<float>() const;
template std::vector<float> Tensor::to_vector<float>() const;
template double Tensor::item<double>() const;
template std::vector<double> Tensor::to_vector<double>() const;

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
Tensor Tensor::std() const { return stddev(*this); }

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
