#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/number.h"
#include "saw/autograd/base/shape.h"
#include "saw/autograd/tape/hook_handle.h"

namespace [[gnu::visibility("default")]] saw {

class Index;
class Indexed;
class RowIterator;
class Tensor;
struct Node;
using TensorList = std::vector<Tensor>;  ///< in an order that the function says that takes or gives it

/// A hook sees a gradient and may return another in its place; an undefined tensor leaves it as it is.
using Hook = std::function<Tensor(const Tensor& gradient)>;

/// The memory behind tensors, shared by all views of it. Its version grows with every change in place.
class Storage {
 public:
  /// Fresh memory from the caching allocator.
  explicit Storage(std::size_t bytes);
  /// Borrowed memory; `release` (may be empty) runs when the last tensor lets go of it.
  Storage(void* memory, std::size_t bytes, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }                ///< the first byte
  std::size_t bytes() const { return bytes_; }        ///< its size
  std::uint64_t version() const { return version_; }  ///< how often it has changed in place
  /// Says that it has changed, so that a backward that saved it will notice.
  void bump_version() { ++version_; }

 private:
  void* data_;
  std::size_t bytes_;
  std::uint64_t version_ = 0;
  bool borrowed_ = false;
  std::function<void()> release_;
};

/// A handle to an n-dimensional array: shared storage seen through shape, strides, offset and dtype, and the place it
/// has on the tape. Copying a Tensor copies the handle; clone() copies the data. A default-made Tensor is undefined.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  // Assigning makes the handle another one. To a temporary nobody could tell: only what indexing gives takes values.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  ~Tensor() = default;
  /// A view of `storage` with no history; for ops. The caller guarantees that the view lies inside the storage.
  Tensor(std::shared_ptr<Storage> storage, Shape shape, Strides strides, std::int64_t offset, DType dtype);
  /// Uninitialised contiguous memory, with no history; for ops that write every element.
  static Tensor empty(Shape shape, DType dtype);

  /// False for a default-made tensor, of which nothing else can be asked: all that follows throws Error(argument).
  bool defined() const { return impl_ != nullptr; }
  const Shape& shape() const;                          ///< its sizes, axis by axis
  const Strides& strides() const;                      ///< in elements, axis by axis
  std::int64_t offset() const;                         ///< elements from the beginning of the storage to the first one
  DType dtype() const;                                 ///< of all its elements
  std::size_t rank() const { return shape().size(); }  ///< how many axes; 0 for a scalar
  /// The size along an axis; negative axes count from the end.
  std::int64_t size(std::int64_t axis) const;
  std::int64_t numel() const { return shape().numel(); }  ///< how many elements
  bool is_contiguous() const;                             ///< row-major without gaps
  const std::shared_ptr<Storage>& storage() const;        ///< the memory, shared by all views of it

  /// The first element. Throws Error(dtype) when T is not this tensor's dtype.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(data(dtype_of<T>()));
  }
  /// The first element, to be written; marks the storage as changed. Throws Error(autograd) for a tensor on the tape
  /// while recording is on: in-place changes of what has a gradient are made under NoGradGuard.
  template <class T>
  T* mutable_data() const {
    return static_cast<T*>(mutable_data(dtype_of<T>()));
  }
  /// data<T>() where the type is known at run time only. Throws Error(dtype) for another one.
  const void* data(DType expected) const;
  /// mutable_data<T>() where the type is known at run time only. Throws Error(dtype) for another one.
  void* mutable_data(DType expected) const;

  /// The only element as a plain number. Throws Error(shape) unless there is exactly one.
  double item() const;
  /// The only element as a T (any arithmetic type). Throws Error(dtype) where a T cannot hold it exactly.
  template <class T>
  T item() const;
  /// All elements in row-major order as any arithmetic type. Throws Error(dtype) for the first element that a T cannot
  /// hold exactly.
  template <class T>
  std::vector<T> to_vector() const;

  // ---- the tape ----
  /// Whether gradients flow to it: a leaf of which that was asked, or the result of ops on such.
  bool requires_grad() const;
  /// Makes a floating leaf tensor collect its gradient (or stop). Returns *this.
  const Tensor& set_requires_grad(bool requires_grad) const;
  bool is_leaf() const;  ///< no op's result, or one without history
  /// The gradient collected by backward(); undefined before.
  Tensor grad() const;
  /// Puts a gradient in the place of the collected one. Throws Error(autograd) unless this is a leaf that requires one,
  /// Error(shape) unless the gradient has its shape and dtype.
  void set_grad(const Tensor& gradient) const;
  /// Forgets the gradient.
  void zero_grad() const;
  /// Walks the tape from this scalar (or from any tensor, with a gradient for it) and adds to the grad() of every
  /// leaf. The tape's saved tensors are freed on the way unless retain_graph. See saw::grad for create_graph.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;
  /// The same data with no history; shares storage.
  Tensor detach() const;
  /// Runs `hook` on this tensor's complete gradient, once per backward, until the handle's remove().
  HookHandle register_hook(Hook hook) const;
  /// A name that error messages and summaries use for a leaf ("encoder.layers.0.linear1.weight").
  void set_name(std::string name) const;
  std::string name() const;  ///< "" unless set

  // ---- the ops one reaches for most; all others are functions in saw/autograd/ops/ ----
  Tensor clone() const;                      ///< a copy with memory of its own
  Tensor contiguous() const;                 ///< this one if it is_contiguous(), else a copy that is
  Tensor to(DType dtype) const;              ///< converted, as by saw::to
  Tensor reshape(const Shape& shape) const;  ///< one size may be −1; a view where the strides allow it
  Tensor transpose(std::int64_t axis0, std::int64_t axis1) const;  ///< a view with two axes exchanged
  Tensor permute(const Shape& axes) const;                         ///< a view whose axis i is axis axes[i] of this one
  Tensor expand(const Shape& shape) const;    ///< a view that repeats axes of size 1; −1 keeps a size
  Tensor squeeze(std::int64_t axis) const;    ///< a view without that axis, if it has size 1
  Tensor unsqueeze(std::int64_t axis) const;  ///< a view with a new axis of size 1 there
  Tensor select(std::int64_t axis, std::int64_t index) const;  ///< a view of one position of an axis, which disappears
  /// A view of begin, begin + step, … below end of an axis; negative positions count from the end.
  Tensor slice(std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1) const;
  Tensor sum() const;   ///< of all elements, a scalar
  Tensor mean() const;  ///< of all elements, a scalar
  Tensor std() const;   ///< stddev(): the free function cannot be called as the namespace of the standard library

  // ---- parts, as in NumPy; see saw/autograd/tape/indexing.h ----
  /// The part at one index along the first axis: an integer, a Range, an int64 tensor, a bool tensor.
  Indexed operator[](const Index& index) const;
  /// The part at several indices, one for each axis from the first on.
  Indexed operator()(const Index& a) const;
  Indexed operator()(const Index& a, const Index& b) const;
  Indexed operator()(const Index& a, const Index& b, const Index& c) const;
  Indexed operator()(const Index& a, const Index& b, const Index& c, const Index& d) const;
  Indexed operator()(const Index& a, const Index& b, const Index& c, const Index& d, const Index& e) const;
  Indexed operator()(const Index& a, const Index& b, const Index& c, const Index& d, const Index& e,
                     const Index& f) const;
  /// Rows: for (Tensor row : x) runs over the first axis.
  RowIterator begin() const;
  RowIterator end() const;

  // ---- in place; for leaves under NoGradGuard, and for tensors off the tape. Other operands are broadcast to this
  // shape and have this dtype; numbers take it, or throw Error(dtype) where that is inexact. ----
  const Tensor& fill_(Number value) const;          ///< all elements become `value`
  const Tensor& zero_() const;                      ///< all elements become 0
  const Tensor& copy_(const Tensor& source) const;  ///< takes the elements of `source`
  /// this += scale · other.
  const Tensor& add_(const Tensor& other, double scale = 1.0) const;
  const Tensor& add_(Number number) const;
  const Tensor& sub_(const Tensor& other) const;    ///< this −= other
  const Tensor& sub_(Number number) const;          ///< this −= number
  const Tensor& mul_(const Tensor& factor) const;   ///< this ·= factor
  const Tensor& mul_(Number factor) const;          ///< this ·= factor
  const Tensor& div_(const Tensor& divisor) const;  ///< floating only
  const Tensor& div_(Number divisor) const;
  /// Elements below low become low, elements above high become high; NaN stays.
  const Tensor& clamp_(Number low, Number high) const;
  /// `value` where the mask (bool) holds.
  const Tensor& masked_fill_(const Tensor& mask, Number value) const;
  /// add_, sub_, mul_, div_ as operators.
  const Tensor& operator+=(const Tensor& other) const { return add_(other); }
  const Tensor& operator+=(Number number) const { return add_(number); }
  const Tensor& operator-=(const Tensor& other) const { return sub_(other); }
  const Tensor& operator-=(Number number) const { return sub_(number); }
  const Tensor& operator*=(const Tensor& other) const { return mul_(other); }
  const Tensor& operator*=(Number number) const { return mul_(number); }
  const Tensor& operator/=(const Tensor& other) const { return div_(other); }
  const Tensor& operator/=(Number number) const { return div_(number); }

  // ---- for the engine and for op authors ----
  const std::shared_ptr<Node>& node() const;  ///< its place on the tape; null without history
  std::uint32_t output_index() const;         ///< which of its op's outputs it is
  /// The same view of the same data at another place on the tape.
  Tensor with_node(std::shared_ptr<Node> node, std::uint32_t output_index) const;
  /// True when nothing else holds this handle's view or its storage, so that it may be overwritten.
  bool uniquely_owned() const;
  /// True for two handles to one and the same view.
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  struct Impl;
  const Impl& checked() const;
  std::shared_ptr<Impl> impl_;
};

/// Whether ops record themselves on the tape on this thread.
bool is_grad_enabled();

/// Switches recording off (or on) on this thread for a scope.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled);
  ~GradModeGuard();
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool saved_;
};

/// Nothing is recorded while it lives: for evaluation and for changing parameters in place.
class NoGradGuard : public GradModeGuard {
 public:
  NoGradGuard() : GradModeGuard(false) {}
};

}  // namespace saw

#include "saw/autograd/tape/indexing.h"  // what operator[] and operator() take and give
